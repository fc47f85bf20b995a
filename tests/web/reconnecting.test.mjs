// When the browser client connects, comes back, and gives up.
//
// Not here: how it is stopped (closing.test.mjs), what it says (sending.test.mjs, session.test.mjs).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import ReconnectingWebSocket, { calculateDelay } from '../../src/app/web/barewire-client.js';
import { settle, world } from './world.mjs';

const ALMOST_ONE = 1 - 1e-6;
const HOUR = 3_600_000;

test('a delay is initial · factor^attempt up to the cap, with up to 30 % on top', () => {
  const table = [
    [0, 1000, 1299],
    [1, 2000, 2599],
    [2, 4000, 5199],
    [3, 8000, 10_399],
    [4, 16_000, 20_799],
    [5, 30_000, 38_999],
    [6, 30_000, 38_999],
    [2000, 30_000, 38_999],
  ];
  for (const [attempt, least, most] of table) {
    assert.equal(calculateDelay(attempt, {}, () => 0), least);
    assert.equal(calculateDelay(attempt, {}, () => ALMOST_ONE), most);
    assert.equal(calculateDelay(attempt, { jitter: false }, () => ALMOST_ONE), least);
    assert.equal(calculateDelay(attempt, { jitter: 'full' }, () => 0), 0);
    assert.equal(calculateDelay(attempt, { jitter: 'full' }, () => 0.5), least / 2);
    assert.equal(calculateDelay(attempt, { jitter: 'full' }, () => ALMOST_ONE), least - 1);
  }
  assert.equal(calculateDelay(0, { initialDelay: 100, maxDelay: undefined, jitter: false }), 100);
  assert.equal(calculateDelay(3, { initialDelay: 333, factor: 1.5, jitter: false }), 1123, 'whole milliseconds');
  assert.equal(calculateDelay(9, { initialDelay: 5000, maxDelay: 50, jitter: false }), 50, 'the cap holds from the first');
  assert.equal(calculateDelay(5000, { initialDelay: 0 }), 0);
  for (let run = 0; run < 1000; run += 1) {
    const delay = calculateDelay(0);
    assert.ok(delay >= 1000 && delay < 1300 && Number.isInteger(delay), `${delay}`);
  }
});

test('each failure is followed by a longer wait, which is logged', async (t) => {
  const lines = [];
  const { client, clock, sockets, events } = world(t, { log: (line) => lines.push(line), initialDelay: undefined });
  for (const delay of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
    await settle();
    const made = sockets.length;
    sockets.at(-1).fails(new Error('refused'));
    assert.equal(lines.at(-1), `Reconnecting in ${delay}ms (attempt ${made})`);
    assert.deepEqual(events(), [`connecting ${made - 1}`, 'error refused', 'close 1006', `reconnecting ${made} in ${delay}`]);
    assert.deepEqual([client.attempt, client.readyState], [made, 3]);
    await clock.pass(delay - 1);
    assert.equal(sockets.length, made);
    await clock.pass(1);
    assert.equal(sockets.length, made + 1);
    assert.deepEqual([client.attempt, client.readyState], [made, 0]);
  }
  assert.equal(lines.length, 7);
});

test('the log goes to the console unless told otherwise, and one that throws does no harm', async (t) => {
  const printed = t.mock.method(console, 'log', () => {});
  const reported = t.mock.method(console, 'error', () => {});
  const plain = world(t, { log: undefined });
  (await plain.socket()).ends();
  assert.deepEqual(printed.mock.calls.map(({ arguments: line }) => line), [['Reconnecting in 1000ms (attempt 1)']]);
  const broken = world(t, { log: () => { throw new Error('full'); } });
  (await broken.socket()).ends();
  assert.deepEqual(broken.events().at(-1), 'reconnecting 1 in 1000');
  assert.equal(reported.mock.calls[0].arguments[0].message, 'full');
});

test('jitter is drawn for each wait', async (t) => {
  const draws = [0, 0.5, ALMOST_ONE];
  t.mock.method(Math, 'random', () => draws.shift());
  const { clock, sockets, events } = world(t, { jitter: true });
  const waits = [];
  while (draws.length > 0) {
    await settle();
    sockets.at(-1).ends();
    waits.push(Number(events().at(-1).split(' ').at(-1)));
    await clock.pass(waits.at(-1));
  }
  assert.deepEqual(waits, [1000, 2300, 5199]);
});

