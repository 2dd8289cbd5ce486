// The client: values, typed errors, listing, sharing, reading; against a real vault, with everything verified.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import { Principal } from '@icp-sdk/core/principal';

import {
  BudgetExceededError,
  CancelledError,
  ConnectionError,
  ContentMismatchError,
  InvalidArgumentError,
  NotAuthenticError,
  NotFoundError,
  RejectedError,
  UnauthorizedError,
  UnreachableError,
  VaultError,
  addAssetToMemory,
  addInlineAssetToMemory,
  createMemoryFromBlob,
  uploadFileAsBlob,
} from '../dist/index.js';
import { connect, fixture, newIdentity, noise, serve, sha256 } from './support.js';

let host;
before(async () => {
  host = await serve();
});
after(async () => {
  assert.equal(await host?.stop(), 0);
});

/** A memory with an original of these bytes. */
async function remember(keepsake, bytes, name = 'file.bin') {
  const capsuleId = await keepsake.ownCapsule();
  const blob = await uploadFileAsBlob(keepsake, bytes);
  return createMemoryFromBlob(keepsake, capsuleId, blob, { name, type: 'application/octet-stream' });
}

test('results are values, refusals are typed errors', async () => {
  const keepsake = await connect(host);
  const capsule = await keepsake.calls.capsules_create([]);
  assert.equal(await keepsake.ownCapsule(), capsule.id);
  assert.deepEqual((await keepsake.capsules()).map(({ id }) => id), [capsule.id]);
  assert.equal((await keepsake.config()).chunk_size, 1_800_000);

  await assert.rejects(keepsake.memory('mem_00000000000000000000000000000000'), NotFoundError);
  await assert.rejects(keepsake.calls.uploads_begin(capsule.id, 0, 'x'), (error) => {
    assert.ok(error instanceof InvalidArgumentError && error instanceof VaultError);
    assert.equal(error.argument, 'expected_chunks_zero');
    assert.equal(error.method, 'uploads_begin');
    return true;
  });
  const anonymous = await connect(host, { identity: undefined });
  await assert.rejects(anonymous.calls.memories_list(capsule.id, [], []), UnauthorizedError);
  await assert.rejects(anonymous.ownCapsule(), RejectedError);
  await assert.rejects(keepsake.calls.mint_http_token('nothing', ['original'], [], 0), RejectedError);

  const memoryId = await remember(keepsake, noise(10));
  const spend = async () => {
    for (let n = 0; n < 3; n += 1) {
      await addInlineAssetToMemory(keepsake, memoryId, noise(20_000), { idempotencyKey: `${n}` });
    }
  };
  await assert.rejects(spend(), BudgetExceededError);
});

test('what cannot be reached or believed is told apart', async () => {
  const retry = { giveUpAfter: 0 };
  await assert.rejects(connect({ ...host, url: 'http://127.0.0.1:9' }, { retry }), UnreachableError);
  const believing = await connect(host, { retry, rootKey: 'mainnet' });
  await assert.rejects(believing.ownCapsule(), NotAuthenticError);
  await assert.rejects(believing.config(), NotAuthenticError);
  const elsewhere = await connect({ ...host, canisterId: 'aaaaa-aa' }, { retry });
  await assert.rejects(elsewhere.ownCapsule(), ConnectionError);
});

test('memories are listed page by page, newest first', async () => {
  const keepsake = await connect(host);
  const ids = [];
  for (let n = 0; n < 7; n += 1) {
    ids.push(await remember(keepsake, noise(20), `file ${n}`));
  }
  const listed = [];
  for await (const memory of keepsake.memories({ pageSize: 3 })) {
    assert.equal(memory.kind, 'Document');
    assert.equal(memory.assetCount, 1);
    assert.ok(Math.abs(memory.date - Date.now()) < 60_000);
    listed.push(memory);
  }
  assert.deepEqual(listed.map(({ id }) => id).sort(), [...ids].sort());
  assert.ok(listed.every((memory, at) => at === 0 || listed[at - 1].header.created_at >= memory.header.created_at));
  const { links } = listed[0];
  const answer = await fetch(`http://${host.canisterId}.localhost:${host.port}${links.original.path}`).catch(() =>
    fetch(`${host.url}${links.original.path}${links.original.path.includes('?') ? '&' : '?'}canisterId=${host.canisterId}`),
  );
  assert.equal(answer.status, 200);
  assert.equal((await answer.arrayBuffer()).byteLength, 20);
});

test('assets are read as bytes, Blob and stream, verified, and by ranges', async () => {
  const keepsake = await connect(host);
  for (const length of [0, 1, 100_000, 1_800_000, 1_800_001, 5_000_000]) {
    const bytes = noise(length);
    const memoryId = await remember(keepsake, bytes);
    const asset = await keepsake.asset(memoryId);
    assert.equal(asset.size, length);
    assert.deepEqual(asset.sha256, sha256(bytes));
    assert.ok(Buffer.from(await asset.bytes()).equals(bytes));
    const blob = await asset.blob();
    assert.equal(blob.type, 'application/octet-stream');
    assert.ok(Buffer.from(await blob.arrayBuffer()).equals(bytes));
    const streamed = await new Response(asset.stream()).arrayBuffer();
    assert.ok(Buffer.from(streamed).equals(bytes));
    for (const [start, end] of [[0, 1], [1_799_999, 1_800_001], [0, length], [length - 1, length], [5, 5], [length, length + 9]]) {
      if (start >= 0) {
        const range = await asset.range(start, end);
        assert.ok(Buffer.from(range).equals(bytes.subarray(start, end)), `${length}: ${start}-${end}`);
      }
    }
  }
  await assert.rejects(async () => (await keepsake.asset(await remember(keepsake, noise(9)))).range(3, 2), RangeError);
});

