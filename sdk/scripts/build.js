// Builds dist: TypeScript to ES modules file by file, the generated bindings beside them, and the browser's worker as one
// file, because import maps do not reach into workers and a page without a bundler could not load it otherwise.

import { spawnSync } from 'node:child_process';
import { cp, mkdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const sdk = fileURLToPath(new URL('..', import.meta.url));
await rm(join(sdk, 'dist'), { recursive: true, force: true });

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const compiled = spawnSync(process.execPath, [tsc, '-p', sdk], { stdio: 'inherit' });
if (compiled.status !== 0) {
  process.exit(compiled.status ?? 1);
}
await mkdir(join(sdk, 'dist/bindings'), { recursive: true });
await cp(join(sdk, 'src/bindings'), join(sdk, 'dist/bindings'), { recursive: true });
await build({
  entryPoints: [join(sdk, 'src/platform/browser-worker.ts')],
  outfile: join(sdk, 'dist/platform/browser-worker.js'),
  bundle: true,
  format: 'esm',
  target: 'es2022',
  platform: 'browser',
  sourcemap: true,
  logLevel: 'warning',
});
