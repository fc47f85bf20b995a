// What a page in Chromium makes of the daemon: a browser sends no header of one's own, sees no status, and fails a
// handshake that selects none of its subprotocols.
//
// Not here: clients that are no browser (ws.test.mjs, tokens.test.mjs, the Python suite).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { browser, page } from './chromium.mjs';
import { basic } from './client.mjs';
import { daemon } from './daemon.mjs';
import { secretFlags, token } from './token.mjs';

const originOf = (url) => new URL(url).origin.replace('wss:', 'https:');

/** Opens a WebSocket in a new page, and waits until it has got a message or its end. */
async function visit(started, url, protocols, origin = originOf(url)) {
  const tab = await page(started, origin);
  await tab.evaluate(([url, protocols]) => (globalThis.life = globalThis.socket(url, protocols)) && null, [url, protocols]);
  await tab.waitForFunction(() => globalThis.life.messages.length > 0 || globalThis.life.end);
  return tab;
}

const lifeOf = (tab) => tab.evaluate(() => ({ ...globalThis.life, send: undefined, close: undefined }));

test('a token as the only subprotocol lets a page in', async (t) => {
  const { url } = await daemon(t, ...secretFlags(t));
  const started = await browser(t);
  const jwt = token({ sub: 'anna' });
  for (const [protocols, selected] of [
    [[jwt], jwt],
    [[`bearer.${jwt}`], `bearer.${jwt}`],
    [['json', `bearer.${jwt}`], 'json'],
  ]) {
    const { protocol, messages } = await lifeOf(await visit(started, url, protocols));
    assert.equal(protocol, selected);
    assert.equal(messages[0].userId, 'anna');
  }
});

test('a page sees why it may not come in only where the refusal is a close', async (t) => {
  const started = await browser(t);
  const wrong = token({ sub: 'anna' }, { key: 'another secret, of 32 bytes and more' });
  for (const [way, end] of [
    ['http', { code: 1006, reason: '', wasClean: false }],
    ['close', { code: 4401, reason: 'Invalid token', wasClean: true }],
  ]) {
    const { url } = await daemon(t, ...secretFlags(t), '--set', `auth.refuse=${way}`);
    assert.deepEqual((await lifeOf(await visit(started, url, [wrong]))).end, end);
  }
});

test('two pages log in by message, and one hears what the other says', async (t) => {
  const { url } = await daemon(t, '--set', 'auth.refuse=close');
  const started = await browser(t);
  const tabs = await Promise.all([page(started, originOf(url)), page(started, originOf(url))]);
  for (const tab of tabs) {
    await tab.evaluate(([url]) => (globalThis.life = globalThis.socket(url)) && null, [url]);
    await tab.waitForFunction(() => globalThis.life.protocol !== null);
    await tab.evaluate((auth) => globalThis.life.send({ type: 'auth', token: auth }), basic('user:pass'));
    await tab.waitForFunction(() => globalThis.life.messages.at(-1)?.type === 'connected');
    await tab.evaluate(() => globalThis.life.send({ type: 'subscribe', channel: 'news' }));
    await tab.waitForFunction(() => globalThis.life.messages.at(-1)?.type === 'subscribed');
  }
  const payload = 'hällo 🦀 <b>';
  await tabs[0].evaluate((payload) => globalThis.life.send({ type: 'chat', channel: 'news', payload }), payload);
  for (const tab of tabs) {
    await tab.waitForFunction(() => globalThis.life.messages.at(-1)?.type === 'chat');
    assert.equal((await lifeOf(tab)).messages.at(-1).payload, payload);
    await tab.evaluate(() => globalThis.life.close());
    await tab.waitForFunction(() => globalThis.life.end);
    assert.equal((await lifeOf(tab)).end.code, 1000);
  }
});

test('a page of another origin is kept out, unless it is on the list', async (t) => {
  const { url } = await daemon(t, ...secretFlags(t));
  const started = await browser(t);
  const elsewhere = originOf(url).replace('localhost', '127.0.0.1');
  const jwt = token({ sub: 'anna' });
  assert.equal((await lifeOf(await visit(started, url, [jwt], elsewhere))).end.code, 1006);

  const other = await daemon(t, ...secretFlags(t), '--set', `auth.origins=${elsewhere}`);
  const life = await lifeOf(await visit(started, other.url, [jwt], elsewhere));
  assert.equal(life.messages[0].userId, 'anna');
});
