// What the browser client sends: data of every kind, what it keeps until it is open, and its own messages.
//
// Not here: what it hears (session.test.mjs).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { settle, world } from './world.mjs';

const NOT_OPEN = { name: 'Error', message: 'WebSocket is not open' };

test('text and buffers are passed on as they are', async (t) => {
  const there = world(t);
  const socket = await there.open();
  const buffer = new Uint8Array([1, 2, 3]).buffer;
  const kinds = ['', 'é🦀', buffer, new Uint8Array(buffer, 1, 1), new DataView(buffer), new Float64Array(2), new Blob(['x']), Buffer.from('y')];
  for (const data of kinds) there.client.send(data);
  assert.equal(socket.sent.length, kinds.length);
  kinds.forEach((data, at) => assert.equal(socket.sent[at], data));
});

test('shared memory is copied, since browsers send none', async (t) => {
  const there = world(t);
  const socket = await there.open();
  const shared = new SharedArrayBuffer(4);
  new Uint8Array(shared).set([1, 2, 3, 4]);
  there.client.send(shared);
  there.client.send(new Uint8Array(shared, 1, 2));
  there.client.send(new DataView(shared, 3));
  new Uint8Array(shared).fill(9);
  assert.ok(socket.sent[0] instanceof ArrayBuffer && socket.sent.slice(1).every(({ buffer }) => buffer instanceof ArrayBuffer));
  assert.deepEqual(socket.sent.map((data) => [...new Uint8Array(data.buffer ?? data)]), [[1, 2, 3, 4], [2, 3], [4]]);
});

test('what is no data becomes text, as with WebSocket', async (t) => {
  const there = world(t);
  const socket = await there.open();
  for (const data of [5, null, undefined, { a: 1 }, [1, 2]]) there.client.send(data);
  assert.deepEqual(socket.sent, ['5', 'null', 'undefined', '[object Object]', '1,2']);
});

test('without a queue nothing is sent where it is not open, and nothing is kept', async (t) => {
  const there = world(t, { connect: false, maxAttempts: 1 });
  const refuses = () => {
    assert.throws(() => there.client.send('x'), NOT_OPEN);
    assert.throws(() => there.client.publish('news', 'x'), NOT_OPEN);
    assert.equal(there.client.bufferedAmount, 0);
  };
  refuses();
  there.client.connect();
  refuses();
  const first = await there.socket();
  refuses();
  first.opens();
  first.readyState = 2;
  refuses();
  first.ends();
  refuses();
  await there.clock.pass(1000);
  const second = await there.open();
  assert.deepEqual(second.sent, []);
  there.client.close();
  refuses();
  second.ends();
  refuses();
});

test('the queue takes what fits to the byte, and sends it behind login and subscriptions, before open', async (t) => {
  const there = world(t, { queueBytes: 10, token: 'a.b.c', channels: ['news'] });
  const buffer = new Uint8Array([1, 2, 3]);
  there.client.send('é🦀'); // 6 bytes
  there.client.send(buffer.buffer); // 3
  assert.equal(there.client.bufferedAmount, 9);
  const full = { message: 'WebSocket is not open, and its queue of 10 bytes is full' };
  assert.throws(() => there.client.send('xy'), full);
  assert.throws(() => there.client.send(new Blob(['xy'])), full);
  there.client.send('x');
  assert.throws(() => there.client.send('x'), full);
  assert.equal(there.client.bufferedAmount, 10);
  buffer.fill(9);
  there.client.addEventListener('open', () => there.client.send('from open'));
  const socket = await there.open();
  const [auth, subscribe, text, bytes, ...rest] = socket.sent;
  assert.deepEqual([JSON.parse(auth).type, JSON.parse(subscribe)], ['auth', { type: 'subscribe', channel: 'news' }]);
  assert.deepEqual([text, [...new Uint8Array(bytes)], rest], ['é🦀', [1, 2, 3], ['x', 'from open']], 'as they were');
  assert.equal(there.client.bufferedAmount, 0);

  socket.bufferedAmount = 7;
  assert.equal(there.client.bufferedAmount, 7);
  socket.ends();
  there.client.send('waiting');
  there.client.send('');
  await there.clock.pass(1000);
  assert.deepEqual((await there.open()).sent.slice(2), ['waiting', '', 'from open']);
});

