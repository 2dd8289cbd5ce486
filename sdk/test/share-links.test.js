// Share links: memories shown to whoever holds a secret, without signing in; against a real vault.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import {
  ConflictError,
  ContentMismatchError,
  NotFoundError,
  createMemoryFromBlob,
  shareLinkFragment,
  shareLinkSecret,
  uploadFileAsBlob,
  visitShareLink,
} from '../dist/index.js';
import { connect, fixture, newIdentity, noise, serve, sha256 } from './support.js';

let host;
before(async () => {
  host = await serve();
});
after(async () => {
  assert.equal(await host?.stop(), 0);
});

const retry = { firstPause: 20, longestPause: 400, giveUpAfter: 30_000 };
const visit = (secret, options = {}) => visitShareLink(secret, { host: host.url, canisterId: host.canisterId, retry, ...options });

async function collect(iterator) {
  const all = [];
  for await (const item of iterator) {
    all.push(item);
  }
  return all;
}

async function remember(keepsake, bytes, name = 'file.bin', type = 'application/octet-stream') {
  const blob = await uploadFileAsBlob(keepsake, bytes);
  return createMemoryFromBlob(keepsake, await keepsake.ownCapsule(), blob, { name, type });
}

test('a link shows what was selected, to look at, without a key of one’s own', async () => {
  const keepsake = await connect(host);
  const photo = await keepsake.uploadWithProcessing(fixture('denali.webp'));
  const letter = await remember(keepsake, noise(50), 'letter');
  await remember(keepsake, noise(50), 'secret');
  const link = await keepsake.links.create({ memories: [letter, photo.memoryId], title: 'For you' });
  assert.deepEqual([link.title, link.selected, link.download, link.uses], ['For you', 2, false, 0]);
  const days = (link.until - Date.now()) / 86_400_000;
  assert.ok(days > 29.9 && days <= 30, `${days}`);

  const secret = shareLinkSecret(`https://example.org/${shareLinkFragment(link.secret)}`);
  assert.deepEqual(secret, link.secret);
  const visitor = await visit(secret);
  assert.deepEqual({ ...(await visitor.open()), until: undefined }, { title: 'For you', download: false, uses: 1, until: undefined });
  assert.equal((await visitor.open()).uses, 1);
  const shown = await collect(visitor.memories({ pageSize: 1 }));
  assert.deepEqual(shown.map(({ id }) => id), [letter, photo.memoryId]);
  assert.deepEqual([shown[1].title, shown[1].kind], ['denali.webp', 'Image']);
  assert.ok(shown[1].links.thumbnail && !shown[1].links.original);

  const memory = await visitor.memory(photo.memoryId);
  assert.deepEqual(memory.assets.map(({ kind }) => kind).sort(), ['display', 'placeholder', 'thumbnail']);
  const display = memory.assets.find(({ kind }) => kind === 'display');
  const own = await (await keepsake.asset(photo.memoryId, 'display')).bytes();
  assert.ok(Buffer.from(await (await visitor.blob(photo.memoryId, display)).arrayBuffer()).equals(own));
  await assert.rejects(visitor.blob(photo.memoryId, { ...display, sha256: sha256(noise(1)) }), ContentMismatchError);
  assert.deepEqual((await visitor.memory(letter)).assets, []);

  const [listed] = await keepsake.links.list();
  assert.deepEqual([listed.id, listed.uses], [link.id, 1]);
  assert.ok(listed.lastUsedAt instanceof Date);
  await (await visit(secret)).open();
  assert.equal((await keepsake.links.list())[0].uses, 2);
});

test('a link that allows downloads gives originals of any size, and of a capsule what is in it', async () => {
  const keepsake = await connect(host);
  const bytes = noise(5_000_000);
  const long = await remember(keepsake, bytes, 'long');
  const { secret } = await keepsake.links.create({ download: true });
  const visitor = await visit(secret);
  const memory = await visitor.memory(long);
  assert.deepEqual(memory.assets.map(({ kind, size, name }) => [kind, size, name]), [['original', 5_000_000, 'long']]);
  const blob = await visitor.blob(long, memory.assets[0]);
  assert.ok(Buffer.from(await blob.arrayBuffer()).equals(bytes));
  const range = await visitor.range(long, memory.assets[0].id, 1_799_990, 20);
  assert.ok(Buffer.from(range).equals(bytes.subarray(1_799_990, 1_800_010)));
  const late = await remember(keepsake, noise(10), 'late');
  assert.ok((await collect(visitor.memories())).some(({ id }) => id === late));
});

test('a link that ended, a wrong one and one that never was are the same', async () => {
  const keepsake = await connect(host);
  const photo = await keepsake.uploadWithProcessing(fixture('denali.webp'));
  const capsuleId = await keepsake.ownCapsule();
  const link = await keepsake.links.create({ memories: [photo.memoryId] });
  const visitor = await visit(link.secret);
  const [{ links }] = await collect(visitor.memories());
  const picture = `${host.url}${links.thumbnail.path}&canisterId=${host.canisterId}`;
  const before = await fetch(picture);
  assert.equal(before.status, 200);
  assert.equal((await before.arrayBuffer()).byteLength, links.thumbnail.size);

  const stranger = await connect(host, { identity: newIdentity() });
  await assert.rejects(stranger.links.list(capsuleId), NotFoundError);
  await assert.rejects(stranger.links.revoke(link), NotFoundError);
  await keepsake.links.revoke(link);
  await keepsake.links.revoke(link);
  assert.deepEqual(await keepsake.links.list(), []);
  assert.notEqual((await fetch(picture)).status, 200);
  const wrong = await visit(new Uint8Array(32));
  for (const one of [visitor, wrong]) {
    await assert.rejects(one.open(), NotFoundError);
    await assert.rejects(collect(one.memories()), NotFoundError);
    await assert.rejects(one.memory(photo.memoryId), NotFoundError);
  }
  await assert.rejects(keepsake.links.create({ memories: [photo.memoryId], secret: link.secret }), ConflictError);

  const brief = await keepsake.links.create({ memories: [photo.memoryId], until: new Date(Date.now() + 1_500) });
  const short = await visit(brief.secret);
  await short.open();
  while (Date.now() <= brief.until.getTime()) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await assert.rejects(short.open(), NotFoundError);
  assert.deepEqual(await keepsake.links.list(), []);
});

test('a creation that is sent again finds its first result', async () => {
  const keepsake = await connect(host);
  await remember(keepsake, noise(5));
  const secret = noise(32);
  const until = new Date(Date.now() + 86_400_000);
  const first = await keepsake.links.create({ secret, until });
  const again = await keepsake.links.create({ secret, until });
  assert.equal(first.id, again.id);
  assert.equal((await keepsake.links.list()).length, 1);
});

test('secrets are told from everything else', async () => {
  const secret = new Uint8Array(32).fill(255);
  const fragment = shareLinkFragment(secret);
  assert.match(fragment, /^#\/s\/[\w-]{43}$/);
  assert.deepEqual(shareLinkSecret(fragment), secret);
  assert.deepEqual(shareLinkSecret(fragment.slice(4)), secret);
  for (const text of ['', '#/s/', fragment.slice(0, -1), `${fragment}A`, 'https://example.org/', '#/s/!!']) {
    assert.equal(shareLinkSecret(text), undefined, text);
  }
  const bytes = await readFile(fixture('denali.webp'));
  assert.equal(shareLinkSecret(bytes.toString('latin1')), undefined);
});
