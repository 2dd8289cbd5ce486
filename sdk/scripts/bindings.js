// The bindings in src/bindings are what the official generator makes of interface/vault.did. `--write` makes them anew;
// without it, the exit code says whether they are current.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { generate } from '@icp-sdk/bindgen/core';

const sdk = fileURLToPath(new URL('..', import.meta.url));
const FILES = ['vault.did.js', 'vault.did.d.ts'];

/** The committed bindings that differ from what the generator makes now. */
export async function outdatedBindings({ write = false } = {}) {
  const outDir = await mkdtemp(join(tmpdir(), 'keepsake-bindings-'));
  try {
    await generate({
      didFile: join(sdk, '../interface/vault.did'),
      outDir,
      output: { actor: { disabled: true } },
    });
    const outdated = [];
    for (const name of FILES) {
      const made = await readFile(join(outDir, 'declarations', name), 'utf8');
      const committed = join(sdk, 'src/bindings', name);
      if (made !== (await readFile(committed, 'utf8').catch(() => undefined))) {
        outdated.push(name);
        if (write) {
          await writeFile(committed, made);
        }
      }
    }
    return outdated;
  } finally {
    await rm(outDir, { recursive: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const write = process.argv.includes('--write');
  const outdated = await outdatedBindings({ write });
  if (outdated.length > 0) {
    console.log(`${write ? 'written' : 'not current: run `npm run bindings`'}: ${outdated.join(', ')}`);
    process.exitCode = write ? 0 : 1;
  }
}
