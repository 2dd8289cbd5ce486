// Two lanes, four assets, with real photos: derivatives upright and within their bounds, dates and places right, damaged files reported;
// against a real vault.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import sharp from 'sharp';

import {
  DERIVATIVE_BOUNDS,
  DerivativeError,
  FileQueue,
  assetMetadata,
  captureFacts,
  identify,
  processImageDerivatives,
} from '../dist/index.js';
import { connect, fixture, folder, newIdentity, noise, serve, sha256 } from './support.js';

let host;
let scratch;
before(async () => {
  [host, scratch] = await Promise.all([serve(), folder()]);
});
after(async () => {
  await scratch?.remove();
  assert.equal(await host?.stop(), 0);
});

/** A client that counts its calls by method. */
async function counted(options = {}) {
  const calls = [];
  const keepsake = await connect(host, {
    ...options,
    fetch: async (input, init) => {
      const body = init?.body instanceof Uint8Array ? Buffer.from(init.body) : Buffer.alloc(0);
      const method = /(?:memories|uploads|blobs|capsules|upload)_[a-z_]+/.exec(body.toString('latin1'))?.[0];
      if (method && !String(input).endsWith('read_state')) {
        calls.push(method);
      }
      return fetch(input, init);
    },
  });
  return { keepsake, calls };
}

async function photo(name) {
  return new Uint8Array(await readFile(fixture(name)));
}

test('a photo becomes a memory with four assets, in at most six calls', async () => {
  const { keepsake, calls } = await counted();
  await keepsake.ownCapsule();
  await keepsake.config();
  calls.length = 0;
  const told = [];
  const result = await keepsake.uploadWithProcessing(fixture('portrait-orientation-6.jpg'), {
    title: 'A portrait',
    tags: ['family'],
    onMemory: (id) => told.push(id),
    onDerivative: ({ kind, status }) => told.push(`${kind} ${status}`),
  });
  assert.ok(calls.length <= 6, calls.join(' '));
  assert.equal(told[0], result.memoryId);
  assert.deepEqual(told.slice(1).sort(), ['display added', 'placeholder added', 'thumbnail added']);
  assert.deepEqual(result.derivatives.map(({ kind }) => kind), ['placeholder', 'thumbnail', 'display']);

  const memory = await keepsake.memory(result.memoryId);
  assert.deepEqual(memory.metadata.title, ['A portrait']);
  assert.deepEqual(memory.metadata.tags, ['family']);
  assert.equal(memory.metadata.asset_count, 4);
  assert.equal(memory.inline_assets.length, 1);
  const original = await keepsake.asset(result.memoryId);
  assert.ok(Buffer.from(await original.bytes()).equals(await photo('portrait-orientation-6.jpg')));
  const { Image: said } = memory.blob_internal_assets.find(({ metadata }) => 'Original' in metadata.Image.base.asset_type).metadata;
  assert.deepEqual(said.orientation, [6]);
  for (const kind of ['display', 'thumbnail', 'placeholder']) {
    const asset = await keepsake.asset(result.memoryId, kind);
    const bytes = await asset.bytes();
    const info = await sharp(bytes).metadata();
    const { edge, bytes: most } = DERIVATIVE_BOUNDS[kind];
    assert.equal(info.format, 'webp');
    assert.equal(asset.type, 'image/webp');
    assert.ok(bytes.length <= most, `${kind}: ${bytes.length}`);
    assert.ok(Math.max(info.width, info.height) <= edge);
    assert.deepEqual([info.width, info.height], [asset.width, asset.height]);
    // 840 x 700 when it stands upright, never enlarged.
    assert.ok(info.width > info.height, kind);
    assert.equal(info.exif, undefined);
  }
  const display = await keepsake.asset(result.memoryId, 'display');
  assert.deepEqual([display.width, display.height], [840, 700]);
  // Upright as sharp turns it: compared at a few pixels.
  const upright = await sharp(fixture('portrait-orientation-6.jpg')).rotate().resize(21, 18, { fit: 'fill' }).removeAlpha().raw().toBuffer();
  const shown = await sharp(await display.bytes()).resize(21, 18, { fit: 'fill' }).removeAlpha().raw().toBuffer();
  const difference = upright.reduce((sum, value, at) => sum + Math.abs(value - shown[at]), 0) / upright.length;
  assert.ok(difference < 6, `${difference}`);

  for await (const listed of keepsake.memories()) {
    assert.equal(listed.assetCount, 4);
    assert.match(listed.placeholder, /^data:image\/webp;base64,/);
  }
});

