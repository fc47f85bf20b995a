// An echo server of Node's `ws`: what it makes of a stream of frames is compared with barewire's answers.
// usage: node echo.mjs MESSAGE_BYTES yes|no      (whether contexts may be taken over; it prints the port)

import { WebSocketServer } from 'ws';

const [messageBytes, takeover] = process.argv.slice(2);
// Where it is not to ask for it, `false` would decline the offers that do.
const noTakeover = takeover === 'yes' ? undefined : true;
const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  backlog: 1024,
  maxPayload: Number(messageBytes),
  perMessageDeflate: { serverNoContextTakeover: noTakeover, clientNoContextTakeover: noTakeover },
});
server.on('connection', (socket) => {
  // In ws 8.23.0 what stands in the queue behind a violation is still looked at, where the violation was found behind a
  // message that took a while to inflate: it throws, and that would be the end of the process.
  const receiver = socket._receiver;
  const write = receiver._write;
  receiver._write = (chunk, encoding, callback) =>
    receiver._errored ? callback() : write.call(receiver, chunk, encoding, callback);
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});
server.on('listening', () => console.log(`WS server running on port ${server.address().port}`));
