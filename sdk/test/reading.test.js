// The entry that only reads: a connection without the rest of the client, ranges as players ask for them, and what a reader keeps in memory.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { build } from 'esbuild';

import { createMemoryFromBlob, uploadFileAsBlob } from '../dist/index.js';
import { ContentMismatchError, NotFoundError, openConnection, readAsset, readAssets } from '../dist/reading.js';
import { connect, newIdentity, noise, serve, sha256 } from './support.js';

const CHUNK = 1_800_000;

let host;
before(async () => {
  host = await serve();
});
after(async () => {
  assert.equal(await host?.stop(), 0);
});

/** A connection and a memory of these bytes; `asked` counts the chunks that are asked for. */
async function reader(bytes, upload = uploadFileAsBlob) {
  const identity = newIdentity();
  const keepsake = await connect(host, { identity });
  const capsuleId = await keepsake.ownCapsule();
  const blob = await upload(keepsake, bytes, capsuleId);
  const memoryId = await createMemoryFromBlob(keepsake, capsuleId, blob, { name: 'film.mp4', type: 'video/mp4' });
  const { calls } = await openConnection({ host: host.url, canisterId: host.canisterId, identity });
  const asked = [];
  const vault = {
    calls: Object.create(calls, {
      blob_read_chunk: {
        value: (locator, index) => {
          asked.push(index);
          return calls.blob_read_chunk(locator, index);
        },
      },
    }),
  };
  return { vault, memoryId, asked };
}

async function joined(parts) {
  const all = [];
  for await (const part of parts) {
    all.push(part);
  }
  return Buffer.concat(all);
}

/** Chunks of these lengths. */
const uneven = (lengths) => async (keepsake, bytes, capsuleId) => {
  const session = await keepsake.calls.uploads_begin(capsuleId, lengths.length, 'uneven');
  let at = 0;
  for (const [index, length] of lengths.entries()) {
    await keepsake.calls.uploads_put_chunk(session, index, bytes.subarray(at, at + length));
    at += length;
  }
  const { blob_id: id } = await keepsake.calls.uploads_finish(session, sha256(bytes), BigInt(bytes.length));
  return { id, sha256: sha256(bytes), size: bytes.length };
};

test('a film is read by ranges: only the chunks that hold them, and those read last not again', async () => {
  const bytes = noise(9 * CHUNK + 17);
  const { vault, memoryId, asked } = await reader(bytes);
  const [asset] = await readAssets(vault, memoryId);
  assert.deepEqual([asset.kind, asset.name, asset.type, asset.size], ['original', 'film.mp4', 'video/mp4', bytes.length]);
  const film = asset.open({ keepChunks: 3 });
  assert.ok((await joined(film.slices(0, 100))).equals(bytes.subarray(0, 100)));
  assert.deepEqual(asked, [0]);
  const end = bytes.length;
  assert.ok((await joined(film.slices(end - 20, end))).equals(bytes.subarray(end - 20)));
  assert.deepEqual(asked, [0, 8, 9]);
  const middle = [4 * CHUNK - 5, 4 * CHUNK + 5];
  assert.ok((await joined(film.slices(...middle))).equals(bytes.subarray(...middle)));
  assert.ok((await joined(film.slices(...middle))).equals(bytes.subarray(...middle)));
  assert.deepEqual(asked, [0, 8, 9, 3, 4]);
  // It kept 9, 3 and 4, and asks for what it let go of.
  await joined(film.slices(0, 1));
  assert.deepEqual(asked, [0, 8, 9, 3, 4, 0]);
});

test('a reader whose chunks only looked alike counts them', async () => {
  const bytes = noise(300_000);
  const { vault, memoryId } = await reader(bytes, uneven([100_000, 50_000, 90_000, 60_000]));
  // Four chunks of 100,000 bytes at the most would be 300,001 bytes and more: not so here.
  const film = (await readAsset(vault, memoryId, 'original')).open();
  for (const [start, end] of [[0, 300_000], [149_990, 150_010], [299_999, 300_000], [0, 0]]) {
    assert.ok((await joined(film.slices(start, end))).equals(bytes.subarray(start, end)), `${start}-${end}`);
  }
  const alike = noise(350_000);
  const other = await reader(alike, uneven([100_000, 60_000, 100_000, 90_000]));
  const deceptive = (await readAsset(other.vault, other.memoryId, 'original')).open();
  assert.ok((await joined(deceptive.slices(100_000, 350_000))).equals(alike.subarray(100_000)));
});

test('whoever watches the chunks can refuse them', async () => {
  const bytes = noise(3 * CHUNK);
  const { vault, memoryId } = await reader(bytes);
  const asset = await readAsset(vault, memoryId, 'original');
  const seen = [];
  const film = asset.open({
    onChunk(index, chunk) {
      if (index === 2) {
        throw new ContentMismatchError('not this one');
      }
      seen.push([index, chunk.length]);
    },
  });
  await assert.rejects(joined(film.slices(0, bytes.length)), ContentMismatchError);
  assert.deepEqual(seen.sort(), [[0, CHUNK], [1, CHUNK]]);
  const stop = new AbortController();
  stop.abort();
  await assert.rejects(joined(asset.open().slices(0, 10, stop.signal)), { name: 'AbortError' });
});

test('what the vault does not tell a stranger, this does not either', async () => {
  const { memoryId } = await reader(noise(10));
  const stranger = await openConnection({ host: host.url, canisterId: host.canisterId, identity: newIdentity() });
  await assert.rejects(readAssets(stranger, memoryId), NotFoundError);
});

test('it is small: without uploads, derivatives and EXIF', async () => {
  const { outputFiles } = await build({
    stdin: { contents: "export { openConnection, readAssets } from '@keepsake/sdk/reading';", resolveDir: new URL('.', import.meta.url).pathname },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    external: ['@icp-sdk/core/*', '@noble/*'],
    minify: true,
    write: false,
    logLevel: 'warning',
  });
  const [{ text }] = outputFiles;
  assert.ok(text.length < 60_000, `${text.length} bytes`);
  assert.doesNotMatch(text, /createImageBitmap|OffscreenCanvas|DateTimeOriginal/);
});
