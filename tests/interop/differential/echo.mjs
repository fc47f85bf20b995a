// An echo server of Node's `ws`: what it makes of a stream of frames is compared with what barewire makes of it.
// usage: node echo.mjs MESSAGE_BYTES      (prints the port)

import { WebSocketServer } from 'ws';

const [messageBytes] = process.argv.slice(2).map(Number);
const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  backlog: 1024,
  maxPayload: messageBytes,
});
server.on('connection', (socket) => {
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});
server.on('listening', () => console.log(`WS server running on port ${server.address().port}`));
