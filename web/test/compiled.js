// Modules of src/ for tests that need no browser.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { build } from 'vite';

/** Imports a module of src/ that imports nothing of Svelte's. */
export async function compiled(path) {
  const out = await mkdtemp(join(tmpdir(), 'keepsake-web-'));
  const entry = fileURLToPath(new URL(`../src/${path}`, import.meta.url));
  await build({
    configFile: false,
    logLevel: 'silent',
    build: { outDir: out, lib: { entry, formats: ['es'], fileName: 'module' }, minify: false },
  });
  return import(pathToFileURL(join(out, 'module.js')));
}
