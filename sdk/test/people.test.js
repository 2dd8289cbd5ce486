// Capsules of several people: owners and controllers, groups, events, linked keys, the trash, who sees what and how full it is; against a real vault.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import {
  ConflictError,
  InvalidArgumentError,
  KeepsakeError,
  Keepsake,
  NotFoundError,
  UnauthorizedError,
  createMemoryFromBlob,
  dateOf,
  nanosOf,
  uploadFileAsBlob,
  vaultEnvironment,
} from '../dist/index.js';
import { connect, newIdentity, noise, serve } from './support.js';

let host;
before(async () => {
  host = await serve();
});
after(async () => {
  assert.equal(await host?.stop(), 0);
});

async function somebodyNew() {
  const identity = newIdentity();
  return { principal: identity.getPrincipal(), keepsake: await connect(host, { identity }) };
}

async function remember(keepsake, capsuleId, name = 'file.bin') {
  const capsule = capsuleId ?? (await keepsake.ownCapsule());
  const blob = await uploadFileAsBlob(keepsake, noise(100), capsule);
  return createMemoryFromBlob(keepsake, capsule, blob, { name, type: 'application/octet-stream' });
}

async function collect(iterator) {
  const all = [];
  for await (const item of iterator) {
    all.push(item);
  }
  return all;
}

test('a capsule is made for somebody, and handed over', async () => {
  const [maker, child, aunt] = await Promise.all([somebodyNew(), somebodyNew(), somebodyNew()]);
  const capsule = await maker.keepsake.createCapsule(child.principal);
  const info = await capsule.info();
  assert.equal(info.subject.toText(), child.principal.toText());
  assert.deepEqual([info.isOwner, info.isController, info.isOwn, info.memoryCount], [true, false, false, 0]);
  assert.ok(Math.abs(info.createdAt - Date.now()) < 60_000);

  const seen = child.keepsake.capsule(capsule.id);
  assert.equal((await seen.info()).isOwner, false);
  await assert.rejects(seen.addOwner(child.principal), UnauthorizedError);
  await assert.rejects(aunt.keepsake.capsule(capsule.id).info(), NotFoundError);

  await capsule.addController(aunt.principal.toText());
  await capsule.addController(aunt.principal);
  await capsule.addOwner(child.principal);
  const people = await capsule.people();
  assert.deepEqual(
    people.owners.map(({ who }) => who.toText()).sort(),
    [maker.principal, child.principal].map((who) => who.toText()).sort(),
  );
  assert.deepEqual(people.controllers.map(({ who, by }) => [who.toText(), by.toText()]), [
    [aunt.principal.toText(), maker.principal.toText()],
  ]);
  assert.ok((await aunt.keepsake.capsule(capsule.id).info()).isController);

  await capsule.removeOwner(maker.principal);
  await assert.rejects(capsule.info(), NotFoundError);
  await assert.rejects(seen.removeOwner(child.principal), ConflictError);
  await aunt.keepsake.capsule(capsule.id).removeController(aunt.principal);
  assert.deepEqual((await seen.people()).controllers, []);
  await seen.delete();
  await assert.rejects(seen.info(), NotFoundError);

  const named = await maker.keepsake.createCapsule({ name: 'Grandmother' });
  assert.deepEqual((await named.info()).subject, { name: 'Grandmother' });
  await assert.rejects(maker.keepsake.createCapsule({ name: '' }), InvalidArgumentError);
});

test('two keys act as one person, with the consent of both', async () => {
  const [phone, computer, stranger] = await Promise.all([somebodyNew(), somebodyNew(), somebodyNew()]);
  const memoryId = await remember(phone.keepsake);
  await assert.rejects(computer.keepsake.people.accept(phone.principal), NotFoundError);
  await phone.keepsake.people.offer(computer.principal);
  const { offersMade, principals } = await phone.keepsake.people.read();
  assert.deepEqual(offersMade.map(({ principal }) => principal.toText()), [computer.principal.toText()]);
  assert.ok(offersMade[0].expiresAt - Date.now() > 23 * 3_600_000);
  assert.deepEqual(principals.map(({ since }) => since), [undefined]);
  assert.equal((await computer.keepsake.people.read()).offersReceived.length, 1);
  await assert.rejects(stranger.keepsake.people.accept(phone.principal), NotFoundError);

  await computer.keepsake.people.accept(phone.principal.toText());
  assert.equal((await computer.keepsake.memory(memoryId)).id, memoryId);
  const linked = await computer.keepsake.people.read();
  assert.deepEqual(
    linked.principals.map(({ principal }) => principal.toText()),
    [phone.principal.toText(), computer.principal.toText()],
  );
  assert.ok(linked.principals[1].since instanceof Date);
  await assert.rejects(computer.keepsake.people.unlink(phone.principal), ConflictError);
  await phone.keepsake.people.unlink(computer.principal);
  await assert.rejects(computer.keepsake.memory(memoryId), NotFoundError);
});

