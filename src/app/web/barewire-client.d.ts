/// <reference lib="dom" />

/**
 * The client of barewire for browsers and Node: a WebSocket that comes back, logs in, and keeps its subscriptions.
 *
 * One connection at a time. An attempt begins with `connecting` and ends with exactly one `close`, be it that it came to
 * nothing (then `error` comes before) or that it was open for years. After `close` the next attempt is waited for
 * (`reconnecting`), except after `close()`, after a terminal code (`terminal`), and after the last attempt (`maxreconnect`).
 */
export default class ReconnectingWebSocket extends EventTarget {
  static readonly CONNECTING: 0;
  static readonly OPEN: 1;
  static readonly CLOSING: 2;
  static readonly CLOSED: 3;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;

  /**
   * Begins to connect, unless `config.connect` is false. No event is fired before the caller's turn is over.
   *
   * @param url where to, or a function that is asked at each attempt. One that throws makes the attempt fail.
   * @param protocols the subprotocols to offer.
   * @param config what differs from the defaults; `undefined` is the default. An unknown key, or a value that is not
   *   allowed, is a `TypeError` that names the key.
   */
  constructor(url: Url, protocols?: string | string[], config?: Config);

  /**
   * Begins: where `config.connect` is false, after `close()`, after a terminal code, after the last attempt. An attempt
   * that is waited for is made at once. While one is under way, or open, nothing happens. While closing, the next
   * connection begins when the old one has ended.
   */
  connect(): void;

  /**
   * Sends data. Buffers may be reused afterwards. Memory that is shared is copied.
   *
   * Where it is not open it throws `Error: WebSocket is not open`, and nothing is kept, unless there is a queue
   * (`config.queueBytes`): then what is sent while an attempt is under way or waited for is sent when it has succeeded,
   * behind login and subscriptions, before `open`. What the queue has no room for is an error, and the queue stays as
   * it is. It is emptied when the client stops. What was handed to a connection is never sent again.
   */
  send(data: Data): void;

  /**
   * Stops: no reconnect follows, no timer is left, a function that is still to give a token is not waited for.
   *
   * An open connection ends with a close handshake, and `close` is fired when that is over; who is still connecting is
   * closed at once, with code 1006. Where nothing is under way there is no `close`. No message is heard after it.
   *
   * @param code 1000, or 3000 to 4999; anything else is an `InvalidAccessError`, and nothing has changed.
   * @param reason at most 123 bytes of UTF-8; more is a `SyntaxError`, and nothing has changed.
   */
  close(code?: number, reason?: string): void;

  /** `CONNECTING` from the beginning of an attempt to its end, `CLOSED` while the next one is waited for. */
  readonly readyState: 0 | 1 | 2 | 3;
  /** Where the connection goes, as the socket tells it; empty where a function has not said it yet. */
  readonly url: string;
  /** The subprotocol that the server chose, or nothing. */
  readonly protocol: string;
  /** The extensions that the server agreed to, or nothing. */
  readonly extensions: string;
  /** Bytes that are accepted and not on their way yet; those in the queue among them. */
  readonly bufferedAmount: number;
  /** How binary messages come: for this connection and all that follow. The default is that of the `WebSocket`. */
  binaryType: BinaryType;
  /** 0, or the number of the reconnect that is under way or waited for, from 1; 0 again after a success (`minUptime`). */
  readonly attempt: number;

  /**
   * Hears what is said on a channel, over all reconnects. The first listener of a channel subscribes; the last one's
   * end unsubscribes, unless the channel is one of `config.channels`. Each subscription is a message, also after each
   * reconnect: who has more channels than the server's rate allows (100 messages a minute) puts them in the token.
   *
   * @param listener gets payload and message of each `chat` of the channel. An error in it is reported, and is none of
   *   the others'.
   * @returns what ends it; a second call does nothing.
   */
  subscribe(channel: string, listener: (payload: unknown, message: Message) => void): () => void;

  /**
   * Says something, as `send` does: to the subscribers of a channel, or to everybody where there is none.
   *
   * @param options.self false: do not send it to me too.
   * @param options.id asks for an `ack` with this id (`on('ack', …)`).
   */
  publish(channel: string | null | undefined, payload: unknown, options?: { self?: boolean; id?: unknown }): void;

  /**
   * Hears the messages of a type, parsed: `chat`, `error`, `connected`, `ack`, …, or `*` for all. Messages that are no
   * JSON object with a `type` are left to the event `message`.
   *
   * @returns what ends it.
   */
  on(type: string, listener: (message: Message) => void): () => void;

  /**
   * Asks the server for a `pong`.
   *
   * @param options.timeout in milliseconds, 10000 by default.
   * @returns the round trip in milliseconds. Rejects where it is not open, when it closes, and after the timeout.
   */
  ping(payload?: unknown, options?: { timeout?: number }): Promise<number>;

  onopen: ((this: this, event: Event) => unknown) | null;
  onmessage: ((this: this, event: MessageEvent) => unknown) | null;
  onclose: ((this: this, event: CloseEvent) => unknown) | null;
  onerror: ((this: this, event: ErrorEvent) => unknown) | null;

