// A `ws` client for another program to talk through: a line of standard input is sent, a message becomes a line of
// standard output, and the last line is `closed` with the code.
// usage: node peer.mjs URL NAME:PASSWORD

import { createInterface } from 'node:readline';

import { Client } from './client.mjs';

const [url, login] = process.argv.slice(2);
const { socket } = new Client(url, { login });
socket.on('open', () => createInterface({ input: process.stdin }).on('line', (line) => socket.send(line)));
socket.on('message', (data) => console.log(data.toString()));
socket.on('error', (error) => console.error(error.message));
socket.on('close', (code) => {
  console.log(`closed ${code}`);
  process.exit();
});
