// The program under test, started for one test on a port the system picks.
//
// Not here: clients (client.mjs), what they expect (*.test.mjs).

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const root = process.env.INTEROP_ROOT;

/** The certificate to trust. */
export const ca = readFileSync(join(root, 'certs/dev-cert.pem'));

/** Starts it with these flags, ends it with the test, and returns its url, `stop`, which yields the exit code, and `kill`. */
export const daemon = (test, ...flags) => start(test, ['--listen', '127.0.0.1:0', ...flags]);

/** Starts another one where the one at `url` was. */
export const daemonAgain = (test, url, ...flags) => start(test, ['--listen', `127.0.0.1:${new URL(url).port}`, ...flags]);

/** The same without TLS. */
export const plainDaemon = (test, ...flags) => start(test, ['--plain-listen', '127.0.0.1:0', ...flags]);

async function start(test, flags) {
  const child = spawn(process.env.INTEROP_PROGRAM, ['--log-level', 'off', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  const stop = async () => {
    child.kill('SIGTERM');
    return (await exit)[0];
  };
  const kill = async () => {
    child.kill('SIGKILL');
    await exit;
  };
  test.after(() => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) {
    const [, secure, port] = /^HTTP(S?) \+ WSS? server running on port (\d+)$/.exec(line) ?? [];
    if (port) return { url: `ws${secure.toLowerCase()}://localhost:${port}/ws`, stop, kill };
  }
  throw new Error('the daemon did not start');
}
