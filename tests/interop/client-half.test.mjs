// What the client half makes of Node's `ws` as a server, over TLS of Node's and without: the example echo_client, which
// sends every message back and tells what happened.
//
// Not here: Python's `websockets` (test_client_half.py), servers that say what no library says (test_client_half_raw.py).

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:http';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { WebSocketServer } from 'ws';

const PATIENCE = 20_000;
const SIZES = [0, 1, 125, 126, 65_535, 65_536, 200_000, 1024 * 1024];
const certs = join(process.env.INTEROP_ROOT, 'tests/certs');
const [cert, key] = ['server.pem', 'key.pem'].map((name) => readFileSync(join(certs, name)));
const words = (size) => Array.from({ length: size / 5 + 1 }, (_, i) => `word ${(i * 7919) % 1000}`).join(' ').slice(0, size);

/** A server on a port that the system picks, until the test is over. */
async function serve(t, secure, options) {
  const server = secure ? createServer({ cert, key }) : createPlainServer();
  const sockets = new WebSocketServer({ server, ...options });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    sockets.clients.forEach((socket) => socket.terminate());
    server.close();
  });
  return { sockets, url: `${secure ? 'wss' : 'ws'}://localhost:${server.address().port}/` };
}

/** What the client tells of one connection to there. */
async function told(url, ...flags) {
  const command = [...flags, '--ca', join(certs, 'ca.pem'), url];
  const child = spawn(process.env.INTEROP_ECHO_CLIENT, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  const guard = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
  const lines = (await child.stdout.setEncoding('utf8').toArray()).join('').trim().split('\n');
  clearTimeout(guard);
  return lines.map((line) => JSON.parse(line));
}

/** One connection of the client, which `talk` ends; what it told, and what the server saw of the end. */
async function meet(t, talk, { secure = false, flags = [], ...options } = {}) {
  const { sockets, url } = await serve(t, secure, options);
  const met = once(sockets, 'connection').then(async ([socket]) => {
    const end = once(socket, 'close');
    await talk(socket);
    const [code, reason] = await end;
    return [code, reason.toString()];
  });
  const [lines, end] = await Promise.all([told(url, ...flags), met]);
  return { lines, end };
}

/** Sends it, and it comes back as it was. */
async function echo(socket, message) {
  const [binary, expected] = [typeof message !== 'string', Buffer.from(message)];
  socket.send(message);
  const [data, isBinary] = await once(socket, 'message');
  assert.equal(isBinary, binary);
  assert.ok(expected.equals(data), `${expected.length} bytes`);
}

const CASES = [
  ['without deflating', '', {}],
  ['with deflating', 'permessage-deflate', { perMessageDeflate: { threshold: 0 } }],
  ['with the smallest windows', 'permessage-deflate', { perMessageDeflate: { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 9 } }],
  ['where the client does not deflate', '', { perMessageDeflate: { threshold: 0 }, flags: ['--no-deflate'] }],
];
for (const [name, extensions, options] of CASES) {
  for (const secure of [false, true]) {
    test(`messages of all sizes come back over ${secure ? 'wss' : 'ws'} ${name}`, async (t) => {
      const { lines, end } = await meet(t, async (socket) => {
        assert.equal(socket.extensions, extensions);
        for (const size of SIZES) {
          await echo(socket, words(size));
          await echo(socket, Buffer.from(words(size)).map((byte, i) => byte ^ (i * 31)));
        }
        const back = once(socket, 'message');
        for (const part of ['f', '', words(100_000)]) socket.send(part, { fin: false });
        socket.ping('between');
        assert.equal((await once(socket, 'pong'))[0].toString(), 'between');
        socket.send('ü', { fin: true });
        assert.equal((await back)[0].toString(), `f${words(100_000)}ü`);
        socket.close(1000);
      }, { secure, ...options });
      assert.deepEqual(lines[0], { event: 'open', protocol: null });
      assert.equal(lines.length, 2);
      assert.deepEqual(end, [1000, '']);
    });
  }
}

test('a code and a reason are told, and come back', async (t) => {
  for (const [code, reason] of [[1000, 'done'], [1001, ''], [1012, 'ü'], [1014, ''], [3999, 'x'.repeat(123)], [4000, '']]) {
    const { lines, end } = await meet(t, (socket) => socket.close(code, reason));
    assert.deepEqual([lines[1].code, lines[1].reason, lines[1].kind], [code, reason, 'peer_closed']);
    assert.deepEqual(end, [code, reason]);
  }
  const { lines, end } = await meet(t, (socket) => socket.close());
  assert.deepEqual([lines[1].code, end[0]], [1005, 1005]);
});

test('a server that is gone is no close', async (t) => {
  const { lines } = await meet(t, (socket) => socket.terminate());
  assert.equal(lines.at(-1).code, 1006);
  assert.ok(['peer_vanished', 'transport'].includes(lines.at(-1).kind), lines.at(-1).kind);
});

test('a refusal is told with its status, its headers and its body', async (t) => {
  const verifyClient = (_, answer) => answer(false, 403, 'Not You', { 'X-Why': 'because' });
  const { url } = await serve(t, true, { verifyClient });
  const [refused, close] = await told(url);
  assert.deepEqual([refused.event, refused.status, refused.body], ['refused', 403, 'Not You']);
  assert.ok(refused.headers.some(([name, value]) => name === 'X-Why' && value === 'because'));
  assert.deepEqual([close.code, close.kind], [1006, 'http_refused']);
});

test('the subprotocol that the server chooses is told', async (t) => {
  const flags = ['--protocol', 'json', '--protocol', 'x.y'];
  const { lines } = await meet(t, (socket) => socket.close(), { flags, handleProtocols: () => 'x.y' });
  assert.equal(lines[0].protocol, 'x.y');
});
