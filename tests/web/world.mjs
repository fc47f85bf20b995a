// A world for the browser client to live in: a clock that stands still until told, sockets that do what the test says,
// and a diary of every event. Nothing here waits for real time, or opens anything.
//
// Not here: what is expected of the client (*.test.mjs); real browsers and the daemon (tests/interop/).

import assert from 'node:assert/strict';

import ReconnectingWebSocket from '../../src/app/web/barewire-client.js';

const EVENTS = ['connecting', 'open', 'authenticated', 'error', 'close', 'reconnecting', 'maxreconnect', 'terminal'];
/** Longer than any delay of any test. */
const FOR_EVER = 2 ** 33;

/** Lets everything run that waits for no timer. */
const { setImmediate } = globalThis;
export const settle = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

/** Puts the timers of this process under the test's hand, until it ends. */
export function stopClock(test) {
  const timers = new Map();
  let now = 0;
  let last = 0;
  const set = (repeats) => (run, delay) => {
    // As the platform: what is no whole number of milliseconds that fits is 1 or 0.
    const wait = Number.isFinite(delay) && delay >= 0 && delay < 2 ** 31 ? Math.trunc(delay) : 1;
    timers.set(++last, { run, at: now + wait, every: repeats ? Math.max(1, wait) : 0 });
    return last;
  };
  const clear = (id) => void timers.delete(id);
  const real = {};
  const fakes = { setTimeout: set(false), setInterval: set(true), clearTimeout: clear, clearInterval: clear };
  for (const [name, fake] of Object.entries(fakes)) [real[name], globalThis[name]] = [globalThis[name], fake];
  test.mock.method(performance, 'now', () => now);
  test.after(() => Object.assign(globalThis, real));
  return {
    /** How many timers are set. */
    get pending() {
      return timers.size;
    },
    /** Lets so many milliseconds pass, one timer after the other. */
    async pass(milliseconds) {
      await settle();
      const end = now + milliseconds;
      for (;;) {
        const due = [...timers].filter(([, { at }]) => at <= end).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
        if (!due) break;
        const [id, timer] = due;
        now = timer.at;
        if (timer.every) timer.at += timer.every;
        else timers.delete(id);
        timer.run();
        await settle();
      }
      now = end;
    },
  };
}

/** A network: its `WebSocket`, and all that were made, which do nothing but what they are told. */
export function network() {
  const sockets = [];
  class FakeSocket {
    readyState = 0;
    protocol = '';
    extensions = '';
    bufferedAmount = 0;
    binaryType = 'blob';
    sent = [];
    /** The arguments of each `close`. */
    closes = [];

    constructor(url, protocols) {
      assert.equal(alive().length, 0, 'a second socket beside one that lives');
      Object.assign(this, { url, protocols });
      sockets.push(this);
    }

    send(data) {
      assert.equal(this.readyState, 1, 'sent on a socket that is not open');
      this.sent.push(data);
    }

    close(...how) {
      this.closes.push(how);
      if (this.readyState < 2) this.readyState = 2;
    }

    // What happens to it.

    opens(protocol = '') {
      Object.assign(this, { readyState: 1, protocol });
      this.onopen?.({ type: 'open' });
    }

    says(message) {
      const data = typeof message === 'object' && message?.constructor === Object ? JSON.stringify(message) : message;
      this.onmessage?.({ type: 'message', data, origin: 'wss://there' });
    }

    ends(code = 1006, reason = '', wasClean = false) {
      this.readyState = 3;
      this.onclose?.({ type: 'close', code, reason, wasClean });
    }

    fails(error) {
      this.readyState = 3;
      this.onerror?.({ type: 'error', error, message: error?.message });
      this.ends();
    }

    /** What was sent, parsed. */
    get said() {
      return this.sent.map((text) => JSON.parse(text));
    }
  }
  const alive = () => sockets.filter(({ readyState }) => readyState < 2);
  return { WebSocket: FakeSocket, sockets, alive };
}

/** What an event tells, in a few words. */
function words({ type, detail, code, reason, error }) {
  if (type === 'connecting') return `connecting ${detail.attempt}`;
  if (type === 'reconnecting') return `reconnecting ${detail.attempt} in ${detail.delay}`;
  if (type === 'maxreconnect') return `maxreconnect ${detail.attempts}`;
  if (type === 'terminal') return `terminal ${detail.code} ${detail.reason}`.trim();
  if (type === 'close') return `close ${code} ${reason}`.trim();
  if (type === 'error') return `error ${error?.message ?? ''}`.trim();
  return type;
}

/** A client in such a world. `extra.url`, `extra.protocols` and `extra.make` are those of its constructor. */
export function world(test, config = {}, { url = 'wss://there/ws', protocols, make } = {}) {
  const clock = stopClock(test);
  const { WebSocket, sockets, alive } = network();
  const whole = { WebSocket, jitter: false, log: null, ...config };
  const client = make ? make(whole) : new ReconnectingWebSocket(url, protocols, whole);
  let diary = [];
  for (const type of EVENTS) client.addEventListener(type, (event) => diary.push(words(event)));
  return {
    client,
    clock,
    sockets,
    alive,
    /** The events since the last call. */
    events: () => diary.splice(0),
    /** The newest socket, once the client has come so far. */
    async socket() {
      await settle();
      return sockets.at(-1);
    },
    /** Opens the newest socket. */
    async open() {
      const socket = await this.socket();
      socket.opens();
      return socket;
    },
    /** Holds the client to it that nothing is left of it, and that nothing ever comes back. */
    async isOver() {
      await settle();
      assert.deepEqual([clock.pending, alive().length, client.readyState], [0, 0, 3], 'timers, sockets, readyState');
      const [before, made] = [diary.length, sockets.length];
      await clock.pass(FOR_EVER);
      assert.deepEqual([diary.slice(before), sockets.length], [[], made]);
    },
  };
}
