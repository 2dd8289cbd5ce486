// The package itself: bindings that are current, types that a program compiles against, documentation without gaps, no dependency too many.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { outdatedBindings } from '../scripts/bindings.js';

const sdk = fileURLToPath(new URL('..', import.meta.url));

function run(program, ...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(sdk, 'node_modules', program), ...args], {
    cwd: sdk,
    encoding: 'utf8',
  });
  assert.equal(status, 0, `${stdout}${stderr}`);
}

test('the bindings are what the generator makes of interface/vault.did', async () => {
  assert.deepEqual(await outdatedBindings(), [], 'run `npm run bindings` and commit what it writes');
});

test('programs compile against the types, in Node and in browsers', () => {
  run('typescript/bin/tsc', '-p', 'test/types');
});

test('the documentation is made without a warning', () => {
  run('typedoc/bin/typedoc', '--emit', 'none');
});

test('the Worker stands alone', async () => {
  const worker = await readFile(join(sdk, 'dist/platform/browser-worker.js'), 'utf8');
  assert.doesNotMatch(worker, /^\s*import\s/m);
  assert.ok(worker.length < 60_000, `${worker.length} bytes`);
});

test('importing the package in Node loads neither sharp nor a worker', () => {
  const program = `
    import { Keepsake } from '@keepsake/sdk';
    import { IDL } from '@icp-sdk/core/candid';
    import { idlFactory } from '@keepsake/sdk/bindings';
    if (typeof Keepsake.connect !== 'function' || !idlFactory({ IDL })._fields.some(([name]) => name === 'uploads_put_blob')) process.exit(1);
    const { report } = process;
    if (report.getReport().sharedObjects.some((path) => path.includes('vips'))) process.exit(2);
  `;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { cwd: sdk, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});