test('ranges of content whose chunks have different lengths', async () => {
  const keepsake = await connect(host);
  const capsuleId = await keepsake.ownCapsule();
  const bytes = noise(100_000);
  const cuts = [0, 10_000, 70_000, 70_001, 100_000];
  const session = await keepsake.calls.uploads_begin(capsuleId, 4, 'uneven');
  for (let n = 0; n < 4; n += 1) {
    await keepsake.calls.uploads_put_chunk(session, n, bytes.subarray(cuts[n], cuts[n + 1]));
  }
  const { blob_id: id } = await keepsake.calls.uploads_finish(session, sha256(bytes), 100_000n);
  const blob = { id, sha256: sha256(bytes), size: bytes.length };
  const memoryId = await createMemoryFromBlob(keepsake, capsuleId, blob, { name: 'x', type: 'video/mp4' });
  const asset = await keepsake.asset(memoryId);
  assert.ok(Buffer.from(await asset.bytes()).equals(bytes));
  assert.ok(Buffer.from(await asset.range(69_990, 70_010)).equals(bytes.subarray(69_990, 70_010)));
});

test('spoilt content is not taken for the asset', async () => {
  const keepsake = await connect(host);
  const bytes = noise(4_000_000);
  const memoryId = await remember(keepsake, bytes);
  const asset = await keepsake.asset(memoryId);
  const { blob_read_chunk: read } = keepsake.calls;
  const spoilt = Object.create(keepsake.calls, {
    blob_read_chunk: {
      value: async (locator, index) => {
        const chunk = Uint8Array.from(await read(locator, index));
        if (index === 1) {
          chunk[7] ^= 1;
        }
        return chunk;
      },
    },
  });
  Object.defineProperty(keepsake, 'calls', { value: spoilt });
  await assert.rejects(asset.bytes(), ContentMismatchError);
  await assert.rejects(new Response(asset.stream()).arrayBuffer());
});

test('sharing gives exactly what it says, and is taken back', async () => {
  const owner = await connect(host);
  const friend = newIdentity();
  const visitor = await connect(host, { identity: friend });
  const bytes = noise(1000);
  const memoryId = await remember(owner, bytes);
  await assert.rejects(visitor.memory(memoryId), NotFoundError);

  const share = await owner.share(memoryId, { with: friend.getPrincipal(), permission: 'view' });
  assert.equal(await owner.share(memoryId, { with: friend.getPrincipal().toText(), permission: 'view' }), share);
  await visitor.memory(memoryId);
  const shared = [];
  for await (const memory of visitor.sharedWithMe()) {
    shared.push(memory.id);
  }
  assert.deepEqual(shared, [memoryId]);
  await assert.rejects((await visitor.asset(memoryId)).bytes(), VaultError);

  await owner.share(memoryId, { with: friend.getPrincipal() });
  assert.ok(Buffer.from(await (await visitor.asset(memoryId)).bytes()).equals(bytes));
  await owner.revoke(memoryId, share);
  await owner.revoke(memoryId, share);
  await assert.rejects(visitor.memory(memoryId), NotFoundError);

  await owner.share(memoryId, { with: friend.getPrincipal(), from: new Date(Date.now() + 3_600_000) });
  await assert.rejects(visitor.memory(memoryId), NotFoundError);
  await owner.share(memoryId, { with: 'public', permission: 'view' });
  await visitor.memory(memoryId);
  await owner.revoke(memoryId, 'public');
  await assert.rejects(visitor.memory(memoryId), NotFoundError);
  assert.ok(Principal.fromText(host.canisterId));
  await assert.rejects(
    owner.share(memoryId, { with: 'public', from: new Date(), until: new Date() }),
    TypeError,
  );
});

test('a link opens its asset over HTTP', async () => {
  const keepsake = await connect(host);
  const bytes = new Uint8Array(await readFile(fixture('denali.webp')));
  const blob = await uploadFileAsBlob(keepsake, fixture('denali.webp'));
  const capsuleId = await keepsake.ownCapsule();
  const memoryId = await createMemoryFromBlob(keepsake, capsuleId, blob, { name: 'denali.webp', type: 'image/webp' });
  const asset = await keepsake.asset(memoryId);
  const path = await asset.link();
  const answer = await fetch(`${host.url}${path}&canisterId=${host.canisterId}`);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'image/webp');
  assert.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes));
  const thumbnail = await uploadFileAsBlob(keepsake, noise(100));
  const id = await addAssetToMemory(keepsake, memoryId, thumbnail, { kind: 'thumbnail' });
  assert.equal(await addAssetToMemory(keepsake, memoryId, thumbnail, { kind: 'thumbnail' }), id);
  assert.equal((await keepsake.asset(memoryId, { id })).size, 100);
  await assert.rejects(keepsake.asset(memoryId, 'display'), NotFoundError);
});

test('reading ends when it is cancelled', async () => {
  const keepsake = await connect(host);
  const asset = await keepsake.asset(await remember(keepsake, noise(6_000_000)));
  const controller = new AbortController();
  await assert.rejects(async () => {
    for await (const chunk of asset.chunks({ signal: controller.signal })) {
      assert.ok(chunk.length > 0);
      controller.abort();
    }
  }, CancelledError);
});
