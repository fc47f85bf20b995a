// What Node's `ws` makes of the daemon.
//
// Not here: chat with clients of another kind, HTTP and TLS (the Python suite).

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';

import { Client, basic, refusal, soon } from './client.mjs';
import { daemon } from './daemon.mjs';

const MIB = 1024 * 1024;
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** A ping message of exactly this many bytes. */
function ping(bytes) {
  const [front, back] = ['{"type":"ping","payload":"', '"}'];
  return front + 'x'.repeat(bytes - front.length - back.length) + back;
}

test('a Basic header logs in, and the session is greeted', async (t) => {
  const { url } = await daemon(t, '--user', 'ännä:p:ß');
  const { greeting } = await Client.open(t, url, { login: 'ännä:p:ß' });
  assert.equal(greeting.type, 'connected');
  assert.equal(greeting.userId, 'ännä');
  assert.match(greeting.timestamp, ISO);
});

test('a wrong password is 403, a wrong form 401 with a challenge', async (t) => {
  const { url } = await daemon(t);
  assert.equal((await refusal(url, { login: 'user:wrong' })).statusCode, 403);
  const response = await refusal(url, { login: null, headers: { Authorization: 'Basic nonsense' } });
  assert.equal(response.statusCode, 401);
  assert.match(response.headers['www-authenticate'], /^Basic realm="barewire"/);
});

test('without credentials the first message logs in', async (t) => {
  const { url } = await daemon(t);
  const client = await Client.open(t, url, { login: null });
  assert.deepEqual(await client.ask({ type: 'auth', token: basic('user:pass') }), { type: 'auth_success' });
  assert.equal((await client.next()).userId, 'user');
  assert.equal((await client.ask({ type: 'ping', id: 1 })).type, 'pong');
});

test('a wrong token is told, then closed with 1008', async (t) => {
  const { url } = await daemon(t);
  const client = await Client.open(t, url, { login: null });
  assert.equal((await client.ask({ type: 'auth', token: basic('user:wrong') })).message, 'Authentication failed');
  assert.deepEqual(await client.end(), [1008, 'Authentication failed']);
});

test('anything else before authentication is closed with 1008', async (t) => {
  const { url } = await daemon(t);
  const client = await Client.open(t, url, { login: null });
  client.send({ type: 'ping' });
  assert.deepEqual(await client.end(), [1008, 'Authentication required']);
});

test('who says nothing is closed with 1008 when the time is over', async (t) => {
  const { url } = await daemon(t, '--set', 'auth.timeout=200ms');
  const client = await Client.open(t, url, { login: null });
  assert.deepEqual(await client.end(), [1008, 'Authentication timeout']);
});

test('a channel brings what is said on it, until one unsubscribes', async (t) => {
  const { url } = await daemon(t);
  const [anna, ben] = [await Client.open(t, url), await Client.open(t, url)];
  assert.deepEqual(await anna.ask({ type: 'subscribe', channel: 'news' }), { type: 'subscribed', channel: 'news' });
  const payload = { text: 'hällo 🦀', list: [1, null] };
  assert.deepEqual(await ben.ask({ type: 'chat', channel: 'news', payload, id: 'a' }), { type: 'ack', id: 'a' });
  const { timestamp, ...chat } = await anna.next();
  assert.deepEqual(chat, { type: 'chat', channel: 'news', userId: 'user', payload });
  assert.match(timestamp, ISO);

  assert.equal((await anna.ask({ type: 'unsubscribe', channel: 'news' })).type, 'unsubscribed');
  assert.equal((await ben.ask({ type: 'chat', channel: 'news', payload: 'missed', id: 'b' })).type, 'ack');
  assert.equal((await anna.ask({ type: 'ping' })).type, 'pong', 'nothing came before the pong');
});

test('without a channel everyone gets it, the sender too unless it says no', async (t) => {
  const { url } = await daemon(t);
  const [anna, ben] = [await Client.open(t, url), await Client.open(t, url)];
  anna.send({ type: 'publish', payload: 1 });
  assert.equal((await anna.next()).payload, 1);
  assert.equal((await ben.next()).payload, 1);
  assert.deepEqual(await anna.ask({ type: 'publish', payload: 2, self: false, id: 7 }), { type: 'ack', id: 7 });
  assert.equal((await ben.next()).payload, 2);
});

test('a message of 1 MiB passes, one byte more is closed with 1009', async (t) => {
  const { url } = await daemon(t);
  for (const perMessageDeflate of [false, true]) {
    const client = await Client.open(t, url, { perMessageDeflate });
    assert.equal((await client.ask(ping(MIB))).payload.length, MIB - 28);
    client.send(ping(MIB + 1));
    assert.deepEqual(await client.end(), [1009, 'Message too big']);
  }
});

test('pings are answered in both directions, and keep a session alive', async (t) => {
  const { url } = await daemon(t, '--set', 'heartbeat.interval=100ms');
  const client = await Client.open(t, url);
  client.socket.ping('are you there');
  assert.equal((await soon('pong', once(client.socket, 'pong')))[0].toString(), 'are you there');
  for (let beats = 0; beats < 3; beats += 1) await soon('ping', once(client.socket, 'ping'));
  assert.equal((await client.ask({ type: 'ping', payload: [1, 2], id: null })).payload.length, 2);
});

test('a peer that answers no ping is cut without a close', async (t) => {
  const { url } = await daemon(t, '--set', 'heartbeat.interval=100ms');
  const client = await Client.open(t, url, { autoPong: false });
  assert.deepEqual(await client.end(), [1006, '']);
});

test('a message may come in fragments, with a ping between them', async (t) => {
  const { url } = await daemon(t);
  const client = await Client.open(t, url);
  client.socket.send('{"type":"ping",', { fin: false });
  client.socket.send('', { fin: false });
  client.socket.ping('between');
  client.socket.send('"id":"f"}', { fin: true });
  assert.equal((await soon('pong', once(client.socket, 'pong')))[0].toString(), 'between');
  assert.equal((await client.next()).id, 'f');
});

test('a binary message is read as text', async (t) => {
  const { url } = await daemon(t);
  const client = await Client.open(t, url);
  client.socket.send(Buffer.from('{"type":"ping","id":"ü"}'));
  assert.equal((await client.next()).id, 'ü');
  client.socket.send(Buffer.from([0x7b, 0xff]));
  assert.deepEqual(await client.next(), { type: 'error', message: 'Invalid format', code: 'bad_utf8' });
});

test('the subprotocol json is selected among others', async (t) => {
  const { url } = await daemon(t);
  const client = await Client.open(t, url, { protocols: ['mqtt', 'json'] });
  assert.equal(client.socket.protocol, 'json');
});

test('the page of another site is refused, that of the same is not', async (t) => {
  const { url } = await daemon(t);
  assert.equal((await refusal(url, { origin: 'https://evil.example' })).statusCode, 403);
  await Client.open(t, url, { origin: new URL(url).origin.replace('wss:', 'https:') });
});

test('the peer closes with a code of its own, and gets it back', async (t) => {
  const { url } = await daemon(t);
  const client = await Client.open(t, url);
  client.socket.close(4000, 'bye');
  assert.equal((await client.end())[0], 4000);
});

test('at SIGTERM every session is closed with 1001, and the daemon exits with 0', async (t) => {
  const { url, stop } = await daemon(t);
  const sessions = [await Client.open(t, url), await Client.open(t, url), await Client.open(t, url, { login: null })];
  const exit = stop();
  for (const client of sessions) assert.deepEqual(await client.end(), [1001, 'Server shutting down']);
  assert.equal(await soon('exit', exit), 0);
});