test('what one message alone overfills stays out, and the queue is as it was', async (t) => {
  const there = world(t, { queueBytes: 4 });
  assert.throws(() => there.client.send('12345'), /queue of 4 bytes is full/);
  there.client.send(new Uint8Array(4));
  assert.equal(there.client.bufferedAmount, 4);
});

test('there is no queue before the client begins', (t) => {
  const there = world(t, { queueBytes: 100, connect: false });
  assert.throws(() => there.client.send('x'), NOT_OPEN);
  assert.equal(there.client.bufferedAmount, 0);
});

test('the queue is over when the client stops, and is not sent by a later connection', async (t) => {
  for (const stops of [
    async (there) => there.client.close(),
    async (there) => (await there.socket()).ends(1008),
    async (there) => (await there.socket()).ends(1006),
  ]) {
    const there = world(t, { queueBytes: 100, maxAttempts: 0 });
    there.client.send('old');
    await stops(there);
    assert.equal(there.client.bufferedAmount, 0);
    assert.throws(() => there.client.send('x'), NOT_OPEN);
    there.client.connect();
    there.client.send('new');
    assert.deepEqual((await there.open()).sent, ['new']);
  }
});

test('what was handed to a connection is not sent again', async (t) => {
  const there = world(t, { queueBytes: 100 });
  there.client.send('once');
  assert.deepEqual((await there.open()).sent, ['once']);
  there.sockets[0].ends();
  await there.clock.pass(1000);
  assert.deepEqual((await there.open()).sent, []);
});

test('a queue whose sending fails makes the connection fail', async (t) => {
  const there = world(t, { queueBytes: 100 });
  there.client.send('x');
  const socket = await there.socket();
  socket.send = () => { throw new Error('broken'); };
  socket.opens();
  assert.deepEqual(there.events(), ['connecting 0', 'error broken', 'close 1006', 'reconnecting 1 in 1000']);
  assert.equal(there.alive().length, 0);
});

test('publish makes a chat message', async (t) => {
  const there = world(t);
  const socket = await there.open();
  there.client.publish('news', { a: [1, null] });
  there.client.publish(undefined, 'all');
  there.client.publish(null, null, { self: false, id: 7 });
  there.client.publish('news');
  there.client.publish('news', 1, { self: true, id: 'x' });
  assert.deepEqual(socket.said, [
    { type: 'chat', channel: 'news', payload: { a: [1, null] } },
    { type: 'chat', payload: 'all' },
    { type: 'chat', payload: null, self: false, id: 7 },
    { type: 'chat', channel: 'news' },
    { type: 'chat', channel: 'news', payload: 1, self: true, id: 'x' },
  ]);
  const cycle = {};
  cycle.cycle = cycle;
  assert.throws(() => there.client.publish('news', cycle), TypeError);
  assert.equal(socket.sent.length, 5);
});

test('the binary type holds for this connection and all that follow', async (t) => {
  const there = world(t);
  assert.equal(there.client.binaryType, 'blob');
  const first = await there.open();
  first.binaryType = 'nodebuffer';
  assert.equal(there.client.binaryType, 'nodebuffer', "the socket's own, unless it was set");
  there.client.binaryType = 'arraybuffer';
  there.client.binaryType = 'nonsense';
  assert.deepEqual([there.client.binaryType, first.binaryType], ['arraybuffer', 'arraybuffer']);
  first.ends();
  assert.equal(there.client.binaryType, 'arraybuffer');
  await there.clock.pass(1000);
  assert.equal((await there.socket()).binaryType, 'arraybuffer');
});

test('url, protocol and extensions are those of the socket', async (t) => {
  const there = world(t, {}, { url: new URL('wss://there/ws'), protocols: ['json', 'xml'] });
  assert.deepEqual([there.client.url, there.client.protocol, there.client.extensions], ['wss://there/ws', '', '']);
  const socket = await there.socket();
  assert.deepEqual([socket.url, socket.protocols], ['wss://there/ws', ['json', 'xml']]);
  Object.assign(socket, { url: 'wss://there/ws?', extensions: 'permessage-deflate' });
  socket.opens('json');
  assert.deepEqual([there.client.url, there.client.protocol, there.client.extensions], ['wss://there/ws?', 'json', 'permessage-deflate']);
  socket.ends();
  assert.deepEqual([there.client.url, there.client.protocol, there.client.extensions], ['wss://there/ws', '', '']);
  await settle();
  assert.equal(world(t, {}, { url: () => 'wss://there' }).client.url, '');
});
