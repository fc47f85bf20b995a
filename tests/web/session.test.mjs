// What the browser client does with an open connection: it logs in, keeps its subscriptions, hears messages, and finds
// out that nobody is there any more.
//
// Not here: what it sends for its user (sending.test.mjs).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';

import { AuthenticatedWebSocket } from '../../src/app/web/barewire-client.js';
import { settle, world } from './world.mjs';

const basic = (text) => `Basic ${Buffer.from(text).toString('base64')}`;

test('it logs in before it says anything else', async (t) => {
  const there = world(t, { token: 'a.b.c', channels: ['news', 'sport', 'news'] });
  there.client.subscribe('chess', () => {});
  there.client.addEventListener('open', () => there.client.send('{"type":"mine"}'));
  assert.deepEqual((await there.open()).said, [
    { type: 'auth', token: 'a.b.c' },
    { type: 'subscribe', channel: 'news' },
    { type: 'subscribe', channel: 'sport' },
    { type: 'subscribe', channel: 'chess' },
    { type: 'mine' },
  ]);
});

test('a name and a password are sent as UTF-8', async (t) => {
  for (const [username, password] of [['user', 'pass'], ['jürgen', 'pä:ß 🦀'], ['user', ''], ['u', 'x'.repeat(100_000)]]) {
    for (const credentials of [{ username, password }, async () => ({ username, password })]) {
      const there = world(t, { credentials });
      assert.deepEqual((await there.open()).said, [{ type: 'auth', token: basic(`${username}:${password}`) }]);
    }
  }
});

test('the study’s client connects when told to, and offers json', async (t) => {
  const make = (config) => new AuthenticatedWebSocket('wss://there/ws', 'user', 'pass', config);
  const there = world(t, {}, { make });
  await settle();
  assert.deepEqual([there.sockets.length, there.client.readyState], [0, 3]);
  there.client.connect();
  const socket = await there.open();
  assert.deepEqual([socket.protocols, socket.said], [['json'], [{ type: 'auth', token: basic('user:pass') }]]);
  assert.throws(() => make({ token: 'a.b.c' }), /^TypeError: token, credentials: only one of them$/);
  assert.throws(() => new AuthenticatedWebSocket('wss://there', 'us:er', 'pass'), /^TypeError: credentials: must be/);
});

test('a token can be a subprotocol, the last one', async (t) => {
  for (const [protocols, offered] of [
    [undefined, ['bearer.a.b-_c']],
    [[], ['bearer.a.b-_c']],
    ['json', ['json', 'bearer.a.b-_c']],
    [['json', 'xml'], ['json', 'xml', 'bearer.a.b-_c']],
  ]) {
    const there = world(t, { token: () => 'a.b-_c', authBy: 'subprotocol' }, { protocols });
    for (let time = 0; time < 2; time += 1) {
      const socket = await there.open();
      assert.deepEqual([socket.protocols, socket.sent], [offered, []]);
      socket.ends();
      await there.clock.pass(1000);
    }
  }
});

test('a secret is nowhere to be seen', async (t) => {
  const lines = [];
  const print = t.mock.method(console, 'log', (line) => lines.push(line));
  t.mock.method(console, 'error', (line) => lines.push(line));
  for (const config of [
    { token: 'SECRET' },
    { credentials: { username: 'user', password: 'SECRET' } },
    { token: 'SECRET', authBy: 'subprotocol' },
    { token: async () => 'SECRET' },
    { token: 'SECRET\n', authBy: 'subprotocol' },
  ]) {
    const there = world(t, { ...config, log: undefined });
    const shown = () => {
      const { client } = there;
      return inspect(client, { showHidden: true, depth: 9 }) + JSON.stringify(client) + JSON.stringify({ ...client });
    };
    await settle();
    const socket = there.sockets.at(-1);
    for (const moment of ['opens', 'ends']) {
      socket?.[moment]();
      assert.ok(!shown().includes('SECRET'), shown());
    }
    await settle();
    assert.ok(!`${lines}${there.events()}`.includes('SECRET'));
  }
  assert.ok(print.mock.callCount() >= 5);
});

