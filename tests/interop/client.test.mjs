// The browser client, as the daemon serves it, against the daemon over TLS: in Chromium, and in Node.
//
// Not here: each of its rules, for which nothing real is needed (tests/web/); the package (package.test.mjs).

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { daemon } from './daemon.mjs';
import { eventually, homes } from './homes.mjs';
import { relay } from './relay.mjs';
import { secretFlags, token } from './token.mjs';

const login = { credentials: { username: 'user', password: 'pass' } };
/** The page is the daemon's, its sessions go through a relay: another port is another origin. */
const ANY_ORIGIN = ['--set', 'auth.origins=any'];
const HOUR = 3600;
const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;

const begin = (home, url, config, protocols) =>
  home.run(([url, config, protocols]) => void globalThis.start(url, config, protocols), [url, config, protocols]);
const events = (home) => home.run(() => globalThis.life.events);
const happens = (home, event, times = 1) =>
  home.until(event, ([event, times]) => globalThis.life.events.filter((one) => one === event).length >= times, [event, times]);
const hears = (home, type, times = 1) =>
  home.until(type, ([type, times]) => globalThis.life.messages.filter((one) => one.type === type).length >= times, [type, times]);

/** Ends the client, and holds it to it that nothing is left. */
async function closes(home) {
  await home.run(() => globalThis.life.client.close(1000, 'bye'));
  await home.until('closed', () => globalThis.life.client.readyState === 3);
  const { timers, mostAlive, events } = await home.run(() => ({ ...globalThis.life, timers: globalThis.timers.size, client: 0, sockets: 0 }));
  assert.ok(timers === 0 && mostAlive <= 1, `${timers} timers left, ${mostAlive} sockets at a time`);
  return events.at(-1);
}

