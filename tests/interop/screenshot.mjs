// Pictures of the console, for a person to look at: the door, and a room in which something goes on, on a desk in light and
// dark and on a phone.
// usage: tests/interop/run --screenshots FOLDER [PROGRAM]
//
// Not here: what must hold (console.test.mjs).

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { browser } from './chromium.mjs';
import { Client } from './client.mjs';
import { logIn, open, say, state, subscribe } from './console.mjs';
import { daemon } from './daemon.mjs';

const VIEWS = {
  'desk-light': { viewport: { width: 1280, height: 860 }, colorScheme: 'light' },
  'desk-dark': { viewport: { width: 1280, height: 860 }, colorScheme: 'dark' },
  'phone-light': { viewport: { width: 360, height: 740 }, colorScheme: 'light', isMobile: true, hasTouch: true },
  'phone-dark': { viewport: { width: 360, height: 740 }, colorScheme: 'dark', isMobile: true, hasTouch: true },
};
/** The round trips that the plot is to have. */
const ROUND_TRIPS = 120;
/** What the page's time leaps by between two: a little less than it waits, so that no ping is under way. */
const LEAP = 1980;
/** How long there is no connection in between, in milliseconds. */
const ABSENCE = 30_000;

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

/** A gap in the plot. */
async function leaveForAWhile(tab) {
  await tab.click('#disconnect');
  await state(tab, 'closed');
  await tab.clock.fastForward(ABSENCE);
  await tab.click('#reconnect');
  await state(tab, 'open');
}

async function take() {
  const users = ['anna', 'ben', 'cleo'].flatMap((name) => ['--user', `${name}:secret`]);
  const { url, stop } = await daemon(run, '--set', 'limits.messages_per_window=0', ...users);
  const started = await browser(run);
  const shots = [];
  for (const [view, options] of Object.entries(VIEWS)) {
    const tab = await open(started, url, { leaps: true, deviceScaleFactor: 2, ...options });
    const picture = async (what) => {
      await tab.evaluate(() => scrollTo(0, 0));
      await tab.screenshot({ path: join(folder, `${view}-${what}.png`) });
    };
    await logIn(tab, 'anna', 'wrong');
    await tab.locator('#problem').waitFor();
    await picture('refused');
    await logIn(tab, 'anna', 'secret');
    await subscribe(tab, 'news');
    await subscribe(tab, 'builds.main');
    // The round trips of five minutes in a moment: the page's time leaps, the network is the true one.
    for (let count = 1; count <= ROUND_TRIPS; count += 1) {
      if (count === ROUND_TRIPS / 2) await leaveForAWhile(tab);
      await tab.clock.fastForward(LEAP);
      await tab.waitForFunction((count) => document.querySelector('#plot').dataset.points >= count, count);
    }
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
    await say(tab, 'Thanks, trying it now');
    await tab.locator('.body', { hasText: 'trying it now' }).last().waitFor();
    await picture('open');
  }
  await stop();
  for (const { tab, picture } of shots) {
    await state(tab, 'waiting');
    await picture('waiting');
  }
}
