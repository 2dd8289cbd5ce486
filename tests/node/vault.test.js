// The official JavaScript client against a vault, with everything verified: certificates from the vault's own root key, and
// the signatures of query replies.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import { Actor, AnonymousIdentity, HttpAgent } from '@icp-sdk/core/agent';
import { IDL } from '@icp-sdk/core/candid';
import {
  DelegationChain,
  DelegationIdentity,
  ECDSAKeyIdentity,
  Ed25519KeyIdentity,
} from '@icp-sdk/core/identity';
import { Secp256k1KeyIdentity } from '@icp-sdk/core/identity/secp256k1';

import { fixture, interfaceFactory, serve } from './keepsake.js';

// What existing clients send.
const CHUNK = 64 * 1024;

let host;
let idlFactory;

before(async () => {
  [host, idlFactory] = await Promise.all([serve(), interfaceFactory()]);
});

after(async () => {
  if (host) {
    assert.equal(await host.stop(), 0);
  }
});

async function vaultAs(identity, options = { shouldFetchRootKey: true }) {
  const agent = await HttpAgent.create({
    host: host.url,
    identity,
    verifyQuerySignatures: true,
    ...options,
  });
  return Actor.createActor(idlFactory, { agent, canisterId: host.canisterId });
}

/** The value of a successful answer. */
function ok(answer) {
  assert.ok('Ok' in answer, `${answer.Err && Object.entries(answer.Err)}`);
  return answer.Ok;
}

const sha256 = (bytes) => new Uint8Array(createHash('sha256').update(bytes).digest());

function metadata(name, assetType, mime) {
  return {
    Image: {
      base: {
        name,
        description: [],
        tags: [],
        asset_type: { [assetType]: null },
        bytes: 0n,
        mime_type: mime,
        sha256: [],
        width: [],
        height: [],
        url: [],
        storage_key: [],
        bucket: [],
        asset_location: [],
        processing_status: [],
        processing_error: [],
        created_at: 0n,
        updated_at: 0n,
        deleted_at: [],
      },
      color_space: [],
      exif_data: [],
      compression_ratio: [],
      dpi: [],
      orientation: [],
    },
  };
}

function memoryMetadata(title) {
  return {
    memory_type: { Image: null },
    title: [title],
    description: [],
    content_type: 'image/jpeg',
    created_at: 0n,
    updated_at: 0n,
    uploaded_at: 0n,
    date_of_memory: [],
    file_created_at: [],
    parent_folder_id: [],
    tags: ['beach', 'Grüße'],
    deleted_at: [],
    people_in_memory: [['Ada']],
    location: [],
    memory_notes: [],
    created_by: [],
    database_storage_edges: [],
    shared_count: 0,
    sharing_status: { Private: null },
    total_size: 0n,
    asset_count: 0,
  };
}

