// JSON Web Tokens made by hand (RFC 7515): what a test shows the daemon must not come from the code under test.
//
// Not here: `barewire gen-token` (tokens.test.mjs holds it against these).

import { createHmac, createSign, generateKeyPairSync, sign as signOnce } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const SECRET = 'a secret of the tests, 32 bytes and more';

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

const signers = {
  HS256: (input, key) => createHmac('sha256', key).update(input).digest(),
  RS256: (input, key) => createSign('sha256').update(input).sign(key),
  ES256: (input, key) => createSign('sha256').update(input).sign({ key, dsaEncoding: 'ieee-p1363' }),
  EdDSA: (input, key) => signOnce(null, input, key),
};

/** A token with these claims; without `exp` among them it is good for an hour. */
export function token(claims, { alg = 'HS256', key = SECRET } = {}) {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const input = `${encode({ alg, typ: 'JWT' })}.${encode({ exp, ...claims })}`;
  return `${input}.${signers[alg](Buffer.from(input), key).toString('base64url')}`;
}

/** A pair of keys for one of the algorithms that have two. */
export function keyPair(alg) {
  const encoding = {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  };
  if (alg === 'RS256') return generateKeyPairSync('rsa', { modulusLength: 2048, ...encoding });
  if (alg === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256', ...encoding });
  return generateKeyPairSync('ed25519', encoding);
}

/** A file with this text, which goes with the test. */
export function file(test, text) {
  const folder = mkdtempSync(join(tmpdir(), 'barewire-'));
  test.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'file');
  writeFileSync(path, text);
  return path;
}

/** The flags that let in who has a token of `token`. */
export function secretFlags(test) {
  return ['--set', `auth.jwt_secret_file=${file(test, `${SECRET}\n`)}`];
}
