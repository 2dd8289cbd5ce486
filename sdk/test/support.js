// What the tests stand on: a vault served by the `keepsake` command in a folder of its own, and clients of it.

import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { Ed25519KeyIdentity } from '@icp-sdk/core/identity';

import { Keepsake } from '../dist/index.js';

const workspace = fileURLToPath(new URL('../..', import.meta.url));

/** A file of tests/fixtures. */
export const fixture = (name) => join(workspace, 'tests/fixtures', name);

/** The file that `variable` names, else the usual one; an error that says how it is made. */
export function artefact(variable, usual, remedy) {
  const path = process.env[variable] ?? join(workspace, usual);
  if (!existsSync(path)) {
    throw new Error(`${path} is missing: run \`${remedy}\` first, or name the file in ${variable}`);
  }
  return path;
}

/** A new folder, and how it goes. */
export async function folder() {
  const path = await mkdtemp(join(tmpdir(), 'keepsake-sdk-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Serves a vault; in `home` and on `port` where an earlier one was served, else a new one. `args` are more of the command's. */
export async function serve({ home, port = 0, args = [] } = {}) {
  const command = artefact('KEEPSAKE_BIN', 'target/debug/keepsake', 'cargo build --bin keepsake');
  const wasm = artefact('KEEPSAKE_VAULT_WASM', 'target/canister/vault.wasm', 'cargo xtask build');
  const place = home ?? (await folder()).path;
  const child = spawn(
    command,
    ['serve', '--json', '--listen', `127.0.0.1:${port}`, '--state', join(place, 'state'), '--wasm', wasm, ...args],
    { env: { HOME: place, PATH: process.env.PATH }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  // Whatever happens here, it does not outlive the tests.
  process.once('exit', () => child.kill('SIGKILL'));
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    complaints += text;
  });
  const ended = once(child, 'close').then(([code]) => code);
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line').then(([text]) => text),
    ended.then((code) => {
      throw new Error(`keepsake serve ended with ${code}: ${complaints}`);
    }),
  ]);
  const { url, canister_id: canisterId } = JSON.parse(line);
  return {
    url,
    canisterId,
    home: place,
    port: Number(new URL(url).port),
    /** As a power cut would. */
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    async stop() {
      child.kill('SIGINT');
      const code = await ended;
      await rm(place, { recursive: true, force: true });
      return code;
    },
  };
}

export const newIdentity = () => Ed25519KeyIdentity.generate();

/** A client of a served vault, somebody new unless it says who. */
export function connect(host, options = {}) {
  return Keepsake.connect({
    host: host.url,
    canisterId: host.canisterId,
    identity: options.identity ?? newIdentity(),
    retry: { firstPause: 20, longestPause: 400, giveUpAfter: 30_000 },
    ...options,
  });
}

export const sha256 = (bytes) => new Uint8Array(createHash('sha256').update(bytes).digest());

/** Bytes that nothing else has. */
export const noise = (length) => new Uint8Array(randomBytes(length));