test('authenticated is told once a connection, by whichever message comes first', async (t) => {
  const there = world(t);
  const seen = [];
  there.client.addEventListener('authenticated', ({ detail }) => seen.push(detail));
  for (const first of [{ type: 'auth_success' }, { type: 'connected', userId: 'anna' }]) {
    const socket = await there.open();
    socket.says(first);
    socket.says({ type: 'connected', userId: 'anna' });
    assert.deepEqual(seen.splice(0), [first]);
    socket.ends();
    await there.clock.pass(1000);
  }
});

test('the first listener of a channel subscribes, the last one unsubscribes, over reconnects', async (t) => {
  const there = world(t, { channels: ['always'] });
  const hears = () => {};
  const ends = [there.client.subscribe('news', hears), there.client.subscribe('news', hears)];
  const first = await there.open();
  const subscribe = (channel) => ({ type: 'subscribe', channel });
  assert.deepEqual(first.said, [subscribe('always'), subscribe('news')]);
  const sport = there.client.subscribe('sport', hears);
  there.client.subscribe('always', hears)();
  ends[0]();
  ends[0]();
  assert.deepEqual(first.said.slice(2), [subscribe('sport')]);
  ends[1]();
  assert.deepEqual(first.said.slice(3), [{ type: 'unsubscribe', channel: 'news' }]);
  there.client.subscribe('news', hears);
  ends[1]();
  assert.deepEqual(first.said.slice(4), [subscribe('news')]);
  first.ends();
  sport();
  await there.clock.pass(1000);
  assert.deepEqual((await there.open()).said, [subscribe('always'), subscribe('news')]);
  for (const [channel, listener] of [['', hears], [undefined, hears], [5, hears], ['news', undefined], ['news', {}]]) {
    assert.throws(() => there.client.subscribe(channel, listener), TypeError);
  }
});

test('a chat reaches the listeners of its channel, and each message those of its type', async (t) => {
  const there = world(t);
  const heard = [];
  const hear = (name) => (...values) => heard.push([name, ...values]);
  there.client.onmessage = ({ data, origin, constructor }) => heard.push(['message', data, origin, constructor.name]);
  there.client.subscribe('news', hear('news'));
  there.client.subscribe('sport', hear('sport'));
  const end = there.client.on('chat', hear('chat'));
  there.client.on('*', hear('*'));
  const socket = await there.open();
  const chat = { type: 'chat', channel: 'news', userId: 'anna', payload: [1] };
  socket.says(chat);
  const raw = (message) => ['message', JSON.stringify(message), 'wss://there', 'MessageEvent'];
  assert.deepEqual(heard.splice(0), [raw(chat), ['news', [1], chat], ['chat', chat], ['*', chat]]);
  end();
  end();
  const all = { type: 'chat', payload: 'all' };
  socket.says(all);
  assert.deepEqual(heard.splice(0), [raw(all), ['*', all]]);
  socket.says({ type: '*' });
  assert.deepEqual(heard.splice(0).slice(1), [['*', { type: '*' }]], 'once');
  assert.throws(() => there.client.on('', hear('x')), TypeError);
  assert.throws(() => there.client.on('chat'), TypeError);
});

test('what is no message is an event, and nothing more', async (t) => {
  const there = world(t);
  const heard = [];
  const data = [];
  there.client.onmessage = (event) => data.push(event.data);
  there.client.on('*', (message) => heard.push(message));
  const socket = await there.open();
  const odd = ['', '{', 'null', '5', '"chat"', '[]', '{}', '{"type":5}', '{"type":null}', new ArrayBuffer(2), new Blob(['{"type":"chat"}']), Buffer.from('{"type":"chat"}')];
  for (const one of odd) socket.says(one);
  assert.deepEqual([data, heard], [odd, []]);
  socket.says('{"type":"__proto__","__proto__":{"x":1},"channel":"constructor"}');
  assert.deepEqual([heard.length, {}.x], [1, undefined]);
  assert.equal(there.client.readyState, 1);
});

test('an error in a listener is reported, and is none of the others’', async (t) => {
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  t.after(() => delete globalThis.reportError);
  const there = world(t);
  const heard = [];
  const throws = (text) => () => { throw new Error(text); };
  there.client.subscribe('news', throws('news'));
  there.client.subscribe('news', () => heard.push('news'));
  there.client.on('chat', throws('chat'));
  const end = there.client.on('chat', () => (heard.push('chat'), last()));
  const last = there.client.on('chat', () => heard.push('ended in time'));
  const socket = await there.open();
  socket.says({ type: 'chat', channel: 'news' });
  assert.deepEqual([reported, heard], [['news', 'chat'], ['news', 'chat']]);
  end();
});

