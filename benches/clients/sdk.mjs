// Keeps a folder's photos by the SDK in Node, four side by side as the command does:
//
//     node benches/clients/sdk.mjs <url> <canister id> <folder>

import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const [host, canisterId, folder] = process.argv.slice(2);
const sdk = fileURLToPath(new URL('../../sdk/', import.meta.url));
const { Ed25519KeyIdentity } = await import(
  pathToFileURL(createRequire(join(sdk, 'package.json')).resolve('@icp-sdk/core/identity')).href
);
const { Keepsake } = await import(pathToFileURL(join(sdk, 'dist/index.js')).href);

const keepsake = await Keepsake.connect({ host, canisterId, identity: Ed25519KeyIdentity.generate() });
const waiting = (await readdir(folder)).sort();
let incomplete = 0;
async function work() {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const kept = await keepsake.uploadWithProcessing(join(folder, name));
    incomplete += kept.derivatives.some(({ status }) => status === 'failed') ? 1 : 0;
  }
}
await Promise.all([work(), work(), work(), work()]);
if (incomplete > 0) {
  console.error(`${incomplete} photos without all derivatives`);
  process.exitCode = 1;
}
process.exit();
