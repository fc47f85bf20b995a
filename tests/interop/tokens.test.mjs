// Who Node's `ws` can come in as: tokens in every place and of every algorithm, a users file, and how long it lasts.
//
// Not here: passwords of the command line (ws.test.mjs), a browser (chromium.test.mjs).

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

import { Client, basic, refusal } from './client.mjs';
import { daemon } from './daemon.mjs';
import { file, keyPair, secretFlags, token } from './token.mjs';

const program = process.env.INTEROP_PROGRAM;
const bearer = (jwt) => ({ login: null, headers: { Authorization: `Bearer ${jwt}` } });

/** A session that came in by the upgrade itself. */
async function greeted(test, url, options) {
  const client = await Client.open(test, url, options);
  client.greeting ??= await client.next();
  assert.equal(client.greeting.type, 'connected');
  return client;
}

test('a token in the Authorization header logs in', async (t) => {
  const { url } = await daemon(t, ...secretFlags(t));
  assert.equal((await greeted(t, url, bearer(token({ sub: 'änna' })))).greeting.userId, 'änna');
});

test('a token as the only subprotocol logs in, and is selected', async (t) => {
  const { url } = await daemon(t, ...secretFlags(t));
  for (const offer of [token({ sub: 'anna' }), `bearer.${token({ sub: 'anna' })}`]) {
    const client = await greeted(t, url, { login: null, protocols: [offer] });
    assert.equal(client.greeting.userId, 'anna');
    assert.equal(client.socket.protocol, offer);
  }
});

test('a token beside a subprotocol logs in, and is not told back', async (t) => {
  const { url } = await daemon(t, ...secretFlags(t));
  const protocols = ['json', `bearer.${token({ sub: 'anna' })}`];
  const client = await greeted(t, url, { login: null, protocols });
  assert.equal(client.greeting.userId, 'anna');
  assert.equal(client.socket.protocol, 'json');
});

test('a token in the first message logs in', async (t) => {
  const { url } = await daemon(t, ...secretFlags(t));
  const client = await Client.open(t, url, { login: null });
  assert.deepEqual(await client.ask({ type: 'auth', token: token({ sub: 'anna' }) }), { type: 'auth_success' });
  assert.equal((await client.next()).userId, 'anna');
});

test('a wrong token is 401, wherever it stands', async (t) => {
  const { url } = await daemon(t, ...secretFlags(t));
  const now = Math.floor(Date.now() / 1000);
  const wrong = [
    token({ sub: 'anna' }, { key: 'another secret, of 32 bytes and more' }),
    token({ sub: 'anna', exp: now - 60 }),
    token({ sub: 'anna', nbf: now + 60 }),
    token({}),
    `${token({ sub: 'anna' })}x`,
  ];
  for (const jwt of wrong) {
    for (const options of [bearer(jwt), { login: null, protocols: [jwt] }, { login: null, protocols: ['json', `bearer.${jwt}`] }]) {
      const response = await refusal(url, options);
      assert.equal(response.statusCode, 401);
      assert.match(response.headers['www-authenticate'], /Bearer/);
    }
  }
});

test('tokens of every algorithm are taken, and only those of the one that is set', async (t) => {
  for (const alg of ['RS256', 'ES256', 'EdDSA']) {
    const { publicKey, privateKey } = keyPair(alg);
    const flags = ['--set', `auth.jwt_algorithm=${alg}`, '--set', `auth.jwt_public_key_file=${file(t, publicKey)}`];
    const { url } = await daemon(t, ...flags);
    const own = token({ sub: alg }, { alg, key: privateKey });
    assert.equal((await greeted(t, url, bearer(own))).greeting.userId, alg);
    // The public key is no secret: used as one it opens nothing.
    const forged = token({ sub: 'eve' }, { alg: 'HS256', key: publicKey });
    assert.equal((await refusal(url, bearer(forged))).statusCode, 401);
    // And the program's own tokens are the same.
    const command = ['gen-token', 'tool', '--key', file(t, privateKey), ...flags];
    const made = execFileSync(program, command, { encoding: 'utf8' }).trim();
    assert.equal((await greeted(t, url, bearer(made))).greeting.userId, 'tool');
  }
});

