// The homes of the browser client: a page in Chromium, Node with `ws`, and Node alone where it has a WebSocket. All load the
// module from the daemon, and run a test's functions with the same globals:
//
//   start(url, config, protocols)   begins a client, and writes its events down; `life` is the newest one
//   timers                          ids of the timers that are set
//
// Not here: what is expected of it (client.test.mjs).

import assert from 'node:assert/strict';
import { get } from 'node:https';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

import { WebSocket as NodeSocket } from 'ws';

import { browser, page } from './chromium.mjs';
import { ca } from './daemon.mjs';

const POLL = 10;
const PATIENCE = 10_000;

export const originOf = (url) => new URL(url).origin.replace('wss:', 'https:');

/** Runs in the home, before anything else. `module` is the url of the client's module, `place` what has its timers. */
async function furnish(module, place = globalThis) {
  const timers = new Set();
  const { setTimeout, setInterval, clearTimeout, clearInterval } = globalThis;
  const wrap = (set, repeats) => (run, ...rest) => {
    const id = set((...values) => {
      if (!repeats) timers.delete(id);
      run(...values);
    }, ...rest);
    timers.add(id);
    return id;
  };
  const unwrap = (clear) => (id) => {
    timers.delete(id);
    clear(id);
  };
  globalThis.timers = timers;
  Object.assign(place, {
    setTimeout: wrap(setTimeout, false),
    setInterval: wrap(setInterval, true),
    clearTimeout: unwrap(clearTimeout),
    clearInterval: unwrap(clearInterval),
  });
  const { default: Client } = await import(module);
  globalThis.start = (url, config = {}, protocols = []) => {
    const life = { events: [], messages: [], heard: [], sockets: [], mostAlive: 0 };
    class Counted extends (globalThis.Socket ?? WebSocket) {
      constructor(...values) {
        super(...values);
        life.sockets.push(this);
        life.mostAlive = Math.max(life.mostAlive, life.sockets.filter(({ readyState }) => readyState < 2).length);
      }
    }
    const client = new Client(url, protocols, { WebSocket: Counted, log: null, jitter: false, initialDelay: 50, ...config });
    const tell = {
      connecting: () => 'connecting',
      open: () => 'open',
      authenticated: () => 'authenticated',
      error: ({ error }) => `error ${error?.message ?? ''}`,
      close: ({ code, reason }) => `close ${code} ${reason}`.trim(),
      reconnecting: ({ detail }) => `reconnecting ${detail.attempt}`,
      maxreconnect: ({ detail }) => `maxreconnect ${detail.attempts}`,
      terminal: ({ detail }) => `terminal ${detail.code}`,
    };
    for (const [type, words] of Object.entries(tell)) client.addEventListener(type, (event) => life.events.push(words(event)));
    client.on('*', (message) => life.messages.push(message));
    globalThis.life = Object.assign(life, { client });
    return life;
  };
}

/** A new page of the daemon's own origin. */
async function chromium(test, url) {
  const tab = await page(await browser(test), originOf(url));
  const home = {
    run: (work, given) => tab.evaluate(work, given),
    until: (what, is, given) => tab.waitForFunction(is, given, { polling: POLL }).catch(() => assert.fail(`never ${what}`)),
    context: tab.context(),
  };
  await home.run(furnish, '/client.js');
  return home;
}

/** This process, in which others have timers too: those of the module are its own. */
const node = (Socket) => async (test, url) => {
  globalThis.Socket = Socket;
  const response = await new Promise((resolve) => get(`${originOf(url)}/client.js`, { ca, agent: false }, resolve));
  const own = 'const { setTimeout, setInterval, clearTimeout, clearInterval } = globalThis.own;\n';
  const module = Buffer.from(own + (await text(response))).toString('base64');
  globalThis.own = {};
  await furnish(`data:text/javascript;base64,${module}`, globalThis.own);
  return { run: async (work, given) => work(given), until: (what, is, given) => eventually(what, () => is(given)) };
};

/** Waits until something is so, but not for ever. */
export async function eventually(what, is) {
  for (const end = Date.now() + PATIENCE; !is(); await sleep(POLL)) assert.ok(Date.now() < end, `never ${what}`);
}

class TrustingSocket extends NodeSocket {
  constructor(url, protocols) {
    super(url, protocols, { ca });
  }
}

export const homes = { Chromium: chromium, 'Node with ws': node(TrustingSocket) };
// From Node 22 on, or with a flag. It trusts what NODE_EXTRA_CA_CERTS names.
if (globalThis.WebSocket) homes['Node alone'] = node(globalThis.WebSocket);
