// The client of barewire for browsers and Node: a WebSocket that comes back, logs in, and keeps its subscriptions.
// One module without dependencies. What each name promises stands in barewire-client.d.ts.
//
// Not here: the page that uses it; the server's side of the protocol (the README of barewire).

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** Close codes: how one ends well, and how an end without a Close is told (RFC 6455, section 7.4.1). */
const NORMAL = 1000;
const ABNORMAL = 1006;
/** The server's `Token expired`, `Invalid token`: with another token it may let one in. */
const UNAUTHORIZED = 4401;
/** The codes that an application may choose (RFC 6455, section 7.4.2). */
const APPLICATION_CODES = [3000, 4999];
/** What a Close has room for behind its code, in bytes. */
const REASON_BYTES = 123;

/** The share of a delay that jitter adds at most. */
const JITTER = 0.3;
/** Timers that wait longer fire at once. */
const TIMER_MAX = 2 ** 31 - 1;
/** How long `ping` waits for its answer, in milliseconds, unless told otherwise. */
const PING_TIMEOUT = 10_000;
/** Intervals of the heartbeat in a row without a word, after which the server is taken for dead. */
const SILENT_INTERVALS = 2;

const NOT_OPEN = 'WebSocket is not open';

const isFunction = (value) => typeof value === 'function';
const isCode = (value) => Number.isInteger(value) && value >= 0 && value <= 0xffff;
const isText = (value) => typeof value === 'string' && value !== '';
const isPair = (value) => isText(value?.username) && typeof value.password === 'string' && !value.username.includes(':');
const atLeast = (least) => (value) => Number.isFinite(value) && value >= least;
const orNone = (check) => (value) => value === undefined || check(value);
const listOf = (check) => (value) => Array.isArray(value) && value.every(check);

/** Each key of a configuration: its default, what is allowed, and that in words. */
const KEYS = {
  initialDelay: [1000, atLeast(0), 'milliseconds'],
  maxDelay: [30_000, atLeast(0), 'milliseconds'],
  factor: [2, atLeast(1), 'a number of at least 1'],
  maxAttempts: [Infinity, (value) => value === Infinity || (Number.isInteger(value) && value >= 0), 'a count, or Infinity'],
  jitter: [true, (value) => [true, false, 'full'].includes(value), "true, false, or 'full'"],
  minUptime: [0, atLeast(0), 'milliseconds'],
  terminalCodes: [[1008, 4401, 4403], listOf(isCode), 'an array of close codes'],
  connect: [true, (value) => typeof value === 'boolean', 'true or false'],
  connectTimeout: [10_000, atLeast(0), 'milliseconds'],
  heartbeatInterval: [0, atLeast(0), 'milliseconds'],
  queueBytes: [0, atLeast(0), 'a number of bytes'],
  token: [undefined, orNone((value) => isText(value) || isFunction(value)), 'a string, or a function'],
  credentials: [
    undefined,
    orNone((value) => isPair(value) || isFunction(value)),
    'username (without a colon) and password, or a function',
  ],
  authBy: ['message', (value) => ['message', 'subprotocol'].includes(value), "'message' or 'subprotocol'"],
  channels: [[], listOf(isText), 'an array of names'],
  WebSocket: [undefined, orNone(isFunction), 'a constructor'],
  log: [(line) => console.log(line), (value) => value === null || isFunction(value), 'a function, or null'],
};

/** The whole configuration. An error names the key and what is allowed, and not the value, which may be a secret. */
function configured(given) {
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(KEYS, key));
  if (unknown !== undefined) throw new TypeError(`${unknown}: no such option; there are ${Object.keys(KEYS).join(', ')}`);
  const config = {};
  for (const [key, [initial, isAllowed, allowed]] of Object.entries(KEYS)) {
    config[key] = given[key] === undefined ? initial : given[key];
    if (!isAllowed(config[key])) throw new TypeError(`${key}: must be ${allowed}`);
  }
  if (config.token !== undefined && config.credentials !== undefined) throw new TypeError('token, credentials: only one of them');
  if (config.authBy === 'subprotocol' && config.token === undefined) throw new TypeError('authBy: a subprotocol carries a token only');
  config.WebSocket ??= globalThis.WebSocket;
  if (!isFunction(config.WebSocket)) throw new TypeError('WebSocket: none here; give a constructor, such as that of `ws`');
  config.channels = [...config.channels];
  config.terminalCodes = [...config.terminalCodes];
  return config;
}