test('a ping tells the round trip, whatever the order of the answers', async (t) => {
  const there = world(t);
  const socket = await there.open();
  const [first, second] = [there.client.ping({ a: 1 }), there.client.ping()];
  await settle();
  const [one, two] = socket.said;
  assert.deepEqual([one.type, one.payload, Object.hasOwn(two, 'payload')], ['ping', { a: 1 }, false]);
  await there.clock.pass(5);
  socket.says({ type: 'pong', id: two.id });
  socket.says({ type: 'pong' });
  socket.says({ type: 'pong', id: 'of another' });
  await there.clock.pass(7);
  socket.says({ type: 'pong', id: one.id });
  socket.says({ type: 'pong', id: one.id });
  assert.deepEqual(await Promise.all([first, second]), [12, 5]);
  assert.equal(there.clock.pending, 0);
});

test('a ping without an answer fails: in time, at the end, and where it is not open', async (t) => {
  const there = world(t);
  const failure = (ping) => ping.then(assert.fail, (error) => error.message);
  assert.equal(await failure(there.client.ping()), 'WebSocket is not open');
  const socket = await there.open();
  const [late, later] = [failure(there.client.ping()), failure(there.client.ping(1, { timeout: 20_000 }))];
  await there.clock.pass(10_000);
  assert.equal(await late, 'no pong within 10000 ms');
  socket.ends();
  assert.equal(await later, 'the connection is closed');
  await there.clock.pass(1000);
  await there.open();
  const last = failure(there.client.ping());
  await settle();
  there.client.close();
  assert.equal(await last, 'the connection is closed');
  assert.equal(there.clock.pending, 0);
  const cycle = {};
  cycle.cycle = cycle;
  there.sockets.at(-1).readyState = 1;
  assert.match(await failure(there.client.ping(cycle)), /circular/);
  assert.equal(there.clock.pending, 0);
});

test('nothing heard for two intervals is an end, and a word in time is not', async (t) => {
  const there = world(t, { heartbeatInterval: 1000 });
  const socket = await there.open();
  const pings = () => socket.said.filter(({ type }) => type === 'ping').length;
  await there.clock.pass(999);
  assert.equal(pings(), 0);
  await there.clock.pass(1);
  assert.deepEqual([pings(), socket.said.at(-1)], [1, { type: 'ping' }]);
  for (let time = 0; time < 10; time += 1) {
    await there.clock.pass(900);
    socket.says(time % 2 ? 'anything' : new ArrayBuffer(1));
    await there.clock.pass(600);
  }
  assert.equal(pings(), 16);
  assert.deepEqual(there.events(), ['connecting 0', 'open']);
  // Heard at 15.4 s: the beats at 17 and 18 s find silence.
  await there.clock.pass(1999);
  assert.equal(there.client.readyState, 1);
  await there.clock.pass(1);
  assert.deepEqual(there.events(), ['error nothing heard for 2000 ms', 'close 1006', 'reconnecting 1 in 1000']);
  assert.deepEqual([socket.closes.length, there.alive().length, there.clock.pending], [1, 0, 1]);
  socket.says({ type: 'pong' });
  socket.ends(1000);
  assert.deepEqual(there.events(), []);
  await there.clock.pass(1000);
  await there.open();
  await there.clock.pass(1999);
  assert.equal(there.client.readyState, 1, 'the next one has its own time');
});

test('from open on the first two intervals count', async (t) => {
  const there = world(t, { heartbeatInterval: 1000 });
  await there.open();
  await there.clock.pass(1999);
  assert.equal(there.client.readyState, 1);
  await there.clock.pass(1);
  assert.equal(there.events()[2], 'error nothing heard for 2000 ms');
});

test('without an interval nothing is asked', async (t) => {
  const there = world(t);
  const socket = await there.open();
  await there.clock.pass(3_600_000);
  assert.deepEqual([socket.sent, there.clock.pending, there.client.readyState], [[], 0, 1]);
});
