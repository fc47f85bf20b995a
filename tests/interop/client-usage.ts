// Uses of the browser client that its types must allow, and some that they must not. It is compiled, and never run.
//
// Not here: what the uses do (tests/web/, client.test.mjs).

import ReconnectingWebSocket, {
  AuthenticatedWebSocket,
  ReconnectingWebSocket as Named,
  calculateDelay,
  type Config,
  type Message,
} from 'barewire-client';

const config: Config = {
  initialDelay: 1000,
  maxAttempts: Infinity,
  jitter: 'full',
  terminalCodes: [1008],
  token: async () => 'a.b.c',
  authBy: 'subprotocol',
  channels: ['news'],
  WebSocket,
  log: null,
};
const socket: Named = new ReconnectingWebSocket('wss://there/ws', undefined, config);
new ReconnectingWebSocket(new URL('wss://there/ws'), 'json');
new ReconnectingWebSocket(async () => new URL('wss://there/ws'), ['json'], { credentials: { username: 'u', password: 'p' } });
new AuthenticatedWebSocket('wss://there/ws', 'user', 'pass', { maxAttempts: 10 }).connect();

socket.addEventListener('open', () => socket.send('text'));
socket.addEventListener('message', ({ data }) => console.log(JSON.parse(data)));
socket.addEventListener('close', ({ code, reason, wasClean }) => console.log(code.toFixed(), reason.length, !wasClean));
socket.addEventListener('reconnecting', ({ detail: { delay, attempt } }) => console.log(delay + attempt));
socket.addEventListener('terminal', ({ detail: { code, reason } }) => console.log(code + 1, reason));
socket.addEventListener('error', ({ error, message }) => console.log(error, message.length), { once: true });
socket.addEventListener('anything', (event: Event) => console.log(event.type));
socket.onclose = ({ code }) => console.log(code);
socket.onclose = null;
for (const data of ['text', new ArrayBuffer(1), new SharedArrayBuffer(1), new Uint8Array(1), new DataView(new ArrayBuffer(1)), new Blob([])]) {
  socket.send(data);
}
const end: () => void = socket.subscribe('news', (payload: unknown, { userId }: Message) => console.log(payload, userId));
end();
socket.publish(null, { any: 'thing' }, { self: false, id: 7 });
socket.on('error', ({ code, message }) => console.log(code, message))();
const trip: Promise<number> = socket.ping('payload', { timeout: 100 });
const state: 0 | 1 | 2 | 3 = socket.readyState;
console.log(state === ReconnectingWebSocket.OPEN, socket.CLOSED, trip, socket.url, socket.bufferedAmount, socket.attempt);
socket.binaryType = 'arraybuffer';
socket.close(1000, 'bye');
const delay: number = calculateDelay(0, { jitter: false }, () => 0.5);
console.log(delay);

// @ts-expect-error no such option
new ReconnectingWebSocket('wss://there', [], { maxAttempt: 1 });
// @ts-expect-error no such jitter
new ReconnectingWebSocket('wss://there', [], { jitter: 'half' });
// @ts-expect-error no data
socket.send(5);
// @ts-expect-error it is told, not set
socket.readyState = 1;
// @ts-expect-error the password is missing
new AuthenticatedWebSocket('wss://there', 'user');
// @ts-expect-error its login is given
new AuthenticatedWebSocket('wss://there', 'user', 'pass', { token: 'x' });