test('a token brings its channels and its rights', async (t) => {
  const { url } = await daemon(t, ...secretFlags(t));
  const claims = { sub: 'anna', channels: ['home'], publish: ['out.*'], subscribe: [] };
  const client = await greeted(t, url, bearer(token(claims)));
  assert.deepEqual(await client.next(), { type: 'subscribed', channel: 'home' });
  const refused = await client.ask({ type: 'subscribe', channel: 'news' });
  assert.deepEqual([refused.type, refused.code], ['error', 'subscribe_not_allowed']);
  assert.equal((await client.ask({ type: 'chat', channel: 'home', payload: 1 })).code, 'publish_not_allowed');
  assert.deepEqual(await client.ask({ type: 'chat', channel: 'out.1', payload: 1, id: 3 }), { type: 'ack', id: 3 });
});

test('a session ends with its token, unless a new one comes', async (t) => {
  const { url } = await daemon(t, ...secretFlags(t), '--set', 'auth.jwt_leeway=0s');
  const soon = () => Math.floor(Date.now() / 1000) + 2;
  const [renewed, forgotten] = [
    await greeted(t, url, bearer(token({ sub: 'anna', exp: soon() }))),
    await greeted(t, url, bearer(token({ sub: 'ben', exp: soon() }))),
  ];
  assert.deepEqual(await renewed.ask({ type: 'auth', token: token({ sub: 'anna' }) }), { type: 'auth_success' });
  assert.deepEqual(await forgotten.end(), [4401, 'Token expired']);
  assert.equal((await renewed.ask({ type: 'ping' })).type, 'pong');
  assert.equal((await renewed.ask({ type: 'auth', token: token({ sub: 'eve' }) })).message, 'Authentication failed');
  assert.deepEqual(await renewed.end(), [1008, 'Authentication failed']);
});

test('who is refused by a close sees why', async (t) => {
  const { url } = await daemon(t, ...secretFlags(t), '--set', 'auth.refuse=close');
  const bad = new Client(url, bearer(token({ sub: 'anna' }, { key: 'another secret, of 32 bytes and more' })));
  assert.deepEqual(await bad.end(), [4401, 'Invalid token']);
  const wrong = new Client(url, { login: 'user:wrong' });
  assert.deepEqual(await wrong.end(), [4403, 'Forbidden']);
});

test('users of a file log in by the hashes that the program makes', async (t) => {
  const hash = (name, ...flags) =>
    execFileSync(program, ['hash-password', name, ...flags], { input: `secret of ${name}\n`, encoding: 'utf8' });
  const users = file(t, `# who may come in\n${hash('anna')}\n${hash('ben', '--algorithm', 'bcrypt')}`);
  const { url } = await daemon(t, '--users-file', users);
  for (const name of ['anna', 'ben']) {
    const login = `${name}:secret of ${name}`;
    assert.equal((await greeted(t, url, { login })).greeting.userId, name);
    const client = await Client.open(t, url, { login: null });
    assert.deepEqual(await client.ask({ type: 'auth', token: basic(login) }), { type: 'auth_success' });
  }
  for (const login of ['anna:secret of ben', 'nobody:secret of anna', 'user:pass']) {
    assert.equal((await refusal(url, { login })).statusCode, 403, login);
  }
});

test('too many wrong passwords from one address are answered 429', async (t) => {
  const { url } = await daemon(t, '--set', 'limits.auth_failures_per_minute=3');
  for (let i = 0; i < 3; i += 1) assert.equal((await refusal(url, { login: 'user:wrong' })).statusCode, 403);
  const response = await refusal(url);
  assert.equal(response.statusCode, 429);
  const seconds = Number(response.headers['retry-after']);
  assert.ok(seconds >= 1 && seconds <= 60, `${seconds}`);
});

test('one message too many is refused, and the session stays', async (t) => {
  const { url } = await daemon(t, '--set', 'limits.messages_per_window=2');
  const client = await Client.open(t, url);
  for (let i = 0; i < 2; i += 1) assert.equal((await client.ask({ type: 'ping' })).type, 'pong');
  assert.deepEqual(await client.ask({ type: 'ping' }), {
    type: 'error',
    message: 'Rate limit exceeded',
    code: 'rate_limited',
  });
  for (let i = 1; i < 100; i += 1) client.send({ type: 'ping' });
  assert.deepEqual(await client.end(), [1008, 'Rate limit exceeded']);
});