export function calculateDelay(attempt, config = {}, random = Math.random) {
  const [initialDelay, maxDelay, factor, jitter] = ['initialDelay', 'maxDelay', 'factor', 'jitter'].map(
    (key) => config[key] ?? KEYS[key][0],
  );
  // Without a delay to grow there is none, however large the power: 0 · Infinity is no number.
  const base = initialDelay === 0 ? 0 : Math.min(initialDelay * factor ** attempt, maxDelay);
  if (jitter === 'full') return Math.floor(base * random());
  return Math.floor(jitter ? base + base * JITTER * random() : base);
}

/** An event with these fields. */
function eventOf(type, fields = {}) {
  const event = new Event(type);
  for (const [name, value] of Object.entries(fields)) Object.defineProperty(event, name, { value });
  return event;
}

/** A `CloseEvent`, or what comes close to it where there is none. Its fields are getters of its class: no copy has them. */
function closeEvent({ code, reason, wasClean }) {
  const fields = { code, reason, wasClean };
  return globalThis.CloseEvent ? new CloseEvent('close', fields) : eventOf('close', fields);
}

/** Tells of an error in somebody else's function, and goes on. */
function report(error) {
  if (isFunction(globalThis.reportError)) globalThis.reportError(error);
  else console.error(error);
}

/** Calls each of a set that is still in it; the error of one is none of the others'. */
function tell(listeners, ...values) {
  for (const listener of [...(listeners ?? [])]) {
    try {
      if (listeners.has(listener)) listener(...values);
    } catch (error) {
      report(error);
    }
  }
}

/** The message of a text: an object with a `type`. Anything else is none. */
function parsed(data) {
  if (typeof data !== 'string') return null;
  try {
    const message = JSON.parse(data);
    return typeof message?.type === 'string' ? message : null;
  } catch {
    return null;
  }
}

const tagOf = (value) => Object.prototype.toString.call(value).slice(8, -1);
const isShared = (value) => tagOf(value) === 'SharedArrayBuffer';
const isBuffer = (value) => isShared(value) || tagOf(value) === 'ArrayBuffer';
const utf8 = (text) => new TextEncoder().encode(text);

/** What a socket takes: shared memory is copied, since browsers refuse it; what is no data becomes text, as there. */
function sendable(data) {
  if (isShared(data)) return copied(data);
  if (ArrayBuffer.isView(data)) return isShared(data.buffer) ? copied(data) : data;
  return isBuffer(data) || tagOf(data) === 'Blob' ? data : String(data);
}

/** The bytes as they are now. */
function copied(data) {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  return isBuffer(data) ? new Uint8Array(data).slice().buffer : data;
}

function bytesOf(data) {
  return typeof data === 'string' ? utf8(data).length : (data.byteLength ?? data.size);
}

/** The `token` of an `auth` message for a name and a password (RFC 7617: UTF-8, then base64). */
function basic({ username, password }) {
  let binary = '';
  for (const byte of utf8(`${username}:${password}`)) binary += String.fromCharCode(byte);
  return `Basic ${btoa(binary)}`;
}

/** Errors as `WebSocket.close` throws them. Checked before anything changes. */
function checkClose(code, reason) {
  const [first, last] = APPLICATION_CODES;
  const isAllowed = code === undefined || code === NORMAL || (Number.isInteger(code) && code >= first && code <= last);
  if (!isAllowed) throw new DOMException(`a close code is ${NORMAL}, or ${first} to ${last}`, 'InvalidAccessError');
  if (reason !== undefined && utf8(reason).length > REASON_BYTES) {
    throw new DOMException(`a close reason has at most ${REASON_BYTES} bytes`, 'SyntaxError');
  }
}

