// The console: a page to log in, subscribe, talk, and see what the connection does. It holds no state that the server
// does not have, but the list on the screen; of the login it keeps the user name alone, and that only if asked to.
//
// Not here: coming back, logging in and subscribing again (client.js); the list of messages (console-messages.js); the
// plot (console-plot.js); markup and looks (console.html, console.css).

import ReconnectingWebSocket from './client.js';
import { Messages, element, textOf, visible, visibleName } from './console-messages.js';
import { Plot, milliseconds } from './console-plot.js';

/** Between two pings, in milliseconds. They count as messages: 30 of the 100 that a session has in a minute by default. */
const PING_INTERVAL = 2000;
/** How long no ping is sent after the server has said that there are too many messages, in milliseconds. */
const PING_REST = 30_000;
/** Between two steps of the countdown, in milliseconds. */
const COUNTDOWN_STEP = 100;
/** Where the browser keeps the user name. */
const NAME_KEY = 'barewire.username';

/** What close codes mean, in words. Those with a reason of their own have the reason instead. */
const CODES = {
  1000: 'closed in good order',
  1001: 'the server stops',
  1005: 'closed without a code',
  1006: 'the server cannot be reached, or lets nobody in; a browser is not told which',
  1009: 'a message was too big',
  1011: 'the server had an error',
  1012: 'the server restarts',
  1013: 'the server has no room, or this page reads too slowly',
};
/** What the server says to a `subscribe` that it refuses, though the name is in order. */
const SUBSCRIBE_CODES = ['subscribe_not_allowed', 'too_many_channels'];
/** What the name of a channel has room for, in bytes of UTF-8. */
const CHANNEL_BYTES = 255;
/** Codes after which only another login helps, whenever they come. */
const LOGIN_CODES = [4401, 4403];

const find = (id) => document.getElementById(id);
const messages = new Messages({ list: find('messages'), empty: find('empty'), latest: find('latest'), count: find('count') });
const plot = new Plot(find('plot'), find('summary'));

/** The connection; `null` before the login. */
let client = null;
/** Whether the connection has been greeted since it was last opened. */
let isGreeted = false;
/** The channels: for each its list item, its option and whether the server has said `subscribed`. */
const channels = new Map();
/** The last message as it came. */
let raw = '';
/** How the connection ended last, in words. */
let lastEnd = '';
let countdown = null;
let isPinging = false;
let restsUntil = 0;
let said = 0;

/** Where the sessions are: the endpoint of this very server. An empty path means that any will do. */
function endpoint() {
  const url = new URL(document.body.dataset.path || '/', location.origin);
  url.protocol = location.protocol === 'http:' ? 'ws:' : 'wss:';
  return url.href;
}

// --- the state, always in sight ---

/** Shows a state: idle, connecting, open, waiting or closed. What changes while it lasts is not announced. */
function show(state, words, announced = words) {
  clearInterval(countdown);
  document.body.dataset.state = state;
  find('state').textContent = words;
  find('announcement').textContent = announced;
  find('reconnect').hidden = state !== 'waiting' && state !== 'closed';
  find('disconnect').hidden = state === 'idle' || state === 'closed';
  find('logout').hidden = state === 'idle';
  find('send').disabled = state !== 'open';
  if (state !== 'open') {
    find('rtt').textContent = '–';
    plot.gap();
  }
}

/** Counts down to the next attempt. */
function wait({ delay, attempt }) {
  const due = performance.now() + delay;
  const words = () => {
    const left = Math.max(0, due - performance.now()) / 1000;
    return `Waiting ${left.toFixed(1)} s, attempt ${attempt}`;
  };
  show('waiting', words(), `${lastEnd} Waiting to connect again, attempt ${attempt}.`);
  countdown = setInterval(() => (find('state').textContent = words()), COUNTDOWN_STEP);
}

/** An end in words: `Closed with 1001: the server stops`. */
function endInWords({ code, reason }) {
  const why = reason ? visible(reason) : CODES[code];
  return why ? `Closed with ${code}: ${why}` : `Closed with ${code}`;
}

// --- the connection ---

