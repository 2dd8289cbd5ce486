// What the tests stand on: a vault served by the `keepsake` command in a folder of its own, and the client's view of
// its interface, made from nothing but interface/vault.did.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { generate } from '@icp-sdk/bindgen/core';

const here = fileURLToPath(new URL('.', import.meta.url));
const workspace = fileURLToPath(new URL('../..', import.meta.url));

/** A file of tests/fixtures. */
export const fixture = (name) => join(workspace, 'tests/fixtures', name);

/** The file that `variable` names, else the usual one; an error that says how it is made. */
function artefact(variable, usual, remedy) {
  const path = process.env[variable] ?? join(workspace, usual);
  if (!existsSync(path)) {
    throw new Error(`${path} is missing: run \`${remedy}\` first, or name the file in ${variable}`);
  }
  return path;
}

/**
 * Serves a new vault on a free port, with further `options` of `keepsake serve`.
 * @returns its URL, its canister id, its module's path, and `stop`, which resolves to the exit code after Ctrl-C.
 */
export async function serve(options = []) {
  const command = artefact('KEEPSAKE_BIN', 'target/debug/keepsake', 'cargo build --bin keepsake');
  const wasm = artefact('KEEPSAKE_VAULT_WASM', 'target/canister/vault.wasm', 'cargo xtask build');
  const folder = await mkdtemp(join(tmpdir(), 'keepsake-node-'));
  const state = join(folder, 'state');
  const child = spawn(
    command,
    ['serve', '--json', '--listen', '127.0.0.1:0', '--state', state, '--wasm', wasm, ...options],
    { env: { HOME: folder, PATH: process.env.PATH }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  // Whatever happens here, it does not outlive the tests.
  process.once('exit', () => child.kill('SIGKILL'));
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    complaints += text;
  });
  // Not `exit`: what it said last is read by then.
  const ended = once(child, 'close').then(([code]) => code);
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([
    once(lines, 'line').then(([text]) => text),
    ended.then((code) => {
      throw new Error(`keepsake serve ended with ${code}: ${complaints}`);
    }),
  ]);
  const { url, canister_id: canisterId } = JSON.parse(line);
  return {
    url,
    canisterId,
    wasm,
    async stop() {
      child.kill('SIGINT');
      const code = await ended;
      await rm(folder, { recursive: true });
      return code;
    },
  };
}

/** The interface factory that the official generator makes from interface/vault.did. */
export async function interfaceFactory() {
  // Below this folder, so that what it imports is found.
  const outDir = await mkdtemp(join(here, '.bindings-'));
  try {
    await generate({
      didFile: join(workspace, 'interface/vault.did'),
      outDir,
      output: { actor: { disabled: true } },
    });
    const made = join(outDir, 'declarations/vault.did.js');
    const { idlFactory } = await import(pathToFileURL(made).href);
    return idlFactory;
  } finally {
    await rm(outDir, { recursive: true });
  }
}
