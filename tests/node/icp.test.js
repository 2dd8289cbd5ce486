// The official `icp` command against a vault served at home: calls, signed messages, and all that a controller does with it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { HttpAgent } from '@icp-sdk/core/agent';

import { serve } from './keepsake.js';

const command = fileURLToPath(
  new URL('node_modules/@icp-sdk/icp-cli-linux-x64/bin/icp', import.meta.url),
);
const interfaceFile = fileURLToPath(new URL('../../interface/vault.did', import.meta.url));

// npm leaves an optional package out where there is none for the platform.
const skip = existsSync(command) ? false : 'npm could not install the icp command here';

/** An account with nothing in it, in which the command keeps its keys, and a project of a vault at home. */
let folder;
let project;
let principal;
let vault;

const environment = () => ({
  HOME: folder,
  PATH: process.env.PATH,
  DO_NOT_TRACK: '1',
  NO_COLOR: '1',
});

/** What the command writes to its standard output; an error with all that it said where it fails. */
async function icp(...args) {
  const options = { cwd: project, env: environment(), timeout: 60_000, maxBuffer: 16 << 20 };
  const { stdout } = await promisify(execFile)(command, args, options);
  return stdout;
}

/** The same without a project, from a URL alone, as `keeper`. */
const there = (verb, ...args) =>
  icp('canister', verb, '-n', vault.url, '-k', 'fetch', '--identity', 'keeper', ...args);

/** The same in the project, as `keeper`. */
const here = (...args) => icp(...args, '-e', 'local', '--identity', 'keeper');

before(async () => {
  if (skip) return;
  folder = await mkdtemp(join(tmpdir(), 'keepsake-icp-'));
  project = join(folder, 'project');
  await mkdir(join(project, '.icp/data/mappings'), { recursive: true });
  // Without a project file there is no project, and no network but what a command names.
  await icp('identity', 'new', 'keeper', '--storage', 'plaintext');
  principal = (await icp('identity', 'principal', '--identity', 'keeper')).trim();
  vault = await serve(['--controller', principal]);
  await copyFile(vault.wasm, join(project, 'built.wasm'));
  const yaml = `canisters:
  - name: vault
    build:
      steps:
        - type: script
          commands:
            - cp built.wasm "$ICP_WASM_OUTPUT_PATH"
networks:
  - name: local
    mode: connected
    url: ${vault.url}
    root-key: fetch
environments:
  - name: local
    network: local
    canisters: [vault]
`;
  await writeFile(join(project, 'icp.yaml'), yaml);
  const ids = JSON.stringify({ vault: vault.canisterId });
  await writeFile(join(project, '.icp/data/mappings/local.ids.json'), ids);
});

after(async () => {
  if (vault) assert.equal(await vault.stop(), 0);
  if (folder) await rm(folder, { recursive: true });
});

test('calls, with the interface from the canister', { skip }, async () => {
  const made = await there('call', vault.canisterId, 'capsules_create', '(null)');
  // Names of fields and variants are only known from the interface.
  assert.match(made, /Ok = record/);
  assert.match(made, /id = "capsule_[0-9a-f]+"/);
  const again = await there('call', vault.canisterId, 'capsules_create', '(null)');
  assert.equal(again, made);
  const who = await there('call', '--query', vault.canisterId, 'whoami', '()');
  assert.match(who, new RegExp(principal));
  // A query sent as an update is answered as well, and certified.
  assert.equal(await there('call', vault.canisterId, 'whoami', '()'), who);
});

test('metadata', { skip }, async () => {
  const found = await there('metadata', vault.canisterId, 'candid:service');
  const expected = await readFile(interfaceFile, 'utf8');
  assert.equal(found.trim(), expected.trim());
});

test('messages signed without a network, and sent by somebody else', { skip }, async () => {
  const agent = await HttpAgent.create({ host: vault.url });
  const rootKey = Buffer.from(await agent.fetchRootKey()).toString('hex');
  const sign = (file, ...args) =>
    icp(
      ...['canister', 'call', '-n', vault.url, '-k', rootKey, '--identity', 'keeper'],
      ...['--candid', interfaceFile, '--sign-only', file],
      ...args,
    );
  const send = async (file) => {
    const answer = await icp('message', 'send', '-y', '--json', file);
    return JSON.parse(answer.trim().split('\n').at(-1)).response_candid;
  };
  await sign('query.json', '--query', vault.canisterId, 'whoami', '()');
  assert.match(await send('query.json'), new RegExp(principal));
  await sign('update.json', vault.canisterId, 'capsules_create', '(null)');
  const first = await send('update.json');
  assert.match(first, /Ok = record/);
  // The same envelope again: it is answered, and was executed once.
  assert.equal(await send('update.json'), first);
});

test('what a controller asks', { skip }, async () => {
  const status = await here('canister', 'status', 'vault');
  assert.match(status, /Running/);
  assert.match(status, new RegExp(principal));
  const settings = await here('canister', 'settings', 'show', 'vault');
  assert.match(settings, new RegExp(principal));
});

test('snapshots', { skip }, async () => {
  await here('canister', 'stop', 'vault');
  assert.match(await here('canister', 'status', 'vault'), /Stopped/);
  const created = await here('canister', 'snapshot', 'create', 'vault');
  const id = /\b([0-9a-f]{16,})\b/.exec(created)?.[1];
  assert.ok(id, created);
  assert.match(await here('canister', 'snapshot', 'list', 'vault'), new RegExp(id));
  await here('canister', 'snapshot', 'delete', 'vault', id);
  assert.doesNotMatch(await here('canister', 'snapshot', 'list', 'vault'), new RegExp(id));
  await here('canister', 'start', 'vault');
  assert.match(await here('canister', 'status', 'vault'), /Running/);
});

test('deploy keeps everything', { skip }, async () => {
  const before = await there('call', '--query', vault.canisterId, 'capsules_list', '()');
  assert.match(before, /capsule_/);
  await here('deploy');
  const after = await there('call', '--query', vault.canisterId, 'capsules_list', '()');
  assert.equal(after, before);
});