function connect(login) {
  client = new ReconnectingWebSocket(endpoint(), ['json'], { ...login, connect: false, log: null });
  const own = client;
  const listen = (type, take) => own.addEventListener(type, (event) => client === own && take(event));
  const hear = (type, take) => own.on(type, (message) => client === own && take(message));

  listen('connecting', ({ detail }) => {
    isGreeted = false;
    show('connecting', detail.attempt > 0 ? `Connecting, attempt ${detail.attempt}` : 'Connecting');
  });
  listen('open', () => show('connecting', 'Logging in'));
  listen('message', ({ data }) => (raw = data));
  listen('error', ({ error }) => error && messages.note(visible(String(error.message ?? error)), { kind: 'error' }));
  listen('close', (event) => {
    lastEnd = `${endInWords(event)}.`;
    for (const channel of channels.values()) setPending(channel, true);
    messages.note(lastEnd);
    show('closed', endInWords(event));
    if (find('room').hidden) tellProblem(lastEnd);
  });
  listen('reconnecting', ({ detail }) => wait(detail));
  listen('terminal', ({ detail }) => {
    if (!isGreeted || LOGIN_CODES.includes(detail.code)) leave(refusalInWords(detail));
  });
  listen('maxreconnect', ({ detail }) => show('closed', `Given up after ${detail.attempts} attempts. ${lastEnd}`));

  hear('connected', ({ userId }) => {
    const words = `Open, as ${visibleName(textOf(userId))}`;
    isGreeted = true;
    enter();
    show('open', words);
    messages.note(`${words}.`, { raw });
    beat();
  });
  hear('chat', (message) => messages.chat(message, raw));
  hear('subscribed', ({ channel }) => isName(channel) && setPending(channels.get(channel) ?? join(channel), false));
  hear('unsubscribed', ({ channel }) => part(channel));
  hear('error', refused);
  own.connect();
}

/** Why the server let nobody in. */
function refusalInWords({ code, reason }) {
  if (reason === 'Authentication failed') return 'That was wrong: the server does not know this name and password, or this token.';
  if (reason === 'Authentication required' || reason === 'Authentication timeout') return 'This server asks who you are: log in with a password or a token.';
  return `${endInWords({ code, reason })}.`;
}

/** The server has refused a message. A `subscribe` has no id, but these are answered in their order. */
function refused({ message, code, id }) {
  const words = textOf(message) + (code ? ` (${textOf(code)})` : '');
  messages.note(visible(`The server: ${words}`), { kind: 'error', raw });
  if (code === 'rate_limited') {
    restsUntil = performance.now() + PING_REST;
  } else if (id !== undefined) {
    tellMistake(`Not sent. The server: ${words}`);
  } else if (SUBSCRIBE_CODES.includes(code)) {
    const first = [...channels].find(([, channel]) => channel.isPending);
    if (first) part(first[0]);
  }
}

/** Asks for the round trip, if there is anybody to ask. */
async function beat() {
  if (document.body.dataset.state !== 'open') return plot.draw();
  if (isPinging || performance.now() < restsUntil) return plot.draw();
  isPinging = true;
  const asked = client;
  try {
    const rtt = await asked.ping();
    if (client !== asked || document.body.dataset.state !== 'open') return;
    find('rtt').textContent = milliseconds(rtt);
    plot.add(rtt);
  } catch {
    // The connection has ended, which is told elsewhere; or there was no pong, which is a gap.
    plot.gap();
  } finally {
    isPinging = false;
  }
}
setInterval(beat, PING_INTERVAL);

// --- the door and the room ---

