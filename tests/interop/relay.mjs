// A relay for one port, TLS and all: a network that a test can cut, or make silent.
//
// Not here: what is in the bytes (tap.mjs looks into those without TLS).

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Listens for clients of the daemon at `url`; `url` of the result is to be used instead. */
export async function relay(test, url) {
  const pairs = new Set();
  let [isSilent, most] = [false, 0];
  const server = createServer((client) => {
    const pair = [client, connect(new URL(url).port, '127.0.0.1')];
    pairs.add(pair);
    most = Math.max(most, pairs.size);
    for (const [from, to] of [pair, [...pair].reverse()]) {
      from.on('data', (bytes) => isSilent || to.write(bytes));
      from.on('error', () => {});
      from.on('close', () => {
        pairs.delete(pair);
        to.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => [...pairs].flat().forEach((socket) => socket.destroy());
  test.after(() => (server.close(), cut()));
  const there = new URL(url);
  there.port = server.address().port;
  return {
    url: there.href,
    /** Connections now, and the most at a time. */
    count: () => ({ now: pairs.size, most }),
    /** Ends every connection without a word. */
    cut,
    /** From here on no byte arrives, and nobody is told. */
    silence: () => (isSilent = true),
    /** From here on bytes arrive; those in between are lost, so that old connections are of no use. */
    resume: () => (isSilent = false),
  };
}