test('what is thrown away comes back, until it is deleted for good', async () => {
  const { keepsake } = await somebodyNew();
  const [kept, gone] = [await remember(keepsake, undefined, 'kept'), await remember(keepsake, undefined, 'gone')];
  await keepsake.trash.put(kept);
  await keepsake.trash.put(gone);
  await keepsake.trash.put(gone);
  await assert.rejects(keepsake.memory(kept), NotFoundError);
  const trashed = await collect(keepsake.trash.list({ pageSize: 1 }));
  assert.deepEqual(trashed.map(({ memory }) => memory.title), ['gone', 'kept']);
  const days = (trashed[0].reclaimedAt - trashed[0].trashedAt) / 86_400_000;
  assert.equal(days, 30);

  await keepsake.trash.restore(kept);
  assert.equal((await keepsake.memory(kept)).id, kept);
  assert.equal((await keepsake.capsule(await keepsake.ownCapsule()).status()).memoriesTrashed, 1);
  assert.deepEqual(await keepsake.trash.empty(), { deleted: 1, failed: 0 });
  assert.deepEqual(await collect(keepsake.trash.list()), []);
  await assert.rejects(keepsake.trash.restore(gone), NotFoundError);
  await keepsake.trash.delete(kept);
  await keepsake.trash.delete(kept);
  await assert.rejects(keepsake.memory(kept), NotFoundError);
});

test('shares say with whom, how far and when', async () => {
  const [owner, friend] = await Promise.all([somebodyNew(), somebodyNew()]);
  const memoryId = await remember(owner.keepsake);
  const until = new Date(Date.now() + 3_600_000);
  await owner.keepsake.share(memoryId, { with: friend.principal, permission: 'share', until });
  await owner.keepsake.share(memoryId, { with: 'public', permission: 'view' });
  const opens = new Date('2040-01-01T00:00:00Z');
  await owner.keepsake.share(memoryId, { with: { group: 'family' }, from: opens });
  await owner.keepsake.share(memoryId, { with: friend.principal, after: { Custom: 'housewarming' }, id: 'later' });

  const shares = new Map((await owner.keepsake.shares(memoryId)).map((share) => [share.id, share]));
  const first = shares.get(`person:${friend.principal.toText()}`);
  assert.equal(first.with.toText(), friend.principal.toText());
  assert.deepEqual([first.permission, first.mask, first.until?.getTime()], ['share', 7, until.getTime()]);
  assert.equal(first.by.toText(), owner.principal.toText());
  assert.deepEqual([shares.get('public').with, shares.get('public').permission], ['public', 'view']);
  assert.deepEqual([shares.get('group:family').with, shares.get('group:family').from], [{ group: 'family' }, opens]);
  assert.deepEqual(shares.get('later').after, { Custom: 'housewarming' });
  assert.equal(shares.size, 4);
});

test('groups and events open what waits for them', async () => {
  const [owner, cousin] = await Promise.all([somebodyNew(), somebodyNew()]);
  const memoryId = await remember(owner.keepsake);
  const capsule = owner.keepsake.capsule(await owner.keepsake.ownCapsule());
  await owner.keepsake.share(memoryId, { with: { group: 'family' }, permission: 'view' });
  await assert.rejects(cousin.keepsake.memory(memoryId), NotFoundError);
  const put = await capsule.putGroup('family', { name: 'Family', members: [cousin.principal, { name: 'Ada' }] });
  assert.deepEqual([put.name, put.description, put.members.length], ['Family', undefined, 2]);
  assert.deepEqual((await capsule.groups()).map(({ id }) => id), ['family']);
  await cousin.keepsake.memory(memoryId);
  await capsule.removeGroup('family');
  await capsule.removeGroup('family');
  await assert.rejects(cousin.keepsake.memory(memoryId), NotFoundError);

  await owner.keepsake.share(memoryId, { with: cousin.principal, after: { Graduation: null } });
  await assert.rejects(cousin.keepsake.memory(memoryId), NotFoundError);
  await assert.rejects(cousin.keepsake.capsule(capsule.id).recordEvent({ Graduation: null }), NotFoundError);
  await capsule.recordEvent({ Graduation: null });
  await cousin.keepsake.memory(memoryId);
});