test('again it is the same memory, and nothing is added twice', async () => {
  const { keepsake, calls } = await counted();
  const first = await keepsake.uploadWithProcessing(fixture('denali.webp'));
  calls.length = 0;
  const again = await keepsake.uploadWithProcessing(fixture('denali.webp'));
  assert.equal(again.memoryId, first.memoryId);
  assert.ok(again.blob.held);
  assert.ok(again.derivatives.every(({ status }) => status === 'present'));
  assert.ok(!calls.includes('uploads_put_blob') && !calls.includes('memories_add_assets'), calls.join(' '));

  // What is missing, and only that, is made again.
  const gone = first.derivatives.find(({ kind }) => kind === 'thumbnail');
  await keepsake.calls.asset_remove_by_id(first.memoryId, gone.assetId);
  const repaired = await keepsake.uploadWithProcessing(fixture('denali.webp'));
  assert.deepEqual(
    repaired.derivatives.map(({ kind, status }) => `${kind} ${status}`),
    ['placeholder present', 'thumbnail added', 'display present'],
  );
  assert.equal((await keepsake.memory(first.memoryId)).metadata.asset_count, 4);
});

test('all the photos: kept byte for byte, whatever becomes of their derivatives', async () => {
  const keepsake = await connect(host);
  const made = ['portrait-orientation-6.jpg', 'handwritten-notes.jpg', 'density_plot.png', 'denali.webp'];
  for (const name of [...made, 'date-gps.jpg', 'IMG_2682.heic']) {
    const result = await keepsake.uploadWithProcessing(fixture(name));
    const bytes = await photo(name);
    assert.ok(Buffer.from(await (await keepsake.asset(result.memoryId)).bytes()).equals(bytes), name);
    assert.deepEqual(result.blob.sha256, sha256(bytes));
    if (made.includes(name)) {
      assert.deepEqual(result.derivatives.map(({ status }) => status), ['added', 'added', 'added'], name);
    }
    if (name.endsWith('.heic')) {
      assert.equal(result.media.type, 'image/heic');
      assert.deepEqual(result.derivatives, []);
    }
  }
});

test('the inline budget spent, placeholders become blobs', async () => {
  const keepsake = await connect(host);
  const capsuleId = await keepsake.ownCapsule();
  const { inline_budget_per_capsule: budget, inline_max: most } = await keepsake.config();
  const filler = await keepsake.uploadWithProcessing(noise(100), { name: 'filler.bin' });
  for (let left = budget; left > 50; left -= Math.min(left, most)) {
    await keepsake.calls.memories_add_inline_asset(
      filler.memoryId,
      {
        bytes: noise(Math.min(left, most) - 50),
        metadata: assetMetadata({ name: 'filler', kind: 'metadata', type: 'text/plain', media: 'Note' }),
      },
      'filler',
    );
  }
  for (const name of ['portrait-orientation-6.jpg', 'denali.webp']) {
    const result = await keepsake.uploadWithProcessing(fixture(name));
    assert.deepEqual(result.derivatives.map(({ status }) => status), ['added', 'added', 'added']);
    const memory = await keepsake.memory(result.memoryId);
    assert.equal(memory.inline_assets.length, 0);
    assert.equal(memory.blob_internal_assets.length, 4);
    assert.equal(memory.capsule_id, capsuleId);
  }
});

test('corrupt, empty and hostile files cost their derivatives only', async () => {
  const keepsake = await connect(host);
  const notes = await photo('handwritten-notes.jpg');
  const bomb = await sharp({ create: { width: 16, height: 16, channels: 3, background: 'red' } }).png().toBuffer();
  // It claims 60,000 pixels each way.
  bomb.writeUInt32BE(60_000, 16);
  bomb.writeUInt32BE(60_000, 20);
  const damaged = { 'cut.jpg': notes.subarray(0, 300_000), 'bomb.png': new Uint8Array(bomb), 'nonsense.jpg': new Uint8Array([0xff, 0xd8, 0xff, ...noise(500)]) };
  for (const [name, bytes] of Object.entries(damaged)) {
    const path = join(scratch.path, name);
    await writeFile(path, bytes);
    const result = await keepsake.uploadWithProcessing(path);
    assert.deepEqual(result.derivatives.map(({ status }) => status), ['failed', 'failed', 'failed'], name);
    assert.ok(result.derivatives.every(({ error }) => error instanceof DerivativeError));
    assert.ok(Buffer.from(await (await keepsake.asset(result.memoryId)).bytes()).equals(bytes));
    await assert.rejects(processImageDerivatives(path), DerivativeError);
  }
  const empty = await keepsake.uploadWithProcessing(new File([], 'empty.jpg', { type: 'image/jpeg' }));
  assert.equal(empty.blob.size, 0);
  assert.ok(empty.derivatives.every(({ status }) => status === 'failed'));
});

