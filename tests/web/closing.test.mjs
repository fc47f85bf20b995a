// How the browser client is stopped: at every moment of its life, by whom it may be, and with what.
//
// Not here: ends that it comes back from (reconnecting.test.mjs).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { settle, world } from './world.mjs';

/** Brings a client to a moment of its life; with the events of a `close()` then, and what its socket is told. */
const MOMENTS = {
  'before it began': { config: { connect: false }, bring: () => {}, state: 3, told: [] },
  'right after its making': { bring: () => {}, state: 0, told: ['close 1006'] },
  'while a token is awaited': {
    config: { token: () => new Promise(() => {}) },
    bring: settle,
    state: 0,
    told: ['close 1006'],
  },
  'while it connects': { bring: settle, state: 0, told: ['close 1006'], closes: [[]] },
  'while it is open': {
    config: { heartbeatInterval: 100, minUptime: 1000 },
    bring: (there) => there.open(),
    state: 1,
    after: 2,
    told: [],
    closes: [[1000, 'bye']],
  },
  'while the server closes': {
    bring: async (there) => ((await there.open()).readyState = 2),
    state: 2,
    after: 2,
    told: [],
    closes: [[1000, 'bye']],
  },
  'while it waits': { bring: async (there) => (await there.socket()).ends(), state: 3, told: [] },
  'after it gave up': {
    config: { maxAttempts: 0 },
    bring: async (there) => (await there.socket()).ends(),
    state: 3,
    told: [],
  },
  'after it was closed': { bring: (there) => there.client.close(), state: 3, told: [] },
};

for (const [moment, { config, bring, state, after = 3, told, closes = [] }] of Object.entries(MOMENTS)) {
  test(`close ${moment} leaves nothing`, async (t) => {
    const there = world(t, config);
    await bring(there);
    there.events();
    there.client.onmessage = () => assert.fail('a message after close');
    assert.equal(there.client.readyState, state);
    there.client.close(1000, 'bye');
    const socket = there.sockets.at(-1);
    assert.deepEqual([there.events(), socket?.closes ?? []], [told, closes]);
    assert.deepEqual([there.client.readyState, there.client.attempt, there.clock.pending], [after, 0, 0]);
    there.client.close(4000);
    assert.deepEqual(socket?.closes ?? [], closes, 'closed once');
    if (after === 2) {
      socket.says('late');
      socket.ends(1000, 'bye', true);
      assert.deepEqual(there.events(), ['close 1000 bye']);
    }
    // What an abandoned socket still says is nobody's.
    socket?.onopen();
    socket?.says({ type: 'connected' });
    socket?.fails(new Error('late'));
    await settle();
    assert.deepEqual(there.events(), []);
    await there.isOver();
  });
}

test('a token that comes after close opens nothing', async (t) => {
  let give;
  const there = world(t, { token: () => new Promise((resolve) => (give = resolve)) });
  await settle();
  there.client.close();
  give('a.b.c');
  await there.isOver();
  assert.equal(there.sockets.length, 0);
});

test('a token that fails after close is no error', async (t) => {
  let fail;
  const there = world(t, { token: () => new Promise((_, reject) => (fail = reject)) });
  await settle();
  there.client.close();
  there.events();
  fail(new Error('late'));
  await there.isOver();
  assert.deepEqual(there.events(), []);
});

test('after close and connect while a token is awaited only the second one counts', async (t) => {
  const given = [];
  const there = world(t, { token: () => new Promise((resolve) => given.push(resolve)) });
  await settle();
  there.client.close();
  there.client.connect();
  await settle();
  given[0]('first');
  await settle();
  assert.equal(there.sockets.length, 0);
  given[1]('second');
  assert.equal((await there.open()).said[0].token, 'second');
  assert.equal(there.sockets.length, 1);
});

test('connect while closing begins when the old connection has ended', async (t) => {
  const there = world(t);
  const first = await there.open();
  there.client.close(1000);
  there.client.connect();
  await settle();
  assert.deepEqual([there.sockets.length, there.client.readyState], [1, 2]);
  first.ends(1000, '', true);
  const second = await there.open();
  assert.notEqual(second, first);
  assert.deepEqual(there.events(), ['connecting 0', 'open', 'close 1000', 'connecting 0', 'open']);

  there.client.close();
  there.client.connect();
  there.client.close();
  second.ends(1000, '', true);
  await there.isOver();
});

test('who closes on a message hears nothing more of it', async (t) => {
  for (const ends of [(there) => there.client.close(), (there) => there.sockets[0].ends(1006)]) {
    const there = world(t);
    there.client.onmessage = () => ends(there);
    there.client.on('*', () => assert.fail('heard'));
    (await there.open()).says({ type: 'connected' });
    assert.ok(!there.events().includes('authenticated'));
  }
});

test('who closes at the beginning of an attempt is asked for nothing', async (t) => {
  let asked = 0;
  const there = world(t, { token: () => (asked += 1) }, { url: () => (asked += 1) });
  there.client.addEventListener('connecting', () => there.client.close());
  await there.isOver();
  assert.deepEqual([asked, there.events()], [0, ['connecting 0', 'close 1006']]);
});

test('who closes while the url is awaited is asked for no token', async (t) => {
  let [give, asked] = [null, 0];
  const there = world(t, { token: () => (asked += 1) }, { url: () => new Promise((resolve) => (give = resolve)) });
  await settle();
  there.client.close();
  give('wss://there');
  await there.isOver();
  assert.equal(asked, 0);
});