test('a capsule and the vault say how full they are', async () => {
  const [{ keepsake }, stranger] = await Promise.all([somebodyNew(), somebodyNew()]);
  await assert.rejects(stranger.keepsake.status(), UnauthorizedError);
  const capsule = keepsake.capsule(await keepsake.ownCapsule());
  const before = await capsule.status();
  assert.deepEqual([before.bytes, before.memories, before.inlineBytesMax, before.bytesMax], [0, 0, 32_768, undefined]);
  await remember(keepsake);
  const after = await capsule.status();
  assert.deepEqual([after.bytes, after.blobBytes, after.memories, after.refusesContent], [100, 100, 1, false]);
  await assert.rejects(stranger.keepsake.capsule(capsule.id).status(), NotFoundError);

  const vault = await keepsake.status();
  assert.match(vault.version, /^\d+\.\d+\.\d+/);
  assert.ok(vault.holdings.contentBytes >= 100 && vault.holdings.memories >= 1);
  assert.ok(vault.memory.stableAllocated >= vault.memory.stableUsed && vault.memory.regions.length > 10);
  assert.ok(vault.cycles.balance > 0n && vault.cycles.atRestPerDay >= 0n && vault.cycles.daysLeft >= 0);
  assert.equal(vault.quotas.inlineBudgetPerCapsule, 32_768);
});

test('content kept elsewhere is to be deleted there', async () => {
  const { keepsake } = await somebodyNew();
  const capsuleId = await keepsake.ownCapsule();
  const blob = await uploadFileAsBlob(keepsake, noise(9), capsuleId);
  const template = await createMemoryFromBlob(keepsake, capsuleId, blob, { name: 'x', type: 'application/pdf' });
  const [{ metadata }] = (await keepsake.memory(template)).blob_internal_assets;
  const base = Object.values(metadata)[0].base;
  const elsewhere = { Document: { ...metadata.Document, base: { ...base, bytes: 0n, sha256: [] } } };
  const memoryId = await keepsake.calls.memories_create(
    capsuleId, [], [], [{ S3: null }], ['bucket/key.pdf'], [], [5n], [], elsewhere, 'external',
  );
  const capsule = keepsake.capsule(capsuleId);
  assert.deepEqual(await capsule.externalDeletions(), []);
  await keepsake.trash.delete(memoryId);
  const [deletion] = await capsule.externalDeletions();
  assert.deepEqual([deletion.location, deletion.storageKey], ['S3', 'bucket/key.pdf']);
  assert.equal(await capsule.acknowledgeDeletions([deletion.id]), 1);
  assert.deepEqual(await capsule.externalDeletions(), []);
});

test('times go both ways to the millisecond', () => {
  const moment = new Date('2024-02-29T12:34:56.789Z');
  assert.deepEqual(dateOf(nanosOf(moment)), moment);
  assert.deepEqual(dateOf(nanosOf(moment) + 999_999n), moment);
  assert.throws(() => nanosOf(new Date(Number.NaN)), RangeError);
  assert.throws(() => nanosOf(new Date(-1)), RangeError);
});

test('a page knows its vault by the cookie that came with it', async () => {
  assert.throws(() => vaultEnvironment(), KeepsakeError);
  await assert.rejects(Keepsake.fromEnvironment(), KeepsakeError);
  const { keepsake } = await somebodyNew();
  const key = Buffer.from(keepsake.agent.rootKey).toString('hex');
  const page = (address, variables) => {
    globalThis.document = { cookie: `other=1; ic_env=${encodeURIComponent(variables)}` };
    globalThis.location = new URL(address);
  };
  try {
    page(`http://${host.canisterId}.localhost:${host.port}/#/`, `ic_root_key=${key}`);
    const { canisterId, host: address, mainnet, rootKey } = vaultEnvironment();
    assert.deepEqual([canisterId.toText(), mainnet], [host.canisterId, false]);
    assert.equal(address, `http://${host.canisterId}.localhost:${host.port}`);
    assert.equal(Buffer.from(rootKey).toString('hex'), key);

    page(`http://127.0.0.1:${host.port}/`, `ic_root_key=${key}&PUBLIC_CANISTER_ID:vault=${host.canisterId}`);
    const connected = await Keepsake.fromEnvironment({ identity: newIdentity() });
    assert.match(await connected.ownCapsule(), /^cap/);
    page(`http://127.0.0.1:${host.port}/?canisterId=${host.canisterId}`, `ic_root_key=${key}`);
    assert.equal(vaultEnvironment().canisterId.toText(), host.canisterId);
    page('http://photos.example.org/', `ic_root_key=${key}`);
    assert.throws(() => vaultEnvironment(), KeepsakeError);

    const { IC_ROOT_KEY } = await import('@icp-sdk/core/agent');
    page(`https://${host.canisterId}.icp0.io/`, `ic_root_key=${IC_ROOT_KEY}`);
    assert.deepEqual([vaultEnvironment().mainnet, vaultEnvironment().host], [true, 'https://icp-api.io']);
  } finally {
    delete globalThis.document;
    delete globalThis.location;
  }
});
