// `ws` on Node, as its README has it: `perMessageDeflate` with the settings that are barewire's default (no takeover, level 6,
// no least size), the broadcast and the heartbeat of its examples, and `bufferutil` beside it, which it takes by itself.

import { createServer as createPlain } from "node:http";
import { createServer as createSecure } from "node:https";
import { WebSocket, WebSocketServer } from "ws";
import { backlog, certificate, heartbeat, isEcho, messageBytes, plain, tls } from "./asked.mjs";

const perMessageDeflate = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  threshold: 0,
  zlibDeflateOptions: { level: 6 },
};

function serve(server, scheme, port) {
  const sockets = new WebSocketServer({ server, maxPayload: messageBytes, perMessageDeflate });
  sockets.on("connection", (socket) => {
    socket.isAlive = true;
    socket.on("pong", alive);
    socket.on("error", () => {});
    socket.on("message", isEcho ? echo : broadcast);
  });
  setInterval(() => {
    for (const socket of sockets.clients) {
      if (!socket.isAlive) {
        socket.terminate();
        continue;
      }
      socket.isAlive = false;
      socket.ping();
    }
  }, heartbeat * 1000);

  function broadcast(data, binary) {
    for (const socket of sockets.clients) {
      if (socket !== this && socket.readyState === WebSocket.OPEN) socket.send(data, { binary });
    }
  }

  return new Promise((told) => {
    server.listen({ host: "127.0.0.1", port, backlog }, () => {
      console.log(`${scheme} on port ${server.address().port}`);
      told();
    });
  });
}

function echo(data, binary) {
  this.send(data, { binary });
}

function alive() {
  this.isAlive = true;
}

const aes128First = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE+AESGCM";
await serve(createSecure({ ...certificate, ciphers: aes128First, honorCipherOrder: true }), "wss", tls);
await serve(createPlain(), "ws", plain);
