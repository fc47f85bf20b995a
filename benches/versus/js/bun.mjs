// Bun, as its documentation has it: `Bun.serve`, a topic for the broadcast, which leaves out the sender by itself, and each
// message deflated where the client has asked for it. Bun pings by itself (`sendPings`).

import { certificate, isEcho, messageBytes, plain, tls } from "./asked.mjs";

function serve(scheme, port, options) {
  const server = Bun.serve({
    ...options,
    hostname: "127.0.0.1",
    port,
    fetch(request, server) {
      if (!server.upgrade(request)) return new Response("Not Found", { status: 404 });
    },
    websocket: {
      maxPayloadLength: messageBytes,
      perMessageDeflate: true,
      ...(isEcho ? echo : broadcast),
    },
  });
  console.log(`${scheme} on port ${server.port}`);
}

const echo = {
  message(socket, message) {
    socket.send(message, true);
  },
};

const broadcast = {
  open(socket) {
    socket.subscribe("all");
  },
  message(socket, message) {
    socket.publish("all", message);
  },
};

serve("wss", tls, { tls: certificate });
serve("ws", plain, {});
