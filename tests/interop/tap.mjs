// A tap on the wire: passes on what a client and the daemon say, and knows which frames there were.
//
// Not here: what the frames say, which is for a client to tell.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const RSV1 = 0x40;

/** Listens for one client of the daemon at `url`, which is without TLS; `url` of the result is to be used instead. */
export async function tap(test, url) {
  const connections = [];
  const server = createServer((client) => {
    const [sent, received] = [[], []];
    connections.push({ sent, received });
    const daemon = connect(new URL(url).port, '127.0.0.1');
    const pass = (from, to, taken) => {
      from.on('data', (bytes) => taken.push(bytes) && to.write(bytes));
      from.on('close', () => to.destroy());
      from.on('error', () => to.destroy());
    };
    pass(client, daemon, sent);
    pass(daemon, client, received);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.after(() => server.close());
  // A browser has other connections too, for its pages.
  const session = () => connections.find(({ received }) => Buffer.concat(received).includes('HTTP/1.1 101 '));
  return {
    url: `ws://localhost:${server.address().port}/ws`,
    /** What the daemon agreed on. */
    extensions: () => /^Sec-WebSocket-Extensions: (.*)\r$/m.exec(Buffer.concat(session().received).toString('latin1'))?.[1],
    sent: () => messages(Buffer.concat(session().sent)),
    received: () => messages(Buffer.concat(session().received)),
  };
}

/** The messages among the frames of one direction, each with its length on the wire and whether it is deflated. */
function messages(bytes) {
  const found = [];
  let at = bytes.indexOf('\r\n\r\n') + 4;
  while (at + 2 <= bytes.length) {
    const [first, second] = bytes.subarray(at, at + 2);
    const short = second & 0x7f;
    const extended = { 126: 2, 127: 8 }[short] ?? 0;
    const length = extended ? Number(BigInt(`0x${bytes.toString('hex', at + 2, at + 2 + extended)}`)) : short;
    at += 2 + extended + (second & 0x80 ? 4 : 0) + length;
    const opcode = first & 0x0f;
    if (opcode === 1 || opcode === 2) found.push({ deflated: (first & RSV1) !== 0, length });
    else if (opcode === 0) found.at(-1).length += length;
  }
  return found;
}
