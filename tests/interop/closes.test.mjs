// How sessions end, as Node's `ws` sees it: each code and reason that the daemon sends, and what becomes of its own.
//
// Not here: 1001 and logins (ws.test.mjs), tokens that expire and refusals by a close (tokens.test.mjs).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client, basic } from './client.mjs';
import { daemon } from './daemon.mjs';

const MIB = 1024 * 1024;

/** A Close frame under a mask of zeroes, with a code that `ws` would not send. */
const close = (code) => Buffer.from([0x88, 0x82, 0, 0, 0, 0, code >> 8, code & 0xff]);
const raw = (client, bytes) => client.socket._socket.write(Buffer.from(bytes));
const set = (...keys) => keys.flatMap((key) => ['--set', key]);

const FAULTS = [
  ['a frame without a mask', 1002, 'Protocol error', [], (client) => raw(client, [0x81, 0])],
  ['half a code', 1002, 'Protocol error', [], (client) => raw(client, [0x88, 0x81, 0, 0, 0, 0, 3])],
  ['text that is none', 1007, 'Invalid UTF-8', [], (client) => client.socket.send(Buffer.from([0xff]), { binary: false })],
  ['a reason that is none', 1007, 'Invalid UTF-8', [], (client) => raw(client, [0x88, 0x83, 0, 0, 0, 0, 3, 232, 255])],
  [
    'a fragment too many',
    1008,
    'Too many fragments',
    set('limits.fragments=2'),
    ({ socket }) => ['{', '', ''].forEach((part) => socket.send(part, { fin: false })),
  ],
  [
    'a message that does not end',
    1008,
    'Message timeout',
    set('limits.message_timeout=200ms'),
    ({ socket }) => socket.send('{', { fin: false }),
  ],
  [
    'pings without end',
    1008,
    'Too many control frames',
    set('limits.control_frames_per_second=1'),
    ({ socket }) => Array.from({ length: 6 }, () => socket.ping()),
  ],
  [
    'messages without end',
    1008,
    'Rate limit exceeded',
    set('limits.messages_per_window=1'),
    (client) => Array.from({ length: 101 }, () => client.send({ type: 'ping' })),
  ],
  ['a message too big', 1009, 'Message too big', [], (client) => client.send('x'.repeat(MIB + 1))],
  [
    'a message for which there is no memory',
    1013,
    'Server overloaded',
    // It is told at once, or when its message is due: as the reads fall.
    set('limits.max_memory=1MiB', 'limits.message_timeout=3s'),
    ({ socket }) => socket.send('x'.repeat(MIB), { fin: false }),
  ],
];

for (const [name, code, reason, flags, commit] of FAULTS) {
  test(`${name} is ${code} ${reason}`, async (t) => {
    const { url } = await daemon(t, ...flags);
    const client = await Client.open(t, url, { perMessageDeflate: false });
    commit(client);
    assert.deepEqual(await client.end(), [code, reason]);
  });
}

test('who does not read is closed with 1013, and reads that behind what came before', async (t) => {
  const { url } = await daemon(t);
  const slow = await Client.open(t, url, { perMessageDeflate: false });
  const quick = await Client.open(t, url);
  slow.socket.pause();
  // More than the sockets between them hold.
  for (let id = 0; id < 20; id += 1) {
    const chat = { type: 'chat', payload: 'x'.repeat(MIB - 100), self: false, id };
    assert.deepEqual(await quick.ask(chat), { type: 'ack', id });
  }
  slow.socket.resume();
  assert.deepEqual(await slow.end(), [1013, 'slow consumer']);
});

test('where the end is spread every session is closed with 1012', async (t) => {
  const { url, stop } = await daemon(t, ...set('drain.spread=200ms'));
  const sessions = [await Client.open(t, url), await Client.open(t, url, { login: null })];
  const exit = stop();
  for (const client of sessions) assert.deepEqual(await client.end(), [1012, 'Server restarting']);
  assert.equal(await exit, 0);
});

test('each code that a client may send comes back with its reason, behind the answers', async (t) => {
  const { url } = await daemon(t);
  const reason = `${'é'.repeat(60)}end`;
  for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]) {
    const client = await Client.open(t, url);
    client.send({ type: 'ping', id: code });
    client.socket.close(code, reason);
    assert.equal((await client.next()).id, code);
    assert.deepEqual(await client.end(), [code, reason]);
  }
  const client = await Client.open(t, url);
  client.socket.close();
  assert.deepEqual(await client.end(), [1005, ''], 'an empty one is answered by an empty one');
});

test('a code that no frame may carry is 1002', async (t) => {
  const { url } = await daemon(t);
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]) {
    for (const login of ['user:pass', null]) {
      const client = await Client.open(t, url, { login });
      raw(client, close(code));
      assert.deepEqual(await client.end(), [1002, 'Protocol error'], `${code}`);
    }
  }
});

test('a close behind a token that is being judged waits for the verdict', async (t) => {
  const { url } = await daemon(t);
  const client = await Client.open(t, url, { login: null });
  client.send({ type: 'auth', token: basic('user:pass') });
  client.socket.close(4000, 'in haste');
  assert.equal((await client.next()).type, 'auth_success');
  assert.equal((await client.next()).type, 'connected');
  assert.deepEqual(await client.end(), [4000, 'in haste']);
});