test('a derivative that cannot be added is reported, and the others are there', async () => {
  const identity = newIdentity();
  let refused = 0;
  const keepsake = await connect(host, {
    identity,
    retry: { giveUpAfter: 0 },
    fetch: async (input, init) => {
      const body = init?.body instanceof Uint8Array ? Buffer.from(init.body) : Buffer.alloc(0);
      // The display version of this photo is the only derivative of more than 50 KB.
      const isWebp = body.includes('uploads_put_blob') && body.includes('WEBPVP8');
      if (isWebp && body.length > 50_000) {
        refused += 1;
        return new Response('no', { status: 403 });
      }
      return fetch(input, init);
    },
  });
  const result = await keepsake.uploadWithProcessing(fixture('handwritten-notes.jpg'));
  const fates = Object.fromEntries(result.derivatives.map((one) => [one.kind, one.status]));
  assert.deepEqual(fates, { placeholder: 'added', thumbnail: 'added', display: 'failed' });
  assert.ok(refused >= 1);
  const whole = await connect(host, { identity });
  const repaired = await whole.uploadWithProcessing(fixture('handwritten-notes.jpg'));
  assert.equal(repaired.memoryId, result.memoryId);
  assert.ok(repaired.derivatives.every(({ status }) => status !== 'failed'));
});

test('a memory in the making goes on after a restart, with what was said of it', async () => {
  const identity = newIdentity();
  const queue = () => new FileQueue(join(scratch.path, 'making.json'));
  // The original arrives; the memory cannot be created.
  const first = await connect(host, {
    identity,
    queue: queue(),
    retry: { giveUpAfter: 0 },
    fetch: async (input, init) => {
      const body = init?.body instanceof Uint8Array ? Buffer.from(init.body) : Buffer.alloc(0);
      if (body.includes('memories_create')) {
        throw new TypeError('fetch failed');
      }
      return fetch(input, init);
    },
  });
  await assert.rejects(first.uploadWithProcessing(fixture('denali.webp'), { title: 'Denali', tags: ['mountain'] }));
  const { calls, keepsake } = await counted({ identity, queue: queue() });
  assert.equal((await keepsake.pendingUploads()).length, 1);
  const [result] = await keepsake.resumeUploads();
  assert.ok(result.blob.held);
  assert.deepEqual(result.derivatives.map(({ status }) => status), ['added', 'added', 'added']);
  const memory = await keepsake.memory(result.memoryId);
  assert.deepEqual([memory.metadata.title, memory.metadata.tags], [['Denali'], ['mountain']]);
  assert.deepEqual(await keepsake.pendingUploads(), []);
  assert.ok(calls.length > 0);
});

test('many files at once are worked on some at a time', async () => {
  const keepsake = await connect(host);
  const small = await sharp({ create: { width: 40, height: 30, channels: 3, background: 'green' } }).png().toBuffer();
  const files = Array.from({ length: 30 }, (_, n) => new File([small, `${n}`], `${n}.png`));
  const results = await Promise.all(files.map((file) => keepsake.uploadWithProcessing(file)));
  assert.equal(new Set(results.map(({ memoryId }) => memoryId)).size, 30);
  assert.ok(results.every(({ derivatives }) => derivatives.every(({ status }) => status === 'added')));
  let listed = 0;
  for await (const { assetCount } of keepsake.memories()) {
    listed += 1;
    assert.equal(assetCount, 4);
  }
  assert.equal(listed, 30);
});

test('a queue that cannot be written costs no upload', async () => {
  const keepsake = await connect(host, { queue: new FileQueue(fixture('denali.webp/uploads.json')) });
  const { memoryId } = await keepsake.uploadWithProcessing(fixture('density_plot.png'));
  assert.equal((await keepsake.memory(memoryId)).metadata.asset_count, 4);
  assert.equal((await keepsake.upload(noise(2_000_000)).done).size, 2_000_000);
});

test('videos, notes and documents keep their original', async () => {
  const keepsake = await connect(host);
  const kinds = { 'a.txt': ['Note', Buffer.from('a note')], 'b.pdf': ['Document', Buffer.from('%PDF-1.7 ')], 'c.mov': ['Video', Buffer.from('\0\0\0\x14ftypqt  \0\0\0\0', 'latin1')], 'd.mp3': ['Audio', Buffer.from('ID3\x04')] };
  for (const [name, [kind, bytes]] of Object.entries(kinds)) {
    const result = await keepsake.uploadWithProcessing(new Uint8Array(bytes), { name, lastModified: 1_600_000_000_000 });
    assert.equal(result.media.kind, kind);
    assert.deepEqual(result.derivatives, []);
    const memory = await keepsake.memory(result.memoryId);
    assert.deepEqual(Object.keys(memory.metadata.memory_type), [kind]);
    assert.deepEqual(memory.metadata.date_of_memory, [1_600_000_000_000_000_000n]);
  }
});

