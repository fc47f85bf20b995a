// A real browser, and pages of the daemon's own origin in it.
//
// Not here: what pages see (chromium.test.mjs).

import { chromium } from 'playwright-core';

const PATIENCE = 10_000;
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Not only what a page may do: otherwise each connection fails first, and is made again.
  '--ignore-certificate-errors',
];

/** Starts the browser, and ends it with the test. */
export async function browser(test) {
  const executablePath = process.env.INTEROP_CHROMIUM;
  const started = await chromium.launch({ executablePath, args: flags, timeout: 3 * PATIENCE });
  test.after(() => started.close());
  return started;
}

/** A page of this origin, in which `socket(url, protocols)` opens a WebSocket whose life is written down. */
export async function page(started, origin) {
  const context = await started.newContext({ ignoreHTTPSErrors: true });
  const tab = await context.newPage();
  tab.setDefaultTimeout(PATIENCE);
  await tab.goto(`${origin}/health`);
  await tab.evaluate(() => {
    globalThis.socket = (url, protocols = []) => {
      const life = { protocol: null, extensions: null, messages: [], end: null };
      const open = new WebSocket(url, protocols);
      life.send = (message) => open.send(JSON.stringify(message));
      life.close = () => open.close(1000, 'bye');
      open.onopen = () => Object.assign(life, { protocol: open.protocol, extensions: open.extensions });
      open.onmessage = ({ data }) => life.messages.push(JSON.parse(data));
      open.onclose = ({ code, reason, wasClean }) => (life.end = { code, reason, wasClean });
      return life;
    };
  });
  return tab;
}
