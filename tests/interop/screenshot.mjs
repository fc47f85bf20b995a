// Pictures of the console, for a person to look at: the door, and a room in which something goes on, on a desk in light and
// dark and on a phone.
// usage: INTEROP_PROGRAM=… INTEROP_ROOT=… INTEROP_CHROMIUM=… node screenshot.mjs FOLDER
//
// Not here: what must hold (console.test.mjs).

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { browser } from './chromium.mjs';
import { Client } from './client.mjs';
import { logIn, open, say, subscribe } from './console.mjs';
import { daemon } from './daemon.mjs';

const VIEWS = {
  'desk-light': { viewport: { width: 1280, height: 860 }, colorScheme: 'light' },
  'desk-dark': { viewport: { width: 1280, height: 860 }, colorScheme: 'dark' },
  'phone-light': { viewport: { width: 360, height: 740 }, colorScheme: 'light', isMobile: true, hasTouch: true },
  'phone-dark': { viewport: { width: 360, height: 740 }, colorScheme: 'dark', isMobile: true, hasTouch: true },
};
/** How long the round trips of the plot are watched, in milliseconds. */
const WATCHED = 5 * 60_000;

const folder = process.argv[2];
if (!folder) throw new Error('usage: node screenshot.mjs FOLDER');
mkdirSync(folder, { recursive: true });
const ends = [];
const run = { after: (end) => ends.unshift(end) };
try {
  await take();
} finally {
  for (const end of ends) await end();
}

async function take() {
  const { url, port, stop, flags } = await daemon(run, '--user', 'anna:secret', '--user', 'ben:secret', '--user', 'cleo:secret');
  const started = await browser(run);
  const shots = [];
  for (const [view, options] of Object.entries(VIEWS)) {
    const tab = await open(started, url, { deviceScaleFactor: 2, ...options });
    const picture = (what) => tab.screenshot({ path: join(folder, `${view}-${what}.png`) });
    await logIn(tab, 'anna', 'wrong');
    await tab.locator('#problem').waitFor();
    await picture('refused');
    // The round trips of five minutes in a moment: what the page takes for the time goes on as we say.
    await tab.clock.install();
    await logIn(tab, 'anna', 'secret');
    await subscribe(tab, 'news');
    await subscribe(tab, 'builds.main');
    await tab.clock.runFor(WATCHED);
    shots.push({ tab, picture });
  }
  const others = [];
  for (const login of ['ben:secret', 'cleo:secret']) others.push(await Client.open(run, url, { login }));
  const [ben, cleo] = others;
  ben.send({ type: 'chat', channel: 'news', payload: 'Good morning. The new release is out: quieter logs, faster broadcasts.' });
  cleo.send({ type: 'chat', channel: 'builds.main', payload: { build: 4127, ok: true, seconds: 38.2, commit: '9c1f0e4' } });
  cleo.send({ type: 'chat', payload: 'هل يعمل هذا؟ <b>not bold</b> \u202egnp.exe' });
  ben.send({ type: 'chat', channel: 'news', payload: `What changed, line by line: ${'a heartbeat is spread over its interval; '.repeat(30)}` });
  for (const { tab, picture } of shots) {
    await say(tab, 'Thanks, trying it now 🎉');
    await tab.clock.runFor(1000);
    await picture('open');
  }
  await stop();
  for (const { tab, picture } of shots) {
    await tab.clock.runFor(4000);
    await picture('waiting');
  }
}