test('nothing is fired before the caller had its turn', async (t) => {
  const { client, events, sockets } = world(t);
  assert.deepEqual([client.readyState, client.attempt, sockets.length], [0, 0, 0]);
  await settle();
  assert.deepEqual(events(), ['connecting 0']);
  sockets[0].opens();
  assert.deepEqual([events(), client.readyState, client.attempt], [['open'], 1, 0]);
});

test('an open connection sets the count back', async (t) => {
  const there = world(t, { connectTimeout: 0 });
  for (let run = 0; run < 3; run += 1) {
    (await there.socket()).ends();
    await there.clock.pass(30_000);
  }
  assert.equal(there.client.attempt, 3);
  const socket = await there.open();
  assert.equal(there.client.attempt, 0);
  socket.ends(1001);
  assert.equal(there.events().at(-1), 'reconnecting 1 in 1000');
});

test('with minUptime only one that lasts does', async (t) => {
  for (const [uptime, next] of [
    [4999, 'reconnecting 2 in 2000'],
    [5000, 'reconnecting 1 in 1000'],
  ]) {
    const there = world(t, { minUptime: 5000 });
    (await there.socket()).ends();
    await there.clock.pass(1000);
    const socket = await there.open();
    assert.equal(there.client.attempt, 1);
    await there.clock.pass(uptime);
    socket.ends(1006);
    assert.equal(there.events().at(-1), next);
    assert.equal(there.clock.pending, 1, 'the wait alone');
  }
});

test('it comes back after every close that is not terminal', async (t) => {
  for (const code of [1000, 1001, 1002, 1005, 1006, 1007, 1009, 1011, 1012, 1013, 1014, 3000, 4000, 4402, 4999]) {
    const there = world(t);
    (await there.open()).ends(code, 'why', true);
    assert.deepEqual(there.events().slice(-2), [`close ${code} why`, 'reconnecting 1 in 1000']);
  }
});

test('a terminal code ends it, until told to connect', async (t) => {
  for (const code of [1008, 4401, 4403]) {
    const there = world(t, { token: 'a.b.c' });
    (await there.open()).ends(code, 'why', true);
    assert.deepEqual(there.events(), ['connecting 0', 'open', `close ${code} why`, `terminal ${code} why`]);
    await there.isOver();
    there.client.connect();
    await there.open();
    assert.deepEqual(there.events(), ['connecting 0', 'open']);
  }
  const own = world(t, { terminalCodes: [1000] });
  (await own.open()).ends(1008);
  assert.equal(own.events().at(-1), 'reconnecting 1 in 1000');
  await own.clock.pass(1000);
  (await own.open()).ends(1000);
  assert.equal(own.events().at(-1), 'terminal 1000');
  await own.isOver();
});

test('4401 does not end one that can ask for another token, but being let in for nothing is no success', async (t) => {
  for (const config of [{ token: () => 'a.b.c' }, { credentials: async () => ({ username: 'u', password: 'p' }) }]) {
    const there = world(t, config);
    for (const delay of [1000, 2000, 4000]) {
      (await there.open()).ends(4401, 'Invalid token', true);
      assert.equal(there.events().at(-1).split(' ').at(-1), `${delay}`);
      await there.clock.pass(delay);
    }
    const socket = await there.open();
    socket.says({ type: 'auth_success' });
    socket.ends(4401, 'Token expired', true);
    assert.equal(there.events().at(-1), 'reconnecting 1 in 1000');
    await there.clock.pass(1000);
    (await there.open()).ends(4403);
    assert.equal(there.events().at(-1), 'terminal 4403');
  }
});

test('after maxAttempts it gives up, once', async (t) => {
  for (const most of [0, 1, 3]) {
    const there = world(t, { maxAttempts: most, connectTimeout: 0 });
    for (const round of ['first', 'again']) {
      if (round === 'again') there.client.connect();
      for (let attempt = 0; attempt <= most; attempt += 1) {
        assert.equal(there.client.attempt, attempt);
        (await there.socket()).ends();
        await there.clock.pass(attempt < most ? 30_000 : HOUR);
      }
      const told = there.events();
      assert.equal(told.at(-1), `maxreconnect ${most}`);
      assert.equal(told.filter((event) => event.startsWith('maxreconnect')).length, 1);
      assert.equal(there.client.attempt, 0);
      await there.isOver();
    }
    assert.equal(there.sockets.length, 2 * (most + 1));
  }
});

