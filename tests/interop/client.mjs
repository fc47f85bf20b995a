// One `ws` client with a patience: every wait for something ends in an error after ten seconds.
//
// Not here: the daemon (daemon.mjs), what is expected (*.test.mjs).

import { WebSocket } from 'ws';

import { ca } from './daemon.mjs';

const PATIENCE = 10_000;

export const basic = (credentials) => `Basic ${Buffer.from(credentials).toString('base64')}`;

/** Waits for a promise, but not for ever. */
export async function soon(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${PATIENCE} ms`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A session whose messages, pings, pongs and end can be waited for. */
export class Client {
  #waiting = [];
  #messages = [];

  /** `options` are those of `ws`, beside `login`, which is `name:password`. */
  constructor(url, { login = 'user:pass', protocols = [], ...options } = {}) {
    const headers = login ? { Authorization: basic(login) } : {};
    this.socket = new WebSocket(url, protocols, { ca, headers, ...options });
    this.socket.on('message', (data, isBinary) => {
      const message = isBinary ? data : JSON.parse(data);
      const next = this.#waiting.shift();
      if (next) next(message);
      else this.#messages.push(message);
    });
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve([code, reason.toString()]));
    });
    this.opened = new Promise((resolve, reject) => {
      this.socket.on('open', () => resolve(this));
      this.socket.on('error', reject);
    });
    this.opened.catch(() => {});
  }

  /** A session that is open and has been greeted. */
  static async open(test, url, options) {
    const client = new Client(url, options);
    test.after(() => client.socket.terminate());
    await soon('open', client.opened);
    if (options?.login !== null) client.greeting = await client.next();
    return client;
  }

  send(message) {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** The next message. */
  next() {
    const first = this.#messages.shift();
    return first ? Promise.resolve(first) : soon('message', new Promise((resolve) => this.#waiting.push(resolve)));
  }

  /** Sends a message, and returns what comes next. */
  ask(message) {
    this.send(message);
    return this.next();
  }

  /** Code and reason of the end, as the client saw them. */
  end() {
    return soon('close', this.closed);
  }
}

/** The status an upgrade is refused with. */
export function refusal(url, options) {
  const { socket } = new Client(url, options);
  return soon(
    'refusal',
    new Promise((resolve, reject) => {
      socket.on('unexpected-response', (_, response) => {
        response.resume();
        resolve(response);
      });
      socket.on('open', () => reject(new Error('the upgrade was accepted')));
    }),
  );
}
