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

/** Starts it with these flags, ends it with the test, and returns its url and what can be done to it. */
export const daemon = (test, ...flags) => start(test, '--listen', flags);

/** The same without TLS. */
export const plainDaemon = (test, ...flags) => start(test, '--plain-listen', flags);

async function start(test, kind, flags, wanted = 0) {
  const child = spawn(process.env.INTEROP_PROGRAM, ['--log-level', 'off', kind, `127.0.0.1:${wanted}`, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  const end = async (signal) => {
    child.kill(signal);
    return (await exit)[0];
  };
  test.after(() => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) {
    const [, secure, port] = /^HTTP(S?) \+ WSS? server running on port (\d+)$/.exec(line) ?? [];
    if (!port) continue;
    return {
      url: `ws${secure.toLowerCase()}://localhost:${port}/ws`,
      /** Ends it in good order; yields the exit code. */
      stop: () => end('SIGTERM'),
      /** Ends it as a power cut would. */
      crash: () => end('SIGKILL'),
      /** Starts another one with the same flags on the same port. */
      again: () => start(test, kind, flags, port),
    };
  }
  throw new Error('the daemon did not start');
}
