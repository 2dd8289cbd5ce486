// Builds dist: TypeScript to ES modules file by file, the generated bindings beside them, and the browser's worker as one
// file, because import maps do not reach into workers and a page without a bundler could not load it otherwise.

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const sdk = fileURLToPath(new URL('..', import.meta.url));
const dist = join(sdk, 'dist');
// Made beside the old one and put in its place when it is whole: who reads it meanwhile finds one or the other.
const made = join(sdk, `.dist-${process.pid}`);
process.on('exit', () => rmSync(made, { recursive: true, force: true }));

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const compiled = spawnSync(process.execPath, [tsc, '-p', join(sdk, 'tsconfig.build.json'), '--outDir', made], { stdio: 'inherit' });
if (compiled.status !== 0) {
  process.exit(compiled.status ?? 1);
}
await mkdir(join(made, 'bindings'), { recursive: true });
await cp(join(sdk, 'src/bindings'), join(made, 'bindings'), { recursive: true });
await build({
  entryPoints: [join(sdk, 'src/platform/browser-worker.ts')],
  outfile: join(made, 'platform/browser-worker.js'),
  bundle: true,
  format: 'esm',
  target: 'es2022',
  platform: 'browser',
  sourcemap: true,
  logLevel: 'warning',
});
await rm(dist, { recursive: true, force: true });
await rename(made, dist);