export default class ReconnectingWebSocket extends EventTarget {
  #target;
  #protocols;
  #config;
  /** Whether the user wants to be connected: from `connect` until `close` or until it is given up. */
  #isWanted = false;
  /** The attempt under way, and the connection that becomes of it. Whoever holds another one is late, and ignored. */
  #attempt = null;
  /** How many attempts were waited for since the last success. */
  #attempts = 0;
  /** Ends the waiting for the next attempt; `null` where nothing is waited for. */
  #stopWaiting = null;
  #binaryType;
  /** Data to be sent once open, and its bytes. */
  #queue = [];
  #queued = 0;
  /** For each channel that is to be subscribed its listeners; channels of the configuration may have none. */
  #channels = new Map();
  /** For each type of message its listeners. */
  #listeners = new Map();
  /** For each ping under way what settles it. */
  #pings = new Map();
  #pingNumber = 0;
  /** The functions of `onopen` and the like. */
  #handlers = new Map();

  constructor(url, protocols = undefined, config = {}) {
    super();
    this.#target = url;
    this.#protocols = protocols;
    this.#config = configured(config);
    for (const channel of this.#config.channels) this.#channels.set(channel, new Set());
    if (this.#config.connect) this.connect();
  }

  get readyState() {
    const attempt = this.#attempt;
    if (!attempt || attempt.hasFailed) return CLOSED;
    return attempt.socket ? attempt.socket.readyState : CONNECTING;
  }

  get url() {
    return this.#attempt?.socket?.url ?? (isFunction(this.#target) ? '' : String(this.#target));
  }

  get protocol() {
    return this.#attempt?.socket?.protocol ?? '';
  }

  get extensions() {
    return this.#attempt?.socket?.extensions ?? '';
  }

  get bufferedAmount() {
    return (this.#attempt?.socket?.bufferedAmount ?? 0) + this.#queued;
  }

  get binaryType() {
    return this.#binaryType ?? this.#attempt?.socket?.binaryType ?? 'blob';
  }

  set binaryType(type) {
    if (!['blob', 'arraybuffer'].includes(type)) return;
    this.#binaryType = type;
    if (this.#attempt?.socket) this.#attempt.socket.binaryType = type;
  }

  get attempt() {
    return this.#attempts;
  }

  connect() {
    this.#isWanted = true;
    // While closing: what ends the old connection begins the new one.
    if (this.#attempt) return;
    this.#begin();
  }

  send(data) {
    const socket = this.#attempt?.socket;
    const message = sendable(data);
    if (socket?.readyState === OPEN) return socket.send(message);
    if (!this.#isWanted || this.#config.queueBytes === 0) throw new Error(NOT_OPEN);
    const bytes = bytesOf(message);
    if (this.#queued + bytes > this.#config.queueBytes) {
      throw new Error(`${NOT_OPEN}, and its queue of ${this.#config.queueBytes} bytes is full`);
    }
    this.#queue.push(copied(message));
    this.#queued += bytes;
  }

  close(code, reason) {
    const text = reason === undefined ? undefined : String(reason);
    checkClose(code, text);
    this.#giveUp();
    this.#stopWaiting?.();
    const attempt = this.#attempt;
    if (!attempt || attempt.isClosing) return;
    if (attempt.socket && attempt.socket.readyState !== CONNECTING) {
      attempt.isClosing = true;
      this.#quiet(attempt);
      attempt.socket.close(code, text);
    } else {
      this.#leave(attempt);
      this.#ended(attempt, { code: ABNORMAL, reason: '', wasClean: false });
    }
  }

  subscribe(channel, listener) {
    if (!isText(channel)) throw new TypeError('channel: must be a name');
    if (!isFunction(listener)) throw new TypeError('listener: must be a function');
    const own = (...values) => listener(...values);
    if (!this.#channels.has(channel)) {
      this.#channels.set(channel, new Set());
      this.#sayIfOpen({ type: 'subscribe', channel });
    }
    this.#channels.get(channel).add(own);
    return () => this.#unsubscribe(channel, own);
  }

  publish(channel, payload, { self, id } = {}) {
    this.send(JSON.stringify({ type: 'chat', channel: channel ?? undefined, payload, self, id }));
  }

  on(type, listener) {
    if (!isText(type)) throw new TypeError('type: must be that of a message');
    if (!isFunction(listener)) throw new TypeError('listener: must be a function');
    const own = (...values) => listener(...values);
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    const listeners = this.#listeners.get(type);
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  async ping(payload, { timeout = PING_TIMEOUT } = {}) {
    const socket = this.#attempt?.socket;
    if (socket?.readyState !== OPEN) throw new Error(NOT_OPEN);
    this.#pingNumber += 1;
    const id = `ping ${this.#pingNumber}`;
    socket.send(JSON.stringify({ type: 'ping', payload, id }));
    const sentAt = performance.now();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(new Error(`no pong within ${timeout} ms`)), Math.min(timeout, TIMER_MAX));
      const settle = (error) => {
        clearTimeout(timer);
        this.#pings.delete(id);
        if (error) reject(error);
        else resolve(performance.now() - sentAt);
      };
      this.#pings.set(id, settle);
    });
  }

  // -- An attempt: from here on, until it has failed or ended, it is `#attempt`.

  #begin() {
    this.#stopWaiting?.();
    const attempt = { socket: null, token: null, timers: [], counted: 0 };
    this.#attempt = attempt;
    const { connectTimeout } = this.#config;
    if (connectTimeout > 0) {
      const late = () => this.#fail(attempt, new Error(`not open within ${connectTimeout} ms`));
      attempt.timers.push(setTimeout(late, Math.min(connectTimeout, TIMER_MAX)));
    }
    this.#open(attempt).catch((error) => this.#fail(attempt, error));
  }

  /** Asks for url and login, and opens the socket. What comes after the attempt has ended is dropped. */
  async #open(attempt) {
    // Who called `connect` can add listeners first.
    await null;
    if (this.#attempt !== attempt) return;
    this.dispatchEvent(eventOf('connecting', { detail: { attempt: this.#attempts } }));
    if (this.#attempt !== attempt) return;
    const url = await (isFunction(this.#target) ? this.#target() : this.#target);
    if (this.#attempt !== attempt) return;
    attempt.token = await this.#login();
    if (this.#attempt !== attempt) return;
    const protocols = this.#offer(attempt);
    attempt.socket = new this.#config.WebSocket(String(url), protocols);
    this.#listen(attempt);
  }

  /** What an `auth` message is to carry, or `null`. */
  async #login() {
    const { token, credentials } = this.#config;
    if (token !== undefined) {
      const fresh = isFunction(token) ? await token() : token;
      if (!isText(fresh)) throw new TypeError('token: must be a string');
      return fresh;
    }
    if (credentials === undefined) return null;
    const pair = isFunction(credentials) ? await credentials() : credentials;
    if (!isPair(pair)) throw new TypeError(`credentials: must be ${KEYS.credentials[2]}`);
    return basic(pair);
  }

  /** The subprotocols to offer. A token among them is used up, and shown to nobody: not by an error of the socket. */
  #offer(attempt) {
    if (this.#config.authBy !== 'subprotocol') return this.#protocols;
    const { token } = attempt;
    attempt.token = null;
    if (!/^[\w.~+/=-]+$/.test(token)) throw new TypeError('token: has characters that no subprotocol may have');
    return [this.#protocols ?? []].flat().concat(`bearer.${token}`);
  }

  #listen(attempt) {
    const { socket } = attempt;
    if (this.#binaryType) socket.binaryType = this.#binaryType;
    const unlessLate = (take) => (event) => {
      if (this.#attempt === attempt) take(event);
    };
    socket.onopen = unlessLate(() => this.#opened(attempt));
    socket.onmessage = unlessLate((event) => this.#received(attempt, event));
    socket.onerror = unlessLate(({ error, message = '' }) => {
      // Nothing comes of this one, and not every implementation tells its end then: Node's own does not.
      if (!attempt.isOpen && !attempt.isClosing) this.#fail(attempt, error, message);
      else this.dispatchEvent(eventOf('error', { error, message }));
    });
    socket.onclose = unlessLate((event) => {
      this.#leave(attempt);
      this.#ended(attempt, event);
    });
  }

  #opened(attempt) {
    attempt.isOpen = true;
    this.#quiet(attempt);
    try {
      this.#greet(attempt);
    } catch (error) {
      return this.#fail(attempt, error);
    }
    const { minUptime, heartbeatInterval } = this.#config;
    if (minUptime > 0) attempt.timers.push(setTimeout(() => (this.#attempts = 0), Math.min(minUptime, TIMER_MAX)));
    else [attempt.counted, this.#attempts] = [this.#attempts, 0];
    if (heartbeatInterval > 0) this.#watch(attempt, Math.min(heartbeatInterval, TIMER_MAX));
    this.dispatchEvent(eventOf('open'));
  }

  /** Says who this is, what it wants to hear, and what was kept for it to say. */
  #greet(attempt) {
    const { socket, token } = attempt;
    attempt.token = null;
    if (token !== null) socket.send(JSON.stringify({ type: 'auth', token }));
    for (const channel of this.#channels.keys()) socket.send(JSON.stringify({ type: 'subscribe', channel }));
    const kept = this.#queue;
    this.#dropQueue();
    for (const message of kept) socket.send(message);
  }

  /** Pings now and then, and gives up a connection on which nothing is heard. */
  #watch(attempt, interval) {
    let silent = 0;
    const beat = () => {
      silent = attempt.hasHeard ? 0 : silent + 1;
      attempt.hasHeard = false;
      if (silent < SILENT_INTERVALS) this.#sayIfOpen({ type: 'ping' });
      else this.#fail(attempt, new Error(`nothing heard for ${SILENT_INTERVALS * interval} ms`));
    };
    attempt.timers.push(setInterval(beat, interval));
  }

  #received(attempt, { data, origin = '' }) {
    // As with WebSocket, who has said `close` hears nothing more.
    if (attempt.isClosing) return;
    attempt.hasHeard = true;
    this.dispatchEvent(new MessageEvent('message', { data, origin }));
    const message = parsed(data);
    if (!message || this.#attempt !== attempt || attempt.isClosing) return;
    const { type, channel, payload, id } = message;
    if (!attempt.isAuthenticated && (type === 'auth_success' || type === 'connected')) {
      attempt.isAuthenticated = true;
      this.dispatchEvent(eventOf('authenticated', { detail: message }));
    }
    if (type === 'pong') this.#pings.get(id)?.();
    if (type === 'chat') tell(this.#channels.get(channel), payload, message);
    tell(this.#listeners.get(type), message);
    if (type !== '*') tell(this.#listeners.get('*'), message);
  }

  // -- Ends

  /** An attempt, or a connection, that is of no use any more, be its socket dead or not. */
  #fail(attempt, error, message = error?.message ?? String(error)) {
    if (this.#attempt !== attempt || attempt.isClosing) return;
    attempt.hasFailed = true;
    this.dispatchEvent(eventOf('error', { error, message }));
    if (this.#attempt !== attempt) return;
    this.#leave(attempt);
    this.#ended(attempt, { code: ABNORMAL, reason: '', wasClean: false });
  }

  /** Nothing is left of the attempt: what its socket still says is late. */
  #leave(attempt) {
    this.#quiet(attempt);
    this.#attempt = null;
    const { socket } = attempt;
    if (!socket || socket.readyState === CLOSED) return;
    // A dead peer answers no Close: `ws` can do without.
    if (isFunction(socket.terminate)) socket.terminate();
    else socket.close();
  }

  /** No timer is left of the attempt, and no ping waits. */
  #quiet(attempt) {
    for (const timer of attempt.timers) clearTimeout(timer);
    attempt.timers = [];
    for (const settle of [...this.#pings.values()]) settle(new Error('the connection is closed'));
  }

  /** Tells of the end, and decides what follows. */
  #ended(attempt, { code, reason, wasClean }) {
    const { terminalCodes, token, credentials } = this.#config;
    const isForgiven = code === UNAUTHORIZED && (isFunction(token) || isFunction(credentials));
    // Let in only to be thrown out is no success: the delays go on growing.
    if (isForgiven && !attempt.isAuthenticated) this.#attempts = Math.max(this.#attempts, attempt.counted);
    this.dispatchEvent(closeEvent({ code, reason, wasClean }));
    // A listener may have called `close` or `connect`.
    if (!this.#isWanted || this.#attempt) return;
    if (attempt.isClosing) return this.#begin();
    if (terminalCodes.includes(code) && !isForgiven) {
      this.#giveUp();
      return this.dispatchEvent(eventOf('terminal', { detail: { code, reason } }));
    }
    this.#wait();
  }

  #giveUp() {
    this.#isWanted = false;
    this.#attempts = 0;
    this.#dropQueue();
  }

  #dropQueue() {
    this.#queue = [];
    this.#queued = 0;
  }

  /** Waits for the next attempt, which a browser that is online again hastens. */
  #wait() {
    if (this.#attempts >= this.#config.maxAttempts) {
      const attempts = this.#attempts;
      this.#giveUp();
      return this.dispatchEvent(eventOf('maxreconnect', { detail: { attempts } }));
    }
    const delay = Math.min(calculateDelay(this.#attempts, this.#config), TIMER_MAX);
    this.#attempts += 1;
    const attempt = this.#attempts;
    const begin = () => this.#begin();
    const timer = setTimeout(begin, delay);
    globalThis.addEventListener?.('online', begin);
    this.#stopWaiting = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.('online', begin);
      this.#stopWaiting = null;
    };
    if (this.#config.log) tell(new Set([this.#config.log]), `Reconnecting in ${delay}ms (attempt ${attempt})`);
    this.dispatchEvent(eventOf('reconnecting', { detail: { delay, attempt } }));
  }

  // -- Words

  #sayIfOpen(message) {
    const socket = this.#attempt?.socket;
    if (socket?.readyState === OPEN) socket.send(JSON.stringify(message));
  }

  #unsubscribe(channel, listener) {
    const listeners = this.#channels.get(channel);
    if (!listeners?.delete(listener) || listeners.size > 0 || this.#config.channels.includes(channel)) return;
    this.#channels.delete(channel);
    this.#sayIfOpen({ type: 'unsubscribe', channel });
  }

  // -- `onopen` and the like

  #handler(type) {
    return this.#handlers.get(type) ?? null;
  }

  /** As with WebSocket, a handler keeps the place among the listeners where it first stood. */
  #handle(type, handler) {
    if (!this.#handlers.has(type)) this.addEventListener(type, (event) => this.#handlers.get(type)?.call(this, event));
    this.#handlers.set(type, isFunction(handler) ? handler : null);
  }

  static {
    for (const type of ['open', 'message', 'close', 'error']) {
      Object.defineProperty(this.prototype, `on${type}`, {
        configurable: true,
        enumerable: true,
        get() {
          return this.#handler(type);
        },
        set(handler) {
          this.#handle(type, handler);
        },
      });
    }
    for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSING, CLOSED })) {
      for (const place of [this, this.prototype]) Object.defineProperty(place, name, { value, enumerable: true });
    }
  }
}

export class AuthenticatedWebSocket extends ReconnectingWebSocket {
  constructor(url, username, password, config = {}) {
    super(url, ['json'], { ...config, credentials: { username, password }, connect: false });
  }
}

export { ReconnectingWebSocket };