test('each event can be answered with close', async (t) => {
  const ways = {
    connecting: async () => {},
    open: (there) => there.open(),
    authenticated: async (there) => (await there.open()).says({ type: 'connected' }),
    message: async (there) => (await there.open()).says('text'),
    error: async (there) => (await there.socket()).fails(new Error('no')),
    close: async (there) => (await there.open()).ends(1006),
    reconnecting: async (there) => (await there.open()).ends(1006),
    maxreconnect: async (there) => (await there.socket()).ends(1006),
    terminal: async (there) => (await there.open()).ends(1008),
  };
  for (const [type, happens] of Object.entries(ways)) {
    const there = world(t, { maxAttempts: type === 'maxreconnect' ? 0 : 5, heartbeatInterval: 10, minUptime: 10 });
    let seen = 0;
    there.client.addEventListener(type, () => {
      seen += 1;
      there.client.close();
    });
    await happens(there);
    await settle();
    assert.equal(seen, 1, type);
    if (there.client.readyState === 2) there.sockets.at(-1).ends(1005);
    await there.isOver();
    assert.ok(there.events().filter((event) => event.startsWith('close')).length <= 1, type);
  }
});

test('each end can be answered with connect, and one attempt comes of it', async (t) => {
  const ways = {
    error: async (there) => (await there.socket()).fails(new Error('no')),
    close: async (there) => (await there.open()).ends(1006),
    reconnecting: async (there) => (await there.open()).ends(1006),
    maxreconnect: async (there) => (await there.socket()).ends(1006),
    terminal: async (there) => (await there.open()).ends(1008),
  };
  for (const [type, happens] of Object.entries(ways)) {
    const there = world(t, { maxAttempts: type === 'maxreconnect' ? 0 : 5, connectTimeout: 0 });
    there.client.addEventListener(type, () => there.client.connect(), { once: true });
    await happens(there);
    await there.clock.pass(100_000);
    assert.deepEqual([there.sockets.length, there.alive().length], [2, 1], type);
    assert.equal(there.clock.pending, 0, type);
  }
});

test('an error that is answered with close and connect begins one attempt', async (t) => {
  const there = world(t, { connectTimeout: 1000, heartbeatInterval: 0 });
  await there.socket();
  there.client.addEventListener(
    'error',
    () => {
      there.client.close();
      there.client.connect();
    },
    { once: true },
  );
  await there.clock.pass(1000);
  await there.open();
  assert.deepEqual([there.sockets.length, there.alive().length], [2, 1]);
});

test('a code or a reason that a Close cannot have changes nothing', async (t) => {
  const there = world(t, { heartbeatInterval: 1000 });
  const socket = await there.open();
  const full = 'x'.repeat(123);
  for (const [code, reason, name] of [
    [0, '', 'InvalidAccessError'],
    [999, '', 'InvalidAccessError'],
    [1001, '', 'InvalidAccessError'],
    [1005, '', 'InvalidAccessError'],
    [2999, '', 'InvalidAccessError'],
    [5000, '', 'InvalidAccessError'],
    [3000.5, '', 'InvalidAccessError'],
    [NaN, '', 'InvalidAccessError'],
    ['1000', '', 'InvalidAccessError'],
    [1000, `${full}x`, 'SyntaxError'],
    [undefined, `${full}x`, 'SyntaxError'],
    [1000, `${'é'.repeat(61)}xx`, 'SyntaxError'],
  ]) {
    assert.throws(() => there.client.close(code, reason), { name }, `${code} ${reason}`);
  }
  assert.deepEqual([socket.closes, there.client.readyState, there.clock.pending], [[], 1, 1]);
  socket.ends(1006);
  assert.equal(there.events().at(-1), 'reconnecting 1 in 1000', 'it still comes back');
});

test('what a Close may have is passed on', async (t) => {
  for (const how of [[], [1000], [3000, ''], [4999, 'x'.repeat(123)], [1000, `${'é'.repeat(61)}x`]]) {
    const there = world(t);
    const socket = await there.open();
    there.client.close(...how);
    assert.deepEqual(socket.closes[0].slice(0, how.length), how);
    assert.ok(socket.closes[0].slice(how.length).every((rest) => rest === undefined));
  }
});

test('a socket that can be cut is cut, not asked to end', async (t) => {
  const there = world(t, { connectTimeout: 1000 });
  const socket = await there.socket();
  let cut = 0;
  socket.terminate = () => (cut += 1);
  socket.readyState = 2;
  await there.clock.pass(1000);
  assert.deepEqual([cut, socket.closes], [1, []]);
});

test('close events are copies that have what the original has', async (t) => {
  const seen = [];
  class CloseEvent extends Event {
    constructor(type, { code, reason, wasClean }) {
      super(type);
      Object.defineProperties(this, { code: { value: code }, reason: { value: reason }, wasClean: { value: wasClean } });
    }
  }
  const { CloseEvent: own } = globalThis;
  t.after(() => (own ? (globalThis.CloseEvent = own) : delete globalThis.CloseEvent));
  for (const type of [CloseEvent, undefined]) {
    globalThis.CloseEvent = type;
    const there = world(t);
    there.client.onclose = (event) => seen.push([event instanceof CloseEvent, event.code, event.reason, event.wasClean]);
    (await there.open()).ends(1001, 'bye', true);
    await there.clock.pass(1000);
    (await there.socket()).ends();
    await there.clock.pass(2000);
    there.client.close();
  }
  const ends = [[1001, 'bye', true], [1006, '', false], [1006, '', false]];
  assert.deepEqual(seen, [...ends.map((end) => [true, ...end]), ...ends.map((end) => [false, ...end])]);
});