test('what throws at an attempt makes it fail, and the next one follows', async (t) => {
  for (const [thrown, message] of [[new Error('no'), 'no'], ['text', 'text'], [undefined, 'undefined'], [null, 'null']]) {
    const there = world(t, { token: () => Promise.reject(thrown) });
    const seen = [];
    there.client.onerror = (event) => seen.push(event.error, event.message);
    there.client.onclose = ({ code, reason, wasClean }) => seen.push(code, reason, wasClean);
    await settle();
    assert.deepEqual(seen, [thrown, message, 1006, '', false]);
  }
  const error = new Error('no');
  const throws = () => { throw error; };
  class Broken {
    constructor() {
      throw error;
    }
  }
  for (const [config, extra] of [
    [{ WebSocket: Broken }, {}],
    [{}, { url: throws }],
    [{}, { url: () => Promise.reject(error) }],
    [{ token: throws }, {}],
    [{ token: () => Promise.reject(error) }, {}],
    [{ credentials: throws }, {}],
  ]) {
    const there = world(t, config, extra);
    let seen;
    there.client.onerror = (event) => (seen = [event.error, there.client.readyState]);
    await settle();
    assert.deepEqual(there.events(), ['connecting 0', 'error no', 'close 1006', 'reconnecting 1 in 1000']);
    assert.deepEqual(seen, [error, 3]);
    await there.clock.pass(3000);
    assert.equal(there.events().at(-1), 'reconnecting 3 in 4000');
    assert.deepEqual([there.sockets.length, there.clock.pending], [0, 1]);
  }
});

test('what a function gives that is no token or credential makes the attempt fail, and is not told', async (t) => {
  for (const [config, text] of [
    [{ token: () => '' }, 'token: must be a string'],
    [{ token: async () => ({ secret: 1 }) }, 'token: must be a string'],
    [{ credentials: () => null }, 'credentials: must be username (without a colon) and password, or a function'],
    [{ credentials: () => ({ username: 'se:cret', password: 'p' }) }, 'credentials: must be username (without a colon) and password, or a function'],
    [{ token: () => 'se cret', authBy: 'subprotocol' }, 'token: has characters that no subprotocol may have'],
    [{ token: () => 'se,cret', authBy: 'subprotocol' }, 'token: has characters that no subprotocol may have'],
  ]) {
    const there = world(t, config);
    await settle();
    assert.deepEqual(there.events().slice(1, 3), [`error ${text}`, 'close 1006']);
    assert.equal(there.sockets.length, 0);
  }
});

test('an error before it is open is an end, told by the socket or not', async (t) => {
  const there = world(t);
  const socket = await there.socket();
  socket.onerror({ type: 'error', message: 'refused' });
  assert.deepEqual(there.events(), ['connecting 0', 'error', 'close 1006', 'reconnecting 1 in 1000']);
  assert.equal(there.alive().length, 0);
  socket.ends(1006);
  assert.deepEqual(there.events(), []);
  await there.clock.pass(1000);
  const open = await there.open();
  open.onerror({ type: 'error' });
  assert.deepEqual([there.events().slice(1), there.client.readyState], [['open', 'error'], 1], 'later on its close is the end');
  open.ends(1006);
  assert.equal(there.events().at(-1), 'reconnecting 1 in 1000');
});

test('url and token are asked for anew at each attempt', async (t) => {
  let asked = 0;
  const { clock, sockets } = world(
    t,
    { token: () => `token${asked}` },
    { url: async () => new URL(`wss://there/${(asked += 1)}`) },
  );
  for (const number of [1, 2, 3]) {
    await settle();
    const socket = sockets.at(-1);
    assert.equal(socket.url, `wss://there/${number}`);
    socket.opens();
    assert.deepEqual(socket.said, [{ type: 'auth', token: `token${number}` }]);
    socket.ends();
    await clock.pass(1000);
  }
});