function enter() {
  if (find('room').hidden === false) return;
  find('door').hidden = true;
  find('room').hidden = false;
  find('password').value = '';
  find('token').value = '';
  // A field would make a phone open its keyboard.
  find('talk-title').focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** Back to the door, with nothing left of the login; `problem` says why, unless the user wanted it. */
function leave(problem = '') {
  const left = client;
  client = null;
  left?.close(1000);
  for (const name of [...channels.keys()]) part(name);
  messages.clear();
  plot.clear();
  show('idle', 'Not connected');
  find('room').hidden = true;
  find('door').hidden = false;
  tellProblem(problem);
  const way = chosenWay();
  if (way !== 'nobody') find(way).select();
}

function tellProblem(words) {
  find('problem').textContent = words;
  find('problem').hidden = words === '';
}

const chosenWay = () => find('login').elements.way.value;

function showWay() {
  for (const fields of document.querySelectorAll('[data-way]')) fields.hidden = fields.dataset.way !== chosenWay();
}

/** What the client logs in with. */
function loginOf(way) {
  if (way === 'token') return { token: find('token').value.trim() };
  if (way === 'nobody') return {};
  return { credentials: { username: find('username').value, password: find('password').value } };
}

/** The user name of last time. A browser may keep nothing at all: then there is none. */
function rememberedName(change) {
  try {
    if (change === undefined) return localStorage.getItem(NAME_KEY);
    if (change === null) localStorage.removeItem(NAME_KEY);
    else localStorage.setItem(NAME_KEY, change);
  } catch {
    return null;
  }
}

find('login').addEventListener('submit', (event) => {
  event.preventDefault();
  tellProblem('');
  const way = chosenWay();
  if (way === 'password') rememberedName(find('remember').checked ? find('username').value : null);
  const before = client;
  client = null;
  before?.close(1000);
  try {
    connect(loginOf(way));
  } catch (error) {
    leave(`That cannot be: ${error.message}.`);
  }
});
find('login').addEventListener('change', showWay);
find('reconnect').addEventListener('click', () => client.connect());
find('disconnect').addEventListener('click', () => {
  client.close(1000);
  // Where there was only waiting, nothing ends that could tell.
  if (client.readyState === ReconnectingWebSocket.CLOSED) show('closed', 'Disconnected');
});
find('logout').addEventListener('click', () => leave());

// --- channels ---

const isName = (value) => typeof value === 'string' && value !== '';

/** Adds a channel, and subscribes to it. */
function join(name) {
  const leaveChannel = client.subscribe(name, () => {});
  const label = element('bdi', '', visibleName(name));
  label.title = visible(name);
  const button = element('button', '', 'Leave');
  button.type = 'button';
  button.setAttribute('aria-label', `Leave ${visibleName(name)}`);
  button.addEventListener('click', () => part(name));
  const item = element('li', '', label, button);
  const option = element('option', '', visibleName(name));
  option.value = name;
  find('channels').append(item);
  find('to').append(option);
  const channel = { item, label, option, leave: leaveChannel, isPending: true };
  channels.set(name, channel);
  setPending(channel, true);
  return channel;
}

function setPending(channel, isPending) {
  channel.isPending = isPending;
  channel.label.className = isPending ? 'pending' : '';
}

/** Takes a channel away, and unsubscribes. */
function part(name) {
  const channel = channels.get(name);
  if (!channel) return;
  channels.delete(name);
  channel.item.remove();
  channel.option.remove();
  channel.leave();
}

find('subscribe').addEventListener('submit', (event) => {
  event.preventDefault();
  const field = find('channel');
  const name = field.value;
  if (name === '') return;
  if (new TextEncoder().encode(name).length > CHANNEL_BYTES) {
    field.setCustomValidity(`The name of a channel has at most ${CHANNEL_BYTES} bytes.`);
    return void field.reportValidity();
  }
  if (!channels.has(name)) join(name);
  find('to').value = name;
  field.value = '';
});

find('channel').addEventListener('input', () => find('channel').setCustomValidity(''));

// --- talking ---

function tellMistake(words) {
  find('mistake').textContent = visible(words);
  find('mistake').hidden = words === '';
}

find('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = find('text').value;
  if (text === '' || find('send').disabled) return;
  tellMistake('');
  try {
    said += 1;
    client.publish(find('to').value || undefined, find('as-json').checked ? JSON.parse(text) : text, { id: `said ${said}` });
    find('text').value = '';
  } catch (error) {
    tellMistake(`Not sent: ${error.message}`);
  }
});
find('text').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  find('composer').requestSubmit();
});
find('clear').addEventListener('click', () => messages.clear());

// --- the start ---

find('endpoint').textContent = endpoint();
const name = rememberedName();
find('username').value = name ?? '';
find('remember').checked = name !== null && name !== undefined;
showWay();
find(name ? 'password' : 'username').focus();
