// The browser client as a package: what is in it, that its types hold, and that it is found by its name.
//
// Not here: what it does (tests/web/, client.test.mjs).

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = process.env.INTEROP_ROOT;
const folder = join(root, 'src/app/web');
const run = (program, ...args) => execFileSync(program, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** A project that has the package among its modules. */
function project(test) {
  const made = mkdtempSync(join(tmpdir(), 'barewire-'));
  test.after(() => rmSync(made, { recursive: true }));
  mkdirSync(join(made, 'node_modules'));
  symlinkSync(folder, join(made, 'node_modules/barewire-client'));
  return made;
}

test('the package holds the module, its types, what they are, the licences, and nothing else', () => {
  const [{ name, files }] = JSON.parse(run('npm', 'pack', '--dry-run', '--json'));
  assert.equal(name, 'barewire-client');
  const licences = ['LICENSE-APACHE', 'LICENSE-MIT'];
  const expected = [...licences, 'README.md', 'barewire-client.d.ts', 'barewire-client.js', 'package.json'];
  assert.deepEqual(files.map(({ path }) => path).sort(), expected);
});

test('it has the version and the licences of barewire', () => {
  for (const licence of ['LICENSE-APACHE', 'LICENSE-MIT']) {
    assert.equal(readFileSync(join(folder, licence), 'utf8'), readFileSync(join(root, licence), 'utf8'));
  }
  const ours = readFileSync(join(root, 'Cargo.toml'), 'utf8');
  const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  assert.equal(/^version = "(.*)"$/m.exec(ours)[1], version);
  assert.equal(/^license = "(.*)"$/m.exec(ours)[1], license);
});

test('it is found by its name', (t) => {
  const made = project(t);
  const program = "import('barewire-client').then((all) => console.log(Object.keys(all).sort().join()))";
  const names = execFileSync(process.execPath, ['--eval', program], { cwd: made, encoding: 'utf8' });
  assert.equal(names.trim(), 'AuthenticatedWebSocket,ReconnectingWebSocket,calculateDelay,default');
});

/** Compiles a file, with nothing at hand but what is said; yields what is wrong with it. */
function compile(file, ...flags) {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  try {
    run(process.execPath, tsc, '--noEmit', '--strict', '--exactOptionalPropertyTypes', '--target', 'es2022', ...flags, file);
    return '';
  } catch ({ stdout }) {
    return stdout;
  }
}

test('its types allow what they should, and no more', (t) => {
  const usage = join(project(t), 'usage.mts');
  copyFileSync(join(root, 'tests/interop/client-usage.ts'), usage);
  for (const [module, resolution] of [['nodenext', 'nodenext'], ['esnext', 'bundler']]) {
    const lib = ['--lib', 'es2022,dom', '--typeRoots', '/nowhere'];
    assert.equal(compile(usage, ...lib, '--module', module, '--moduleResolution', resolution), '', module);
  }
});

test('its types need nothing that a project must add', (t) => {
  const types = join(project(t), 'alone.d.ts');
  copyFileSync(join(folder, 'barewire-client.d.ts'), types);
  assert.equal(compile(types, '--lib', 'es2022'), '');
});