test('an attempt that is not open in time has failed, and what comes of it later is nothing', async (t) => {
  const there = world(t, { connectTimeout: 10_000, maxAttempts: 1 });
  const late = await there.socket();
  await there.clock.pass(9999);
  assert.deepEqual([there.events(), there.client.readyState], [['connecting 0'], 0]);
  await there.clock.pass(1);
  assert.deepEqual(there.events(), ['error not open within 10000 ms', 'close 1006', 'reconnecting 1 in 1000']);
  assert.deepEqual([late.closes.length, there.alive().length], [1, 0]);
  late.opens();
  late.says({ type: 'chat' });
  late.fails(new Error('late'));
  assert.deepEqual([there.events(), late.sent], [[], []]);
  await there.clock.pass(1000);
  await there.open();
  await there.clock.pass(HOUR);
  assert.deepEqual(there.events(), ['connecting 1', 'open'], 'open in time: no timeout');

  const patient = world(t, { connectTimeout: 0 });
  await patient.socket();
  await patient.clock.pass(24 * HOUR);
  assert.deepEqual(patient.events(), ['connecting 0']);
});

test('a token that does not come in time makes the attempt fail, and opens nothing when it comes', async (t) => {
  const given = [];
  const there = world(t, { token: () => new Promise((resolve) => given.push(resolve)) });
  await there.clock.pass(10_000);
  assert.deepEqual(there.events().slice(1), ['error not open within 10000 ms', 'close 1006', 'reconnecting 1 in 1000']);
  given[0]('a.b.c');
  await settle();
  assert.equal(there.sockets.length, 0);
  await there.clock.pass(1000);
  given[1]('d.e.f');
  assert.equal((await there.open()).said[0].token, 'd.e.f');
  assert.equal(there.sockets.length, 1);
});

test('a browser that is online again hastens the wait, and nothing else', async (t) => {
  const browser = new EventTarget();
  for (const name of ['addEventListener', 'removeEventListener']) {
    globalThis[name] = browser[name].bind(browser);
    t.after(() => delete globalThis[name]);
  }
  const added = t.mock.method(browser.constructor.prototype, 'addEventListener');
  const there = world(t);
  const online = async () => {
    for (let time = 0; time < 5; time += 1) browser.dispatchEvent(new Event('online'));
    await settle();
  };
  const first = await there.socket();
  await online();
  assert.equal(there.sockets.length, 1);
  first.ends();
  await online();
  assert.deepEqual(there.events().slice(-2), ['reconnecting 1 in 1000', 'connecting 1']);
  assert.equal(there.sockets.length, 2);
  await there.clock.pass(5000);
  assert.equal(there.sockets.length, 2, 'the wait is over');
  (await there.open()).ends();
  there.client.close();
  await online();
  await there.isOver();
  assert.equal(there.sockets.length, 2);
  assert.ok(added.mock.callCount() > 0);
});

test('connect makes an attempt that is waited for, and none beside one', async (t) => {
  const there = world(t, { connect: false });
  assert.equal(there.client.readyState, 3);
  await there.isOver();
  for (let time = 0; time < 3; time += 1) there.client.connect();
  const socket = await there.socket();
  there.client.connect();
  socket.opens();
  there.client.connect();
  await there.clock.pass(HOUR);
  assert.deepEqual([there.sockets.length, there.events()], [1, ['connecting 0', 'open']]);
  socket.ends();
  there.client.connect();
  await settle();
  assert.deepEqual(there.events(), ['close 1006', 'reconnecting 1 in 1000', 'connecting 1']);
  await there.clock.pass(5000);
  assert.equal(there.sockets.length, 2, 'the wait is over');
});

test('a wait longer than timers can is the longest that they can', async (t) => {
  const there = world(t, { initialDelay: 1e12, maxDelay: 1e12 });
  (await there.socket()).ends();
  assert.equal(there.events().at(-1), `reconnecting 1 in ${2 ** 31 - 1}`);
  await there.clock.pass(HOUR);
  assert.equal(there.sockets.length, 1);
});

test('where there is no WebSocket one must be given', (t) => {
  const { WebSocket } = globalThis;
  delete globalThis.WebSocket;
  t.after(() => WebSocket && (globalThis.WebSocket = WebSocket));
  assert.throws(() => new ReconnectingWebSocket('wss://there'), /^TypeError: WebSocket: none here/);
});
