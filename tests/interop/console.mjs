// The console in a browser, by hand: open it, log in, subscribe, say something, read the list.
//
// Not here: what must hold (console.test.mjs), the browser itself (chromium.mjs).

const PATIENCE = 10_000;

/**
 * Opens the console of the daemon at `url`. Whatever the page complains about is in `complaints` of the tab. With `leaps`
 * the time of the page goes on as ever, and `tab.clock.fastForward` makes it leap.
 */
export async function open(started, url, { leaps = false, ...options } = {}) {
  const context = await started.newContext({ ignoreHTTPSErrors: true, ...options });
  if (leaps) await context.clock.install();
  const tab = await context.newPage();
  tab.setDefaultTimeout(PATIENCE);
  tab.complaints = [];
  tab.on('console', (line) => ['error', 'warning'].includes(line.type()) && tab.complaints.push(line.text()));
  tab.on('pageerror', (error) => tab.complaints.push(String(error)));
  tab.answer = await tab.goto(`${originOf(url)}/`);
  return tab;
}

export const originOf = (url) => new URL(url).origin.replace(/^ws/, 'http');

/** Fills in name and password, and goes on. What becomes of it is for the test to see. */
export async function logIn(tab, username = 'user', password = 'pass') {
  await tab.fill('#username', username);
  await tab.fill('#password', password);
  await tab.press('#password', 'Enter');
}

/** Waits for a state of the connection; returns it in words. */
export async function state(tab, name) {
  await tab.waitForFunction((name) => document.body.dataset.state === name, name);
  return tab.textContent('#state');
}

export async function subscribe(tab, channel) {
  await tab.fill('#channel', channel);
  await tab.press('#channel', 'Enter');
  await tab.locator(`#channels bdi:not(.pending)[title="${channel}"]`).waitFor();
}

/** Says something on the channel that was chosen last. */
export async function say(tab, text) {
  await tab.fill('#text', text);
  await tab.press('#text', 'Enter');
}

/** What the list of messages shows of chats: who, where, what. */
export const chats = (tab) =>
  tab.$$eval('#messages li.chat', (items) =>
    items.map((item) => [item.querySelector('.user'), item.querySelector('.channel'), item.querySelector('.body')].map((part) => part.textContent)),
  );
