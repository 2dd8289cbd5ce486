// The `keepsake` command and this package keep the same photo as the same memory, whichever comes first, with nothing twice.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { artefact, connect, fixture, folder, newIdentity, serve } from './support.js';

let host;
let home;
before(async () => {
  [host, home] = await Promise.all([serve(), folder()]);
});
after(async () => {
  await host?.stop();
  await home?.remove();
});

// RFC 8410: what precedes the 32 bytes of an Ed25519 key in PKCS #8.
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Writes an identity's key as the command reads it. */
async function pem(identity, name) {
  const seed = Buffer.from(identity.getKeyPair().secretKey).subarray(0, 32);
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' });
  const path = join(home.path, `${name}.pem`);
  await writeFile(path, key.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
  return path;
}

/** Runs the command; the documents that it prints. */
async function command(...args) {
  const bin = artefact('KEEPSAKE_BIN', 'target/debug/keepsake', 'cargo build --bin keepsake');
  const child = spawn(bin, ['--json', '--url', host.url, '--canister-id', host.canisterId, ...args], {
    env: { HOME: home.path, PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let complaints = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (complaints += text));
  const [code] = await once(child, 'close');
  assert.equal(code, 0, complaints);
  return output.trim().split('\n').map((line) => JSON.parse(line));
}

async function memories(keepsake) {
  const all = [];
  for await (const memory of keepsake.memories()) {
    all.push(memory);
  }
  return all;
}

for (const name of ['portrait-orientation-6.jpg', 'date-gps.jpg']) {
  test(`${name}, by the command first`, async () => {
    const identity = newIdentity();
    const key = await pem(identity, `${name}-command`);
    const keepsake = await connect(host, { identity });
    const [told] = await command('--identity', key, 'upload', fixture(name));
    const [before] = await memories(keepsake);
    const { bytes } = await keepsake.capsule(before.capsuleId).status();
    const kept = await keepsake.uploadWithProcessing(fixture(name));
    assert.equal(kept.memoryId, before.id);
    assert.ok(JSON.stringify(told).includes(kept.memoryId));
    assert.ok(kept.blob.held);
    assert.deepEqual(kept.derivatives.map(({ status }) => status), ['present', 'present', 'present']);
    const [same, ...others] = await memories(keepsake);
    assert.deepEqual(others, []);
    assert.equal(same.assetCount, 4);
    assert.equal((await keepsake.capsule(before.capsuleId).status()).bytes, bytes);
  });

  test(`${name}, by this package first`, async () => {
    const identity = newIdentity();
    const key = await pem(identity, `${name}-package`);
    const keepsake = await connect(host, { identity });
    const kept = await keepsake.uploadWithProcessing(fixture(name));
    const { bytes } = await keepsake.capsule(kept.capsuleId).status();
    const told = await command('--identity', key, 'upload', fixture(name));
    assert.ok(JSON.stringify(told).includes(kept.memoryId));
    const [same, ...others] = await memories(keepsake);
    assert.deepEqual([same.id, same.assetCount, others.length], [kept.memoryId, 4, 0]);
    assert.equal((await keepsake.capsule(kept.capsuleId).status()).bytes, bytes);
    const [again] = await memories(await connect(host, { identity }));
    assert.equal(again.date.getTime(), same.date.getTime());
  });
}
