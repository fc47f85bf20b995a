// What other people's permessage-deflate makes of the daemon's: Node's `ws` and Chromium, with a tap on the wire that sees
// which messages are really deflated.
//
// Not here: Python's `websockets` (test_websockets.py), Autobahn (`.ci/autobahn`).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { browser, page } from './chromium.mjs';
import { Client, basic } from './client.mjs';
import { plainDaemon } from './daemon.mjs';
import { tap } from './tap.mjs';

const NONE = 'server_no_context_takeover; client_no_context_takeover';
const words = (count) => Array.from({ length: count }, (_, i) => `word ${(i * 7919) % 1000}`).join(' ');

/** Asks for its own payload back; what comes must be the same. */
async function echo(client, payload) {
  const answer = await client.ask({ type: 'ping', payload });
  assert.deepEqual(answer.payload, payload);
}

test('every offer of ws that can be accepted is, and both ends deflate', async (t) => {
  const { url } = await plainDaemon(t);
  for (const [options, accepted] of [
    [{}, NONE],
    [{ serverNoContextTakeover: true, clientNoContextTakeover: true }, NONE],
    [{ clientMaxWindowBits: 9 }, NONE],
    [{ serverMaxWindowBits: 9 }, `${NONE}; server_max_window_bits=9`],
    [{ serverMaxWindowBits: 15, clientMaxWindowBits: 15 }, `${NONE}; server_max_window_bits=15`],
  ]) {
    const wire = await tap(t, url);
    const client = await Client.open(t, wire.url, { perMessageDeflate: { threshold: 0, ...options } });
    assert.equal(wire.extensions(), `permessage-deflate; ${accepted}`);
    await echo(client, words(100));
    await echo(client, words(20_000));
    await echo(client, 'x');
    assert.deepEqual(wire.sent().map((message) => message.deflated), [true, true, true]);
    // The greeting, and the small answer.
    assert.deepEqual(wire.received().map((message) => message.deflated), [false, true, true, false]);
    assert.ok(wire.received()[2].length * 1.3 < words(20_000).length);
  }
});

test('without an offer, or where the daemon is told not to, nothing is deflated', async (t) => {
  for (const [flags, perMessageDeflate] of [
    [[], false],
    [['--set', 'deflate.enabled=false'], { threshold: 0 }],
  ]) {
    const { url } = await plainDaemon(t, ...flags);
    const wire = await tap(t, url);
    const client = await Client.open(t, wire.url, { perMessageDeflate });
    assert.equal(wire.extensions(), undefined);
    await echo(client, words(1000));
    assert.ok([...wire.sent(), ...wire.received()].every((message) => !message.deflated));
  }
});

test('contexts that are kept make the next message smaller, both ways', async (t) => {
  const takeover = ['deflate.server_context_takeover=true', 'deflate.client_context_takeover=true', 'deflate.min_bytes=0'];
  const { url } = await plainDaemon(t, ...takeover.flatMap((pair) => ['--set', pair]));
  const wire = await tap(t, url);
  const client = await Client.open(t, wire.url, { perMessageDeflate: { threshold: 0 } });
  assert.equal(wire.extensions(), 'permessage-deflate');
  for (let i = 0; i < 5; i += 1) await echo(client, words(300));
  for (const messages of [wire.sent(), wire.received().slice(1)]) {
    assert.ok(messages.every((message) => message.deflated));
    const [first, ...others] = messages.map((message) => message.length);
    assert.ok(others.every((length) => length * 5 < first), `${first}, then ${others}`);
  }
});

test('a broadcast reaches those who deflate, with any window, and those who do not', async (t) => {
  const { url } = await plainDaemon(t);
  const offers = [{}, { serverMaxWindowBits: 9 }, { serverMaxWindowBits: 12 }, false];
  const clients = await Promise.all(offers.map((perMessageDeflate) => Client.open(t, url, { perMessageDeflate })));
  const payload = words(5000);
  clients[3].send({ type: 'chat', payload });
  for (const client of clients) assert.equal((await client.next()).payload, payload);
});

test('Chromium and the daemon exchange deflated messages', async (t) => {
  const { url } = await plainDaemon(t);
  const wire = await tap(t, url);
  const tab = await page(await browser(t), new URL(wire.url).origin.replace('ws:', 'http:'));
  await tab.evaluate((url) => (globalThis.life = globalThis.socket(url)) && null, wire.url);
  await tab.waitForFunction(() => globalThis.life.protocol !== null);
  await tab.evaluate((auth) => globalThis.life.send({ type: 'auth', token: auth }), basic('user:pass'));
  await tab.waitForFunction(() => globalThis.life.messages.at(-1)?.type === 'connected');
  const payloads = [words(200), 'hällo 🦀 '.repeat(500), words(30_000)];
  for (const payload of payloads) {
    await tab.evaluate((payload) => globalThis.life.send({ type: 'chat', payload }), payload);
    await tab.waitForFunction((payload) => globalThis.life.messages.at(-1)?.payload === payload, payload);
  }
  assert.equal(await tab.evaluate(() => globalThis.life.extensions), `permessage-deflate; ${NONE}`);
  assert.ok(wire.sent().every((message) => message.deflated), 'a browser deflates all it sends');
  const received = wire.received().slice(-payloads.length);
  assert.deepEqual(received.map((message) => message.deflated), [true, true, true]);
  assert.ok(received[2].length * 2 < payloads[2].length);
});