for (const [name, furnished] of Object.entries(homes)) {
  describe(name, () => {
    test('it logs in by message, subscribes, and hears what is said', async (t) => {
      const { url } = await daemon(t);
      const home = await furnished(t, url);
      await begin(home, url, login, ['json']);
      await home.run(() => {
        const { client, heard } = globalThis.life;
        globalThis.end = client.subscribe('news', (payload, { userId }) => heard.push([payload, userId]));
      });
      await hears(home, 'subscribed');
      assert.equal(await home.run(() => globalThis.life.client.protocol), 'json');
      await home.run(() => globalThis.life.client.publish('news', 'hällo 🦀 <b>', { id: 7 }));
      await hears(home, 'ack');
      await home.run(() => globalThis.life.client.publish('news', 'to others', { self: false }));
      const trip = await home.run(() => globalThis.life.client.ping({ a: 1 }));
      assert.ok(trip >= 0 && trip < 10_000);
      const { heard, messages } = await home.run(() => ({ heard: globalThis.life.heard, messages: globalThis.life.messages }));
      assert.deepEqual(heard, [['hällo 🦀 <b>', 'user']]);
      assert.deepEqual(messages.map(({ type }) => type), ['auth_success', 'connected', 'subscribed', 'chat', 'ack', 'pong']);
      await home.run(() => globalThis.end());
      await hears(home, 'unsubscribed');
      assert.deepEqual(await events(home), ['connecting', 'open', 'authenticated']);
      assert.equal(await closes(home), 'close 1000 bye');
    });

    test('it sends every kind of data', async (t) => {
      const { url } = await daemon(t);
      const home = await furnished(t, url);
      await begin(home, url, { ...login, queueBytes: 1000, connect: false });
      const kinds = await home.run(() => {
        const { client } = globalThis.life;
        const ping = (id) => JSON.stringify({ type: 'ping', id });
        const bytes = (id) => new TextEncoder().encode(ping(id));
        client.connect();
        client.send(ping('queued text'));
        client.send(bytes('queued bytes'));
        client.onopen = () => {
          client.send(ping('text'));
          client.send(bytes('view'));
          client.send(bytes('buffer').buffer.slice(0));
          client.send(new Blob([ping('blob')]));
          // A page has it only where it is isolated.
          if (!globalThis.SharedArrayBuffer) return;
          const shared = new Uint8Array(new SharedArrayBuffer(bytes('shared').length));
          shared.set(bytes('shared'));
          client.send(shared);
          client.send(shared.buffer);
        };
        return globalThis.SharedArrayBuffer ? 8 : 6;
      });
      await hears(home, 'pong', kinds);
      const ids = await home.run(() => globalThis.life.messages.filter(({ type }) => type === 'pong').map(({ id }) => id));
      const expected = ['queued text', 'queued bytes', 'text', 'view', 'buffer', 'blob', 'shared', 'shared'];
      assert.deepEqual(ids, expected.slice(0, kinds));
      await closes(home);
    });

    test('it comes back to a daemon that crashed and was started again', async (t) => {
      const first = await daemon(t);
      const home = await furnished(t, first.url);
      await begin(home, first.url, { ...login, channels: ['always'], maxDelay: 100 });
      await home.run(() => {
        const { client, heard } = globalThis.life;
        client.subscribe('news', (payload) => heard.push(payload));
      });
      await hears(home, 'subscribed', 2);
      await first.crash();
      await happens(home, 'reconnecting 3');
      await first.again();
      await happens(home, 'authenticated', 2);
      await hears(home, 'subscribed', 4);
      await home.run(() => globalThis.life.client.publish('news', 'back'));
      await home.until('heard', () => globalThis.life.heard.length > 0);
      assert.deepEqual(await home.run(() => globalThis.life.heard), ['back']);
      assert.equal((await events(home))[3], 'close 1006');
      assert.equal(await home.run(() => globalThis.life.client.attempt), 0);
      await closes(home);
    });

    test('a daemon that ends in good order is waited for', async (t) => {
      const first = await daemon(t);
      const home = await furnished(t, first.url);
      await begin(home, first.url, login);
      await happens(home, 'authenticated');
      await first.stop();
      await happens(home, 'reconnecting 1');
      assert.match((await events(home))[3], /^close 1001 /);
      await closes(home);
    });

    test('it finds out that the network is silent, and comes back when it is not', async (t) => {
      const { url } = await daemon(t, ...ANY_ORIGIN);
      const network = await relay(t, url);
      const home = await furnished(t, url);
      await begin(home, network.url, { ...login, heartbeatInterval: 500, connectTimeout: 2000 });
      await hears(home, 'pong', 3);
      assert.deepEqual(await events(home), ['connecting', 'open', 'authenticated'], 'answers in time are no silence');
      network.silence();
      await happens(home, 'error nothing heard for 1000 ms');
      await happens(home, 'error not open within 2000 ms');
      network.resume();
      await happens(home, 'authenticated', 2);
      await hears(home, 'pong', 5);
      await closes(home);
    });

    test('a network that is cut again and again sees one connection at a time', async (t) => {
      const { url } = await daemon(t, ...ANY_ORIGIN);
      const network = await relay(t, url);
      const home = await furnished(t, url);
      await begin(home, network.url, { ...login, initialDelay: 5 });
      const cuts = 8;
      for (let cut = 1; cut <= cuts; cut += 1) {
        await happens(home, 'authenticated', cut);
        await home.run(() => [1, 2, 3].forEach(() => globalThis.life.client.connect()));
        network.cut();
        await happens(home, 'reconnecting 1', cut);
        await home.run(() => [1, 2, 3].forEach(() => globalThis.life.client.connect()));
      }
      await happens(home, 'authenticated', cuts + 1);
      assert.equal(await home.run(() => globalThis.life.sockets.length), cuts + 1);
      assert.deepEqual(network.count(), { now: 1, most: 1 });
      await closes(home);
    });

    test('a token that expires is renewed by who can ask for another, and ends who cannot', async (t) => {
      const { url } = await daemon(t, ...secretFlags(t), '--set', 'auth.jwt_leeway=0s');
      const home = await furnished(t, url);
      const renews = async ([url, tokens, authBy]) => {
        globalThis.asked = 0;
        globalThis.start(url, { authBy, token: async () => tokens[globalThis.asked++] }, ['json']);
      };
      for (const authBy of ['message', 'subprotocol']) {
        const tokens = [token({ sub: 'anna', exp: inSeconds(2) }), token({ sub: 'anna', exp: inSeconds(HOUR) })];
        await home.run(renews, [url, tokens, authBy]);
        await happens(home, 'authenticated', 2);
        const told = await events(home);
        assert.deepEqual(told.slice(2, 5), ['authenticated', 'close 4401 Token expired', 'reconnecting 1']);
        assert.equal(await home.run(() => globalThis.asked), 2);
        assert.equal(await home.run(() => globalThis.life.client.protocol), 'json');
        await closes(home);
      }
      await begin(home, url, { token: token({ sub: 'anna', exp: inSeconds(2) }) });
      await happens(home, 'terminal 4401');
      assert.deepEqual((await events(home)).slice(2), ['authenticated', 'close 4401 Token expired', 'terminal 4401']);
      await closes(home);
    });

    test('a token alone is the subprotocol', async (t) => {
      const { url } = await daemon(t, ...secretFlags(t));
      const home = await furnished(t, url);
      const jwt = token({ sub: 'anna' });
      await begin(home, url, { token: jwt, authBy: 'subprotocol' });
      await happens(home, 'authenticated');
      assert.equal(await home.run(() => globalThis.life.client.protocol), `bearer.${jwt}`);
      assert.equal(await home.run(() => globalThis.life.messages[0].userId), 'anna');
      await closes(home);
    });

    test('wrong credentials end it', async (t) => {
      const { url } = await daemon(t, ...secretFlags(t), '--set', 'auth.refuse=close');
      const home = await furnished(t, url);
      await begin(home, url, { credentials: { username: 'user', password: 'wrong' } });
      await happens(home, 'terminal 1008');
      assert.deepEqual(await events(home), ['connecting', 'open', 'close 1008 Authentication failed', 'terminal 1008']);
      assert.equal(await home.run(() => globalThis.life.messages[0].message), 'Authentication failed');
      await closes(home);
      await begin(home, url, { token: token({ sub: 'anna' }, { key: 'another secret, of 32 bytes and more' }), authBy: 'subprotocol' });
      await happens(home, 'terminal 4401');
      await closes(home);
    });

    test('it gives up after the last attempt, once, and begins again when told to', async (t) => {
      const first = await daemon(t);
      const home = await furnished(t, first.url);
      await begin(home, first.url, { ...login, maxAttempts: 2, initialDelay: 10 });
      await happens(home, 'authenticated');
      await first.crash();
      await happens(home, 'maxreconnect 2');
      assert.equal(await home.run(() => globalThis.timers.size), 0);
      const told = (await events(home)).filter((event) => /^(reconnecting|maxreconnect)/.test(event));
      assert.deepEqual(told, ['reconnecting 1', 'reconnecting 2', 'maxreconnect 2']);
      await first.again();
      await home.run(() => globalThis.life.client.connect());
      await happens(home, 'authenticated', 2);
      await closes(home);
    });

    test('it can be closed at any moment', async (t) => {
      const { url } = await daemon(t, ...ANY_ORIGIN);
      const network = await relay(t, url);
      const home = await furnished(t, url);
      for (const [moment, config] of [
        ['at once', {}],
        ['connecting', {}],
        ['open', {}],
        ['reconnecting', { connectTimeout: 1 }],
      ]) {
        await home.run(
          ([url, config, moment]) => {
            const { client } = globalThis.start(url, config);
            if (moment === 'at once') client.close();
            else client.addEventListener(moment, () => setTimeout(() => client.close(), 0));
          },
          [network.url, config, moment],
        );
        await home.until('closed', () => globalThis.life.events.some((event) => event.startsWith('close')) && globalThis.timers.size === 0);
        await closes(home);
      }
      await eventually('gone', () => network.count().now === 0);
    });
  });
}

test('a page that is online again does not wait any longer', async (t) => {
  const first = await daemon(t);
  const home = await homes.Chromium(t, first.url);
  await begin(home, first.url, { ...login, initialDelay: 3_600_000, maxDelay: 3_600_000 });
  await happens(home, 'authenticated');
  await first.crash();
  await happens(home, 'reconnecting 1');
  await first.again();
  await home.context.setOffline(true);
  await home.context.setOffline(false);
  await happens(home, 'authenticated', 2);
  await closes(home);
});