  addEventListener<K extends keyof Events>(
    type: K,
    listener: ((this: this, event: Events[K]) => unknown) | { handleEvent(event: Events[K]): unknown } | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof Events>(
    type: K,
    listener: ((this: this, event: Events[K]) => unknown) | { handleEvent(event: Events[K]): unknown } | null,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

export { ReconnectingWebSocket };

/**
 * Logs in with a name and a password, by an `auth` message at each open. It offers the subprotocol `json`, and connects
 * when told to: `connect()`.
 */
export class AuthenticatedWebSocket extends ReconnectingWebSocket {
  /** @param username without a colon, which HTTP's `Basic` has no room for: a `TypeError`. */
  constructor(
    url: Url,
    username: string,
    password: string,
    config?: Omit<Config, 'connect' | 'token' | 'credentials' | 'authBy'>,
  );
}

/**
 * The delay before a reconnect, in whole milliseconds: `initialDelay · factor^attempt`, at most `maxDelay`, and jitter.
 *
 * @param attempt from 0.
 * @param config its delays; the defaults are those of `Config`.
 * @param random gives a number from 0 to below 1.
 */
export function calculateDelay(
  attempt: number,
  config?: Pick<Config, 'initialDelay' | 'maxDelay' | 'factor' | 'jitter'>,
  random?: () => number,
): number;

export type Url = string | URL | (() => string | URL | Promise<string | URL>);

export type Data = string | ArrayBufferLike | ArrayBufferView | Blob;

/** A message of barewire's protocol. */
export interface Message {
  type: string;
  channel?: string;
  userId?: string;
  payload?: unknown;
  id?: unknown;
  /** ISO 8601, UTC. */
  timestamp?: string;
  /** Of an `error`: what is wrong, in words and as a code. */
  message?: string;
  code?: string;
}

export interface Credentials {
  /** Without a colon. */
  username: string;
  password: string;
}

/** Times are in milliseconds. */
export interface Config {
  /** Before the first reconnect. 1000. */
  initialDelay?: number;
  /** No delay is longer, jitter aside. 30000. */
  maxDelay?: number;
  /** From one delay to the next. At least 1; 2. */
  factor?: number;
  /** Reconnects in a row, after which it is given up. Infinity; 0 for none at all. */
  maxAttempts?: number;
  /** true: 0 to 30 % more. 'full': anything from 0 to the delay. false: none. true. */
  jitter?: boolean | 'full';
  /** The count of attempts begins anew at each open, or only when it has been open for so long. 0. */
  minUptime?: number;
  /**
   * Close codes after which no reconnect follows. [1008, 4401, 4403]. 4401 (a token that is over, or wrong) does not stop
   * a client whose `token` or `credentials` are a function, as the next may be good; its delays go on growing until
   * it is authenticated.
   */
  terminalCodes?: number[];
  /** Whether to begin at once. true. */
  connect?: boolean;
  /** An attempt that is not open by then has failed: tokens and all. 10000; 0: wait for ever. */
  connectTimeout?: number;
  /**
   * How often to send a `ping`. When nothing at all was heard in two intervals in a row, the connection has failed. Each
   * counts as a message to the server's rate limit. 0: never.
   */
  heartbeatInterval?: number;
  /** How much `send` keeps while it is not open, in bytes. 0: nothing. */
  queueBytes?: number;
  /**
   * A token (JWT), or a function that is asked for one at each attempt, before the socket is opened. One that fails makes
   * the attempt fail. Not with `credentials`.
   */
  token?: string | (() => string | Promise<string>);
  /** Name and password, or such a function. Not with `token`. */
  credentials?: Credentials | (() => Credentials | Promise<Credentials>);
  /**
   * How it logs in: by an `auth` message, the first on each connection; or (tokens only) by the subprotocol
   * `bearer.<token>`, the last of those that are offered. Without another one there the server has to choose it, and
   * `protocol` then tells the token. 'message'.
   */
  authBy?: 'message' | 'subprotocol';
  /** Channels that are subscribed at each open, beside those of `subscribe`. [] */
  channels?: string[];
  /**
   * What to connect with. `globalThis.WebSocket`; on Node before 22 the one of the package `ws`. A subclass may give it
   * options, such as a certificate to trust.
   */
  WebSocket?: new (url: string, protocols?: string | string[]) => unknown;
  /** Where `Reconnecting in <d>ms (attempt <n>)` goes; null: nowhere. console.log. No secret is ever in it. */
  log?: ((line: string) => void) | null;
}

export interface Events {
  /** An attempt begins. */
  connecting: Event & { readonly detail: { attempt: number } };
  /** Connected. Login and subscriptions are on their way; what is sent now comes behind them. */
  open: Event;
  /** The server has said `auth_success` or `connected`, whichever comes first on a connection: that message. */
  authenticated: Event & { readonly detail: Message };
  /** A message, its data untouched. It comes before what `on` and `subscribe` hear of it. */
  message: MessageEvent;
  /** Something failed: the attempt, or the connection. `error` says what, where it is known; `close` follows. */
  error: ErrorEvent;
  /** The end of an attempt, or of a connection. An `Event` with these fields where there is no `CloseEvent`. */
  close: CloseEvent;
  /** The next attempt is waited for. */
  reconnecting: Event & { readonly detail: { delay: number; attempt: number } };
  /** Given up after `maxAttempts`; once, until `connect()`. */
  maxreconnect: Event & { readonly detail: { attempts: number } };
  /** Given up after a terminal code, instead of `maxreconnect`. */
  terminal: Event & { readonly detail: { code: number; reason: string } };
}

/** The event `error`; not the browser's class. */
export interface ErrorEvent extends Event {
  readonly error: unknown;
  /** In words, or empty. */
  readonly message: string;
}
