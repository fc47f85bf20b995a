// The console in Chromium, against the real daemon: what it shows, that it comes back, what it does with what a hostile
// peer says, and that its own policy is never broken.
//
// Not here: the client by itself (tests of barewire-client.js), the files and their headers (tests/http.rs).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { browser } from './chromium.mjs';
import { Client } from './client.mjs';
import { chats, logIn, open, say, state, subscribe } from './console.mjs';
import { daemon } from './daemon.mjs';
import { secretFlags, token } from './token.mjs';

const UNPACED = ['--set', 'limits.messages_per_window=0'];
/** What the list holds at most, as in console-messages.js. */
const ENTRIES = 500;
/** What an entry of the list is made of at most, and what the page has beside them. */
const [NODES_OF_ENTRY, NODES_OF_PAGE] = [16, 400];

const problem = async (tab) => {
  await tab.locator('#problem').waitFor();
  return tab.textContent('#problem');
};

/** Two pages of `user`, both on `news`. */
async function pair(t, ...flags) {
  const served = await daemon(t, ...flags);
  const started = await browser(t);
  const tabs = [await open(started, served.url), await open(started, served.url)];
  for (const tab of tabs) {
    await logIn(tab);
    assert.equal(await state(tab, 'open'), 'Open, as user');
    await subscribe(tab, 'news');
  }
  return { ...served, started, tabs };
}

/** A page of `user`, and a `ws` client of `user`. */
async function pageAndPeer(t, ...flags) {
  const served = await daemon(t, ...UNPACED, ...flags);
  const tab = await open(await browser(t), served.url);
  await logIn(tab);
  await state(tab, 'open');
  return { ...served, tab, peer: await Client.open(t, served.url) };
}