/** Sends chunks side by side; returns how many there are. */
async function upload(vault, session, bytes) {
  const chunks = [];
  for (let at = 0; at < bytes.length; at += CHUNK) {
    chunks.push(bytes.subarray(at, at + CHUNK));
  }
  // The last first, and four at a time.
  const waiting = [...chunks.entries()];
  const worker = async () => {
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      ok(await vault.uploads_put_chunk(session, next[0], next[1]));
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  return chunks.length;
}

test('a photo goes in by chunks, is a memory, comes out byte for byte, and goes away', async () => {
  const identity = Ed25519KeyIdentity.generate();
  const vault = await vaultAs(identity);
  assert.equal((await vault.whoami()).toText(), identity.getPrincipal().toText());
  const { chunk_size: largest, inline_max: inlineMax } = await vault.upload_config();
  assert.ok(largest >= CHUNK);

  assert.deepEqual(await vault.capsules_read_basic([]), { Err: { NotFound: null } });
  const capsule = ok(await vault.capsules_create([]));
  assert.equal(ok(await vault.capsules_create([])).id, capsule.id);
  assert.equal(ok(await vault.capsules_read_basic([])).memory_count, 0n);

  const photo = new Uint8Array(await readFile(fixture('handwritten-notes.jpg')));
  const hash = sha256(photo);
  const count = Math.ceil(photo.length / CHUNK);
  const session = ok(await vault.uploads_begin(capsule.id, count, 'photo'));
  assert.equal(ok(await vault.uploads_begin(capsule.id, count, 'photo')), session);
  const early = await vault.uploads_finish(session, hash, BigInt(photo.length));
  assert.deepEqual(early, { Err: { InvalidArgument: `chunk_missing: 0-${count - 1}` } });
  assert.equal(await upload(vault, session, photo), count);
  const wrong = await vault.uploads_finish(session, sha256('another'), BigInt(photo.length));
  assert.match(wrong.Err.InvalidArgument, /^hash_mismatch/);
  const finished = ok(await vault.uploads_finish(session, hash, BigInt(photo.length)));
  assert.equal(finished.size, BigInt(photo.length));
  assert.deepEqual(finished.checksum_sha256, [hash]);
  assert.equal(finished.memory_id, '');
  assert.deepEqual(ok(await vault.blob_get_meta(finished.blob_id)), {
    size: BigInt(photo.length),
    chunk_count: count,
  });

  const original = {
    blob_id: finished.blob_id,
    metadata: metadata('notes.jpg', 'Original', 'image/jpeg'),
  };
  const create = () =>
    vault.memories_create_with_internal_blobs(
      capsule.id,
      memoryMetadata('Notes'),
      [original],
      'notes',
    );
  const id = ok(await create());
  assert.equal(ok(await create()), id);
  const small = new Uint8Array([1, 2, 3, 254, 255]);
  const placeholder = {
    bytes: small,
    metadata: metadata('notes.webp', 'Placeholder', 'image/webp'),
  };
  const inlineId = ok(await vault.memories_add_inline_asset(id, placeholder, 'placeholder'));
  const tooLarge = { ...placeholder, bytes: new Uint8Array(inlineMax + 1) };
  const refused = await vault.memories_add_inline_asset(id, tooLarge, 'too large');
  assert.match(refused.Err.InvalidArgument, /^inline_too_large/);

  const listed = ok(await vault.memories_list(capsule.id, [], []));
  assert.deepEqual(listed.next_cursor, []);
  assert.equal(listed.items.length, 1);
  const [header] = listed.items;
  assert.equal(header.id, id);
  assert.deepEqual(header.title, ['Notes']);
  assert.equal(header.asset_count, 2);
  assert.equal(header.size, BigInt(photo.length + small.length));
  assert.deepEqual(header.placeholder_data, [Buffer.from(small).toString('base64')]);

  const memory = ok(await vault.memories_read(id));
  assert.deepEqual(memory.metadata.tags, ['beach', 'Grüße']);
  assert.deepEqual(memory.metadata.people_in_memory, [['Ada']]);
  assert.equal(memory.inline_assets.length, 1);
  assert.equal(memory.inline_assets[0].asset_id, inlineId);
  assert.deepEqual(new Uint8Array(memory.inline_assets[0].bytes), small);
  assert.equal(memory.blob_internal_assets.length, 1);
  const { blob_ref: ref } = memory.blob_internal_assets[0];
  assert.deepEqual(ref, { len: BigInt(photo.length), locator: finished.blob_id, hash: [hash] });

  const parts = [];
  for (let index = 0; ; index += 1) {
    const part = ok(await vault.blob_read_chunk(ref.locator, index));
    if (part.length === 0) {
      break;
    }
    parts.push(part);
  }
  assert.equal(parts.length, count);
  const back = Buffer.concat(parts);
  assert.deepEqual(sha256(back), hash);
  assert.ok(back.equals(photo));
  assert.ok(Buffer.from(ok(await vault.blob_read(ref.locator))).equals(photo));

  ok(await vault.memories_delete(id, true));
  assert.deepEqual(await vault.memories_read(id), { Err: { NotFound: null } });
  assert.deepEqual(await vault.blob_get_meta(ref.locator), { Err: { NotFound: null } });
  assert.equal(ok(await vault.memories_list(capsule.id, [], [])).items.length, 0);
  assert.equal(ok(await vault.capsules_create([])).inline_bytes_used, 0n);
});

test('an upload given up is gone', async () => {
  const vault = await vaultAs(Ed25519KeyIdentity.generate());
  const capsule = ok(await vault.capsules_create([]));
  const session = ok(await vault.uploads_begin(capsule.id, 2, 'given up'));
  ok(await vault.uploads_put_chunk(session, 0, new Uint8Array(1_000)));
  const outOfRange = await vault.uploads_put_chunk(session, 2, new Uint8Array(1));
  assert.match(outOfRange.Err.InvalidArgument, /^chunk_out_of_range/);
  ok(await vault.uploads_abort(session));
  ok(await vault.uploads_abort(session));
  const late = await vault.uploads_put_chunk(session, 1, new Uint8Array(1));
  assert.ok('Err' in late);
});

test('every kind of key is who it says, and strangers see nothing', async () => {
  const session = Ed25519KeyIdentity.generate();
  const owner = Ed25519KeyIdentity.generate();
  const tomorrow = new Date(Date.now() + 24 * 3600 * 1000);
  const chain = await DelegationChain.create(owner, session.getPublicKey(), tomorrow);
  const identities = {
    Ed25519: owner,
    'P-256': await ECDSAKeyIdentity.generate(),
    secp256k1: Secp256k1KeyIdentity.generate(),
    delegation: DelegationIdentity.fromDelegation(session, chain),
  };
  const capsules = {};
  for (const [kind, identity] of Object.entries(identities)) {
    const vault = await vaultAs(identity);
    const principal = identity.getPrincipal().toText();
    assert.equal((await vault.whoami()).toText(), principal, kind);
    const capsule = ok(await vault.capsules_create([]));
    assert.equal(capsule.subject.Principal.toText(), principal, kind);
    capsules[kind] = capsule.id;
  }
  // A delegation acts as who gave it.
  assert.equal(capsules.delegation, capsules.Ed25519);
  assert.equal(new Set(Object.values(capsules)).size, 3);

  const stranger = await vaultAs(Ed25519KeyIdentity.generate());
  const anonymous = await vaultAs(new AnonymousIdentity());
  assert.deepEqual(await stranger.capsules_list(), []);
  for (const id of Object.values(capsules)) {
    assert.deepEqual(await stranger.memories_list(id, [], []), { Err: { NotFound: null } });
    assert.deepEqual(await stranger.uploads_begin(id, 1, 'x'), { Err: { NotFound: null } });
    assert.deepEqual(await anonymous.memories_list(id, [], []), { Err: { Unauthorized: null } });
  }
  await assert.rejects(anonymous.capsules_create([]));
});

test('verification is on: with the key of another network nothing is believed', async () => {
  const identity = Ed25519KeyIdentity.generate();
  // Without a root key the agent believes the Internet Computer's.
  const vault = await vaultAs(identity, {});
  await assert.rejects(vault.whoami(), /verif|signature|certificate/i);
  await assert.rejects(vault.capsules_create([]), /verif|signature|certificate/i);
});

test('the interface is what the generator makes of the .did', () => {
  const service = idlFactory({ IDL });
  const names = service._fields.map(([name]) => name);
  for (const name of ['memories_create', 'uploads_put_chunk', 'blob_read_chunk']) {
    assert.ok(names.includes(name), name);
  }
});