test('when, where and with what', async () => {
  const facts = captureFacts(await photo('date-gps.jpg'), { name: 'date-gps.jpg' });
  // 2025-12-01T11:30:00, the camera's clock, without an offset.
  assert.deepEqual(facts.time, { nanos: 1_764_588_600_000_000_000n, source: 'exif-local' });
  assert.ok(Math.abs(facts.place.latitude) <= 90 && facts.place.latitude !== 0);
  const portrait = captureFacts(await photo('portrait-orientation-6.jpg'));
  assert.equal(portrait.orientation, 6);
  assert.deepEqual([portrait.dimensions.width, portrait.dimensions.height].sort((a, b) => a - b), [700, 840]);

  for (const file of ['handwritten-notes.jpg', 'density_plot.png', 'denali.webp', 'date-gps.jpg']) {
    const { width, height } = await sharp(fixture(file)).metadata();
    assert.deepEqual(captureFacts(await photo(file)).dimensions, { width, height }, file);
  }
  assert.equal(captureFacts(await photo('IMG_2682.heic')).time.source, 'exif-gps');

  const name = (stem) => captureFacts(noise(10), { name: `${stem}.jpg` }).time?.nanos;
  for (const [stem, seconds] of Object.entries({
    IMG_20190713_120312: 1_563_019_392,
    20190713120312: 1_563_019_392,
    PXL_20190713_120312345: 1_563_019_392,
    'VID-20190713-WA0001': 1_562_976_000,
    'Screenshot 2020-05-01 at 12.33.22': 1_588_336_402,
    '2020-05-01 12.33.22': 1_588_336_402,
    'signal-2020-05-01-123322': 1_588_336_402,
    '2020-05-01': 1_588_291_200,
    DSC_0001: undefined,
    1234567890123: undefined,
    20191399: undefined,
    99920190713: undefined,
    'report-18000101': undefined,
  })) {
    assert.equal(name(stem), seconds === undefined ? undefined : BigInt(seconds) * 1_000_000_000n, stem);
  }
  const fileTime = captureFacts(noise(10), { name: 'x', lastModified: 1_600_000_000_123.4 }).time;
  assert.deepEqual(fileTime, { nanos: 1_600_000_000_123_000_000n, source: 'file-time' });
});

test('EXIF times with an offset, with a GPS clock, and before 1970', async () => {
  const withExif = async (exif) => {
    const file = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'blue' } }).withExif(exif).jpeg().toBuffer();
    return captureFacts(new Uint8Array(file), { name: 'x.jpg' });
  };
  const taken = { IFD0: { Make: 'Maker', Model: 'One' }, IFD2: { DateTimeOriginal: '2020:05:01 12:33:22', OffsetTimeOriginal: '+02:00', SubSecTimeOriginal: '25' } };
  const facts = await withExif(taken);
  assert.deepEqual(facts.time, { nanos: 1_588_329_202_250_000_000n, source: 'exif' });
  assert.equal(facts.offsetMinutes, 120);
  assert.deepEqual(facts.camera, { make: 'Maker', model: 'One', lens: undefined });
  const gps = await withExif({
    IFD2: { DateTimeOriginal: '2020:05:01 12:33:22' },
    IFD3: { GPSDateStamp: '2020:05:01', GPSTimeStamp: '7/1 4/1 0/1', GPSLatitude: '48/1 30/1 0/1', GPSLatitudeRef: 'N', GPSLongitude: '11/1 0/1 0/1', GPSLongitudeRef: 'W' },
  });
  assert.deepEqual(gps.time, { nanos: 1_588_316_602_000_000_000n, source: 'exif-gps' });
  assert.deepEqual([gps.place.latitude, gps.place.longitude], [48.5, -11]);
  const early = await withExif({ IFD2: { DateTimeOriginal: '1955:11:05 06:00:00' } });
  assert.deepEqual(early.time, { nanos: 1n, source: 'before-1970' });
});

test('types are told by content first', () => {
  const of = (text, name, given) => identify(new Uint8Array(Buffer.from(text, 'latin1')), name, given).type;
  assert.equal(of('\xff\xd8\xff\xe0', 'x.png'), 'image/jpeg');
  assert.equal(of('II*\0', 'x.nef'), 'image/x-nikon-nef');
  assert.equal(of('II*\0', 'x.txt'), 'image/tiff');
  assert.equal(of('PK\x03\x04', 'x.docx').includes('wordprocessingml'), true);
  assert.equal(of('PK\x03\x04', 'x.png'), 'application/zip');
  assert.equal(of('hello', 'x'), 'text/plain');
  assert.equal(of('\0\x01\x02', 'x'), 'application/octet-stream');
  assert.equal(of('\0\x01\x02', 'x', 'application/x-thing'), 'application/x-thing');
  assert.equal(of('', ''), 'application/octet-stream');
  assert.equal(of('\0\0\0\x18ftypheic', 'x.jpg'), 'image/heic');
});