test('two pages talk on a channel and to everybody, as text and as JSON', async (t) => {
  const { tabs } = await pair(t);
  const [one, other] = tabs;
  assert.equal(await one.locator('#empty').isVisible(), true);
  await say(one, 'hällo 🦀');
  await one.selectOption('#to', '');
  await say(one, 'all of you');
  await one.check('#as-json');
  await say(one, '{"a": [1, null]}');
  for (const tab of tabs) {
    await tab.locator('.json').waitFor();
    assert.equal(await tab.locator('#empty').isVisible(), false);
    assert.deepEqual(await chats(tab), [
      ['user', 'news', 'hällo 🦀'],
      ['user', 'everybody', 'all of you'],
      ['user', 'everybody', '{"a":[1,null]}'],
    ]);
  }
  await say(one, '{"a": ');
  await one.locator('#mistake').waitFor();
  assert.match(await one.textContent('#mistake'), /^Not sent: .*JSON/);
  assert.equal(await one.inputValue('#text'), '{"a": ', 'what was typed is not lost');
  await one.uncheck('#as-json');

  await other.click('#channels button');
  await other.locator('#channels li').waitFor({ state: 'detached' });
  await one.selectOption('#to', 'news');
  await say(one, 'not for the other');
  await one.selectOption('#to', '');
  await say(one, 'the end');
  await other.locator('.body', { hasText: 'the end' }).waitFor();
  assert.ok(!(await chats(other)).some(([, , text]) => text === 'not for the other'));

  await other.locator('li.chat button', { hasText: 'Raw' }).first().click();
  assert.match(await other.textContent('.raw'), /^\{"type":"chat","channel":"news","userId":"user","payload":"hällo 🦀","timestamp":"2/);
  for (const tab of tabs) assert.deepEqual(tab.complaints, []);
});

test('what went wrong at the login is told in words, and the right one lets in', async (t) => {
  const { url } = await daemon(t, ...secretFlags(t), '--set', 'auth.timeout=1s');
  const tab = await open(await browser(t), url);
  await logIn(tab, 'user', 'wrong');
  assert.equal(await problem(tab), 'That was wrong: the server does not know this name and password, or this token.');
  assert.equal(await state(tab, 'idle'), 'Not connected');
  await logIn(tab, 'us:er', 'pass');
  assert.match(await problem(tab), /^That cannot be: .*colon/);
  await tab.check('[value=nobody]');
  await tab.click('#login button.main');
  await tab.locator('#problem', { hasText: /^This server asks who you are: log in/ }).waitFor();
  await tab.check('[value=token]');
  await tab.fill('#token', 'no.good.token');
  await tab.click('#login button.main');
  assert.match(await problem(tab), /^That was wrong/);
  await tab.fill('#token', token({ sub: 'anna' }));
  await tab.click('#login button.main');
  assert.equal(await state(tab, 'open'), 'Open, as anna');
  assert.equal(await tab.inputValue('#token'), '', 'no token is left in the page');
  await tab.click('#logout');
  assert.equal(await state(tab, 'idle'), 'Not connected');
  assert.equal(await tab.locator('#door').isVisible(), true);
  assert.deepEqual(tab.complaints, []);
});

test('a token that ends takes one back to the door', async (t) => {
  const { url } = await daemon(t, ...secretFlags(t), '--set', 'auth.jwt_leeway=0s');
  const tab = await open(await browser(t), url);
  await tab.check('[value=token]');
  await tab.fill('#token', token({ sub: 'anna', exp: Math.floor(Date.now() / 1000) + 3 }));
  await tab.click('#login button.main');
  await state(tab, 'open');
  assert.equal(await problem(tab), 'Closed with 4401: Token expired.');
  assert.equal(await state(tab, 'idle'), 'Not connected');
  assert.deepEqual(tab.complaints, []);
});

test('where nobody is asked, one comes in without a login', async (t) => {
  const { url } = await daemon(t, '--set', 'auth.methods=none');
  const tab = await open(await browser(t), url);
  await tab.check('[value=nobody]');
  await tab.click('#login button.main');
  assert.equal(await state(tab, 'open'), 'Open, as anonymous');
  assert.deepEqual(tab.complaints, []);
});

test('any path of the endpoint is found, and an empty one', async (t) => {
  const started = await browser(t);
  for (const path of ["/a'b&quot;c", '']) {
    const { url } = await daemon(t, '--path', path);
    const tab = await open(started, url);
    await logIn(tab);
    assert.equal(await state(tab, 'open'), 'Open, as user');
    assert.deepEqual(tab.complaints, []);
  }
});

test('the browser keeps the user name, if asked to, and nothing else', async (t) => {
  const { url } = await daemon(t);
  const tab = await open(await browser(t), url);
  const kept = () => tab.evaluate(() => [{ ...localStorage }, { ...sessionStorage }, document.cookie]);
  await logIn(tab);
  await state(tab, 'open');
  assert.deepEqual(await kept(), [{}, {}, '']);
  assert.equal(await tab.inputValue('#password'), '');
  await tab.click('#logout');
  await tab.check('#remember');
  await logIn(tab);
  await state(tab, 'open');
  assert.deepEqual(await kept(), [{ 'barewire.username': 'user' }, {}, '']);
  await tab.reload();
  assert.equal(await tab.inputValue('#username'), 'user');
  await tab.uncheck('#remember');
  await logIn(tab);
  await state(tab, 'open');
  assert.deepEqual(await kept(), [{}, {}, '']);
});

test('the page comes back by itself with its channels when the server does, and shows meanwhile what it does', async (t) => {
  const { crash, again, tabs } = await pair(t);
  const [one, other] = tabs;
  await one.waitForFunction(() => document.querySelector('#plot').dataset.points >= 1);
  await crash();
  assert.match(await state(one, 'waiting'), /^Waiting \d\.\d s, attempt 1$/);
  assert.match(await one.textContent('#announcement'), /^Closed with 1006: the server cannot be reached.* Waiting to connect again, attempt 1\.$/);
  assert.equal(await one.isDisabled('#send'), true);
  await one.waitForFunction(() => /^Waiting \d\.\d s, attempt 2$/.test(document.querySelector('#state').textContent));
  await again();
  for (const tab of tabs) {
    assert.equal(await state(tab, 'open'), 'Open, as user');
    await tab.locator('#channels bdi:not(.pending)', { hasText: 'news' }).waitFor();
  }
  await say(one, 'back again');
  for (const tab of tabs) await tab.locator('.body', { hasText: 'back again' }).waitFor();
  assert.equal(await other.locator('#plot .gap').count(), 1);
  // A browser tells of each attempt that failed, whatever a page does; of nothing else.
  for (const tab of tabs) assert.ok(tab.complaints.every((line) => line.includes('ERR_CONNECTION_REFUSED')), tab.complaints.join('\n'));
});

test('one can leave, stay away, and come back at once', async (t) => {
  const { tabs, stop } = await pair(t);
  const [tab, other] = tabs;
  await tab.click('#disconnect');
  assert.equal(await state(tab, 'closed'), 'Closed with 1000: closed in good order');
  await tab.click('#reconnect');
  assert.equal(await state(tab, 'open'), 'Open, as user');
  await tab.locator('#channels bdi:not(.pending)', { hasText: 'news' }).waitFor();
  await stop();
  await state(tab, 'waiting');
  assert.match(await tab.textContent('#announcement'), /^Closed with 1001: /);
  await tab.click('#disconnect');
  assert.equal(await state(tab, 'closed'), 'Disconnected');
  await state(other, 'waiting');
  await other.click('#logout');
  assert.equal(await state(other, 'idle'), 'Not connected');
});

test('the round trip appears, and the plot has its points; too many messages give it a rest', async (t) => {
  const { url } = await daemon(t, '--set', 'limits.messages_per_window=5');
  const tab = await open(await browser(t), url, { leaps: true });
  let pings = 0;
  tab.on('websocket', (socket) => socket.on('framesent', ({ payload }) => (pings += payload.includes('"ping"') ? 1 : 0)));
  await logIn(tab);
  await state(tab, 'open');
  for (const count of [1, 2, 3, 4, 5]) {
    await tab.waitForFunction((count) => document.querySelector('#plot').dataset.points === String(count), count);
    assert.match(await tab.textContent('#rtt'), /^[\d.]+ ms$/);
    assert.match(await tab.textContent('#summary'), /^median [\d.]+ m?s, most [\d.]+ m?s$/);
    const points = await tab.getAttribute('#plot .line', 'points');
    assert.equal(points.split(' ').length, count);
    assert.match(points, /^[-\d., ]+$/);
    await tab.clock.fastForward(2000);
  }
  await tab.locator('li.error', { hasText: 'Rate limit exceeded' }).waitFor();
  const [sent, rest] = [pings, 14];
  for (let count = 0; count < rest; count += 1) await tab.clock.fastForward(2000);
  assert.equal(pings, sent);
  assert.equal(await tab.locator('li.error').count(), 1);
  assert.equal(await state(tab, 'open'), 'Open, as user');
  await tab.clock.fastForward(5 * 60_000);
  await tab.waitForFunction(() => Number(document.querySelector('#plot').dataset.points) <= 1);
  assert.deepEqual(tab.complaints, []);
});

test('nothing scrolls sideways on a phone, and a thumb finds everything', async (t) => {
  const { url } = await daemon(t, ...UNPACED);
  const started = await browser(t);
  const tab = await open(started, url, { viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true });
  const wide = () => tab.evaluate(() => document.documentElement.scrollWidth);
  const small = () =>
    tab.$$eval('button, select, input:not([type=checkbox], [type=radio]), textarea, label:has(input)', (all) =>
      all
        .filter((one) => one.checkVisibility() && Math.round(one.getBoundingClientRect().height) < 44)
        .map((one) => one.outerHTML),
    );
  assert.deepEqual([await wide(), await small()], [360, []]);
  await logIn(tab);
  await state(tab, 'open');
  await subscribe(tab, 'n'.repeat(255));
  await say(tab, 'x'.repeat(3000));
  const peer = await Client.open(t, url);
  peer.send({ type: 'chat', payload: ['y'.repeat(3000)] });
  await tab.locator('.json').waitFor();
  for (const button of await tab.locator('li.chat button').all()) await button.click();
  assert.deepEqual([await wide(), await small()], [360, []]);
  const cut = await tab.$$eval('.body, .raw, .user, .channel, #channels li', (all) => all.filter((one) => one.scrollWidth > one.clientWidth));
  assert.equal(cut.length, 0, 'nor is anything cut off');
  await tab.click('#disconnect');
  await state(tab, 'closed');
  assert.deepEqual([await wide(), await small()], [360, []]);
  assert.deepEqual(tab.complaints, []);
});

test('it is dark where the system is, and can be read there', async (t) => {
  const { url } = await daemon(t);
  const started = await browser(t);
  const grounds = [];
  for (const colorScheme of ['light', 'dark']) {
    const tab = await open(started, url, { colorScheme });
    const low = await tab.evaluate(contrasts);
    assert.deepEqual(low, [], colorScheme);
    await logIn(tab);
    await state(tab, 'open');
    await subscribe(tab, 'news');
    await say(tab, 'hello');
    await tab.locator('li.chat').waitFor();
    assert.deepEqual(await tab.evaluate(contrasts), [], colorScheme);
    grounds.push(await tab.evaluate(() => getComputedStyle(document.body).backgroundColor));
  }
  assert.notEqual(grounds[0], grounds[1]);
});

/** Texts in sight with a contrast below 4.5 : 1 against what they stand on (WCAG 2.2, 1.4.3). Runs in the page. */
function contrasts() {
  const parts = (color) => color.match(/[\d.]+/g).map(Number);
  const light = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    const color = parts(getComputedStyle(node).backgroundColor);
    return color[3] === 0 && node.parentElement ? ground(node.parentElement) : color;
  };
  const holdsText = (node) => [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim());
  const texts = [...document.querySelectorAll('body *')].filter((node) => node.checkVisibility() && holdsText(node) && !node.disabled);
  const ratio = (node) => {
    const style = getComputedStyle(node);
    const color = parts(node instanceof SVGElement ? style.fill : style.color);
    const [low, high] = [light(color), light(ground(node))].sort((one, other) => one - other);
    return (high + 0.05) / (low + 0.05);
  };
  return texts.filter((node) => ratio(node) < 4.5).map((node) => `${node.outerHTML} ${ratio(node)}`);
}

test('a policy guards the page, which keeps to it, and no script of it could make markup of text', async (t) => {
  const { url } = await daemon(t);
  const tab = await open(await browser(t), url);
  assert.match(tab.answer.headers()['content-security-policy'], /^default-src 'none'; script-src 'self'; /);
  const thrown = await tab.evaluate(() => {
    try {
      document.body.innerHTML = '<b>no</b>';
    } catch (error) {
      return error.name;
    }
  });
  assert.equal(thrown, 'TypeError');
  assert.equal(tab.complaints.length, 1, 'and such a thing is complained about');
  assert.match(tab.complaints[0], /TrustedHTML/);
});

const HOSTILE = [
  ['<img src=x onerror="globalThis.hit = 1">', '<img src=x onerror="globalThis.hit = 1">'],
  ['</script><script>globalThis.hit = 1</script>', '</script><script>globalThis.hit = 1</script>'],
  ['<svg onload=globalThis.hit=1>', '<svg onload=globalThis.hit=1>'],
  ['{{constructor.constructor("hit=1")()}}', '{{constructor.constructor("hit=1")()}}'],
  ['invoice\u202efdp.exe', 'invoice⟨U+202E⟩fdp.exe'],
  ['a\u0000b\u001b[31mc\u0085d\r', 'a⟨U+0000⟩b⟨U+001B⟩[31mc⟨U+0085⟩d⟨U+000D⟩'],
  ['a\u2066b\u2069c\u200bd\ufeffe\u{e0041}', 'a⟨U+2066⟩b⟨U+2069⟩c⟨U+200B⟩d⟨U+FEFF⟩e⟨U+E0041⟩'],
  ['two\nlines\tand a tab', 'two\nlines\tand a tab'],
  ['👩‍👩‍👧 é', '👩‍👩‍👧 é'],
];

test('what a peer says is text, and what deceives the eye is spelled out', async (t) => {
  const { tab, peer } = await pageAndPeer(t);
  for (const [payload] of HOSTILE) peer.send({ type: 'chat', payload });
  peer.send({ type: 'chat', payload: { '<b>': '<i onclick=hit=1>', __proto__: null, toString: 1 } });
  peer.send('{"type":"chat"}');
  peer.send({ type: 'chat', payload: 'end' });
  await tab.locator('.body', { hasText: /^end$/ }).waitFor();
  assert.deepEqual((await chats(tab)).map(([, , text]) => text), [
    ...HOSTILE.map(([, shown]) => shown),
    '{"<b>":"<i onclick=hit=1>","toString":1}',
    'null',
    'end',
  ]);
  for (const button of await tab.locator('li.chat button', { hasText: 'Raw' }).all()) await button.click();
  const [tags, hit] = await tab.evaluate(() => [
    [...new Set([...document.querySelectorAll('#messages *')].map((one) => one.localName))].sort(),
    globalThis.hit,
  ]);
  assert.deepEqual(tags, ['bdi', 'button', 'div', 'li', 'p', 'pre', 'time']);
  assert.equal(hit, undefined);
  assert.deepEqual(tab.complaints, []);
});

test('a message of another shape than the daemon’s holds up none of those behind it', async (t) => {
  const { url } = await daemon(t);
  const context = await (await browser(t)).newContext({ ignoreHTTPSErrors: true });
  // In place of the daemon: what a bridge hands on, or another host of the library, may look like anything.
  const odd = [
    { type: 'connected' },
    { type: 'connected', userId: { toString: 1 } },
    { type: 'chat' },
    { type: 'chat', userId: { toString: 1 }, channel: 5, payload: null, timestamp: { valueOf: 1, toString: 1 } },
    { type: 'chat', userId: ['__proto__'], payload: 1, timestamp: 1e99 },
    { type: 'subscribed' },
    { type: 'subscribed', channel: 5 },
    { type: 'unsubscribed', channel: 'toString' },
    { type: 'error' },
    { type: 'error', message: { toString: 1 }, code: { toString: 1 } },
    { type: 'pong', id: 'ping 99' },
    { type: '__proto__' },
  ].map((message) => JSON.stringify(message));
  const deep = 500_000;
  odd.push(`{"type":"chat","userId":"a","payload":${'['.repeat(deep)}${']'.repeat(deep)}}`);
  await context.routeWebSocket('**/ws', (socket) => {
    const last = { type: 'chat', userId: 'b', payload: 'the end', timestamp: new Date().toISOString() };
    socket.onMessage((text) => {
      if (JSON.parse(text).type === 'auth') [...odd, JSON.stringify(last)].forEach((line) => socket.send(line));
    });
  });
  const tab = await open({ newContext: () => context }, url);
  await logIn(tab);
  await tab.locator('.body', { hasText: 'the end' }).waitFor();
  const said = await chats(tab);
  assert.deepEqual(said.slice(0, 3), [
    ['nothing', 'everybody', 'nothing'],
    ['{"toString":1}', 'everybody', 'null'],
    ['["__proto__"]', 'everybody', '1'],
  ]);
  assert.equal(said.length, 5);
  assert.equal(await state(tab, 'open'), 'Open, as {"toString":1}');
  assert.deepEqual(tab.complaints, []);
});

test('a name of a channel can do no harm either', async (t) => {
  const { tab, peer } = await pageAndPeer(t);
  for (const channel of ['<img src=x onerror=globalThis.hit=1>', 'a\u202eb', '__proto__', ' ']) {
    await tab.fill('#channel', channel);
    await tab.press('#channel', 'Enter');
    await tab.locator('#channels bdi:not(.pending)').last().waitFor();
    peer.send({ type: 'chat', channel, payload: 'there' });
  }
  await tab.waitForFunction(() => document.querySelectorAll('li.chat').length === 4);
  assert.deepEqual((await chats(tab)).map(([, channel]) => channel), ['<img src=x onerror=globalThis.hit=1>', 'a⟨U+202E⟩b', '__proto__', '“ ”']);
  assert.equal(await tab.locator('#channels img, #to img, #messages img').count(), 0);
  await tab.fill('#channel', 'ä'.repeat(128));
  await tab.press('#channel', 'Enter');
  assert.match(await tab.$eval('#channel', (field) => field.validationMessage), /at most 255 bytes/);
  await subscribe(tab, `a${'ä'.repeat(127)}`);
  assert.equal(await tab.locator('#channels li').count(), 5);
  assert.deepEqual(tab.complaints, []);
});

test('a channel that the server refuses is taken away again, and said why', async (t) => {
  const { url } = await daemon(t, ...secretFlags(t), '--set', 'limits.channels_per_session=2');
  const tab = await open(await browser(t), url);
  await tab.check('[value=token]');
  await tab.fill('#token', token({ sub: 'anna', channels: ['given'], subscribe: ['given', 'a*'] }));
  await tab.click('#login button.main');
  await tab.locator('#channels bdi:not(.pending)[title=given]').waitFor();
  const refused = async (channel, code) => {
    await tab.fill('#channel', channel);
    await tab.press('#channel', 'Enter');
    await tab.locator('li.error', { hasText: code }).waitFor();
    await tab.locator(`#channels [title=${channel}]`).waitFor({ state: 'detached' });
  };
  await refused('other', 'subscribe_not_allowed');
  await subscribe(tab, 'a1');
  await refused('a2', 'too_many_channels');
  assert.deepEqual(await tab.$$eval('#channels bdi', (all) => all.map((one) => one.title)), ['given', 'a1']);
  assert.deepEqual(tab.complaints, []);
});

test('a message of a mebibyte is folded, and never shown whole', async (t) => {
  const { tab, peer } = await pageAndPeer(t, '--set', 'limits.send_queue_bytes=8MiB');
  const most = 1024 * 1024 - 100;
  peer.send({ type: 'chat', payload: 'x'.repeat(most) });
  await tab.locator('li.chat').waitFor();
  const shown = () => tab.evaluate(() => document.querySelector('#messages').textContent.length);
  assert.ok((await shown()) < 1000);
  await tab.getByText(`Show 65,536 characters of ${most.toLocaleString('en')} characters`).click();
  assert.ok((await shown()) < 67_000);
  await tab.locator('li.chat button', { hasText: 'Raw' }).click();
  assert.ok((await shown()) < 133_000);
  await tab.getByText('Show less').click();
  await tab.getByText('Hide raw').click();
  assert.ok((await shown()) < 1000);
  // Nine of them are more than the list keeps: the oldest go.
  for (let count = 0; count < 9; count += 1) peer.send({ type: 'chat', payload: String(count).repeat(most) });
  await tab.locator('.body', { hasText: /^8/ }).waitFor();
  assert.equal(await tab.textContent('#count'), 'the last 8 of 10');
  assert.deepEqual(tab.complaints, []);
});

test('ten thousand messages at once leave the list bounded, and the page alive', async (t) => {
  const { tab, peer } = await pageAndPeer(t, '--set', 'limits.send_queue_bytes=64MiB');
  await tab.evaluate(() => {
    globalThis.most = 0;
    const list = document.querySelector('#messages');
    const count = () => (globalThis.most = Math.max(globalThis.most, list.children.length));
    new MutationObserver(count).observe(list, { childList: true });
  });
  for (let count = 1; count <= 10_000; count += 1) peer.send({ type: 'chat', payload: `message ${count} ${'x'.repeat(100)}` });
  // In the midst of it one can still use the page.
  await say(tab, 'and mine');
  await tab.locator('.body', { hasText: 'message 10000 ' }).waitFor();
  await tab.waitForFunction(() => document.querySelector('#count').textContent.endsWith(' of 10,001'));
  const [most, kept, nodes] = await tab.evaluate(() => [
    globalThis.most,
    document.querySelectorAll('#messages > li').length,
    document.querySelectorAll('*').length,
  ]);
  assert.ok(most <= ENTRIES && kept === ENTRIES, `${most}, ${kept}`);
  assert.ok(nodes < ENTRIES * NODES_OF_ENTRY + NODES_OF_PAGE, `${nodes} nodes`);
  assert.equal(await state(tab, 'open'), 'Open, as user');
  await tab.click('#clear');
  assert.equal(await tab.locator('#messages > li').count(), 0);
  assert.deepEqual(tab.complaints, []);
});

test('who reads further up is not torn away, and is told what is new', async (t) => {
  const { tab, peer } = await pageAndPeer(t);
  for (let count = 0; count < 60; count += 1) peer.send({ type: 'chat', payload: `line ${count}` });
  await tab.locator('.body', { hasText: 'line 59' }).waitFor();
  const place = () => tab.evaluate(() => document.querySelector('#messages').scrollTop);
  const end = await place();
  assert.ok(end > 0, 'it follows');
  await tab.evaluate(() => (document.querySelector('#messages').scrollTop = 0));
  peer.send({ type: 'chat', payload: 'one more' });
  await tab.locator('#latest', { hasText: '1 new' }).waitFor();
  assert.equal(await place(), 0);
  await tab.click('#latest');
  assert.ok((await place()) > end);
  assert.equal(await tab.locator('#latest').isVisible(), false);
});
