// What the browser client takes, and what it looks like from outside.
//
// Not here: what each option does (the other *.test.mjs); the package and its types (tests/interop/client.test.mjs).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import Default, * as all from '../../src/app/web/barewire-client.js';
import { settle, world } from './world.mjs';

const { ReconnectingWebSocket } = all;

test('the module has these names', () => {
  assert.deepEqual(Object.keys(all).sort(), ['AuthenticatedWebSocket', 'ReconnectingWebSocket', 'calculateDelay', 'default']);
  assert.equal(Default, ReconnectingWebSocket);
});

test('an option that is none, or a value that is not allowed, is an error that names it and shows no value', async (t) => {
  const allowed = {
    initialDelay: [0, 0.5, 1e9],
    maxDelay: [0, 1],
    factor: [1, 1.5],
    maxAttempts: [0, 1, Infinity],
    jitter: [true, false, 'full'],
    minUptime: [0, 1],
    terminalCodes: [[], [0, 65_535]],
    connect: [true, false],
    connectTimeout: [0, 1],
    heartbeatInterval: [0, 1],
    queueBytes: [0, 1],
    token: ['x', () => 'x'],
    credentials: [{ username: 'u', password: '' }, () => {}],
    authBy: ['message'],
    channels: [[], ['a']],
    WebSocket: [class {}, function () {}],
    log: [null, () => {}],
  };
  const number = [-1, NaN, -Infinity, '1', null, true];
  const refused = {
    initialDelay: [...number, Infinity],
    maxDelay: [...number, Infinity],
    factor: [...number, 0, 0.99, Infinity],
    maxAttempts: [...number, 1.5],
    jitter: ['half', 0, 1, null],
    minUptime: [...number, Infinity],
    terminalCodes: [1008, ['1008'], [-1], [65_536], [1.5], null],
    connect: [0, 'false', null],
    connectTimeout: [...number, Infinity],
    heartbeatInterval: [...number, Infinity],
    queueBytes: [...number, Infinity],
    token: ['', 5, {}, null],
    credentials: ['user:SECRET', {}, { username: '', password: 'SECRET' }, { username: 'a:b', password: 'SECRET' }, { username: 'u' }, null],
    authBy: ['header', null, 'subprotocol'],
    channels: ['a', [''], [5], null],
    WebSocket: [{}, 'ws', null],
    log: ['x', false],
    maxAttempt: [1],
    constructor: [1],
  };
  const make = (config) => new ReconnectingWebSocket('wss://there', [], { WebSocket: class {}, connect: false, ...config });
  for (const [key, values] of Object.entries(allowed)) {
    for (const value of values) assert.doesNotThrow(() => make({ [key]: value }).close(), key);
  }
  for (const [key, values] of Object.entries(refused)) {
    for (const value of values) {
      assert.throws(
        () => make({ [key]: value }),
        (error) => error instanceof TypeError && error.message.startsWith(`${key}: `) && !error.message.includes('SECRET'),
        `${key} ${value}`,
      );
    }
  }
  assert.throws(() => make({ token: 'x', credentials: { username: 'u', password: 'p' } }), /only one/);
  assert.throws(() => make({ credentials: { username: 'u', password: 'p' }, authBy: 'subprotocol' }), /^TypeError: authBy/);
  const there = world(t, { initialDelay: undefined, terminalCodes: undefined });
  (await there.socket()).ends();
  assert.equal(there.events().at(-1), 'reconnecting 1 in 1000', 'undefined is the default');
});

test('arrays of the configuration are taken as they are at the beginning', async (t) => {
  const [terminalCodes, channels, protocols] = [[4000], ['a'], ['json']];
  const there = world(t, { terminalCodes, channels }, { protocols });
  terminalCodes.push(4001);
  channels.push('b');
  const socket = await there.open();
  assert.deepEqual(socket.said, [{ type: 'subscribe', channel: 'a' }]);
  socket.ends(4001);
  assert.equal(there.events().at(-1), 'reconnecting 1 in 1000');
});

test('the states have their names on class and instance', (t) => {
  const { client } = world(t);
  for (const [name, value] of Object.entries({ CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 })) {
    assert.deepEqual([ReconnectingWebSocket[name], client[name]], [value, value]);
    assert.throws(() => (client[name] = 9), TypeError);
  }
  assert.deepEqual(Object.keys(client), []);
});

test('handlers are as those of WebSocket', async (t) => {
  const there = world(t);
  const { client } = there;
  const seen = [];
  assert.deepEqual([client.onopen, client.onmessage, client.onclose, client.onerror], [null, null, null, null]);
  client.onopen = 'nothing';
  assert.equal(client.onopen, null);
  const handler = function (event) {
    seen.push(['first', this === client, event.type]);
  };
  client.onmessage = handler;
  client.addEventListener('message', () => seen.push(['listener']));
  assert.equal(client.onmessage, handler);
  const socket = await there.open();
  socket.says('x');
  client.onmessage = () => seen.push(['second']);
  socket.says('x');
  client.onmessage = null;
  socket.says('x');
  assert.deepEqual(seen, [['first', true, 'message'], ['listener'], ['second'], ['listener'], ['listener']]);
  for (const type of ['open', 'close', 'error']) client[`on${type}`] = (event) => seen.push([event.type, event instanceof Event]);
  seen.length = 0;
  socket.ends();
  await there.clock.pass(1000);
  await settle();
  there.sockets.at(-1).fails(undefined);
  await there.clock.pass(2000);
  await there.open();
  assert.deepEqual(seen, [['close', true], ['error', true], ['close', true], ['open', true]]);
});

test('an error tells what the socket knew', async (t) => {
  const there = world(t);
  const seen = [];
  there.client.onerror = ({ error, message }) => seen.push([error, message]);
  const error = new Error('refused');
  (await there.socket()).fails(error);
  await there.clock.pass(1000);
  (await there.socket()).fails(undefined);
  assert.deepEqual(seen, [[error, 'refused'], [undefined, '']]);
});
