// The SDK in headless Chromium, as a page that a bundler built: hashing and derivatives in the Worker, the queue in IndexedDB, the page
// reloaded and the host killed in the middle of an upload; against a real vault.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';
import sharp from 'sharp';

import { DERIVATIVE_BOUNDS } from '../dist/index.js';
import { launch, withoutChromium } from './chromium.js';
import { fixture, folder, serve, sha256 } from './support.js';

const CHUNK = 1_800_000;
const sdk = fileURLToPath(new URL('..', import.meta.url));
const skip = withoutChromium;

let host;
let site;
let browser;

before(async () => {
  if (skip) {
    return;
  }
  [host, site, browser] = await Promise.all([serve(), serveSite(), launch()]);
});

after(async () => {
  await browser?.close();
  await site?.close();
  await host?.stop();
});

/** The page's files and the fixtures on a port of this machine; nothing comes from elsewhere. */
async function serveSite() {
  const { path: out, remove } = await folder();
  await build({
    entryPoints: [join(sdk, 'test/page.js')],
    outfile: join(out, 'page.js'),
    bundle: true,
    format: 'esm',
    conditions: ['browser'],
    platform: 'browser',
    logLevel: 'warning',
  });
  const files = {
    '/': ['text/html', async () => '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module" src="page.js"></script>'],
    '/page.js': ['text/javascript', () => readFile(join(out, 'page.js'))],
    '/browser-worker.js': ['text/javascript', () => readFile(join(sdk, 'dist/platform/browser-worker.js'))],
  };
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const [type, read] = pathname.startsWith('/fixtures/')
      ? ['application/octet-stream', () => readFile(fixture(pathname.slice('/fixtures/'.length)))]
      : (files[pathname] ?? []);
    if (!read) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      'content-type': type,
      // As strict as an application may want to be: no evaluation, no WebAssembly, workers of its own only.
      'content-security-policy': "default-src 'self'; script-src 'self'; connect-src *; img-src data: blob:",
    });
    response.end(await read());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => (server.close(), remove()) };
}

async function open(seed, { window, target = host } = {}) {
  const page = await browser.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  const start = async () => {
    await page.goto(site.url);
    await page.waitForFunction(() => document.title === 'ready');
    await page.evaluate((options) => globalThis.page.connect(options), {
      host: target.url,
      canisterId: target.canisterId,
      seed,
      window,
    });
  };
  await start();
  return { page, complaints, start };
}

/** The same bytes as the page makes. */
function pattern(seed, length) {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 16;
  }
  return bytes;
}

const hex = (bytes) => Buffer.from(bytes).toString('hex');

test('photos become memories with four assets, made in the Worker', { skip }, async () => {
  const { page, complaints } = await open(1);
  for (const [name, type] of [['portrait-orientation-6.jpg', 'image/jpeg'], ['density_plot.png', 'image/png'], ['denali.webp', 'image/webp'], ['handwritten-notes.jpg', 'image/jpeg']]) {
    const kept = await page.evaluate(([file, mime]) => globalThis.page.keep(file, mime), [name, type]);
    const bytes = await readFile(fixture(name));
    assert.equal(kept.sha256, hex(sha256(bytes)));
    assert.equal(kept.type, type);
    assert.deepEqual(kept.statuses, ['added', 'added', 'added'], name);
    const { width, height } = await sharp(bytes).metadata();
    for (const [kind, version] of Object.entries(kept.versions)) {
      assert.equal(version.type, 'image/webp');
      assert.ok(version.size <= DERIVATIVE_BOUNDS[kind].bytes, `${name} ${kind}`);
      assert.ok(Math.max(version.width, version.height) <= Math.min(DERIVATIVE_BOUNDS[kind].edge, Math.max(width, height)));
    }
  }
  const heic = await page.evaluate(() => globalThis.page.keep('IMG_2682.heic', ''));
  assert.equal(heic.type, 'image/heic');
  assert.deepEqual(heic.statuses, []);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('portraits stand upright', { skip }, async () => {
  const { page } = await open(2);
  const shown = await page.evaluate(() => globalThis.page.upright());
  assert.deepEqual([shown.width, shown.height], [840, 700]);
  const pixels = await sharp(fixture('portrait-orientation-6.jpg')).rotate().ensureAlpha().raw().toBuffer();
  const upright = pixels.filter((_, at) => (at >> 2) % 64 === 0);
  const difference = upright.reduce((sum, value, at) => sum + Math.abs(value - shown.data[at]), 0) / upright.length;
  assert.ok(difference < 6, `${difference}`);
  await page.close();
});

test('damaged photos cost their derivatives only', { skip }, async () => {
  const { page } = await open(3);
  const cut = [...(await readFile(fixture('portrait-orientation-6.jpg'))).subarray(0, 60_000)];
  for (const [name, bytes] of [['cut.jpg', cut], ['empty.jpg', undefined], ['nonsense.jpg', [0xff, 0xd8, 0xff, 1, 2, 3]]]) {
    const fates = await page.evaluate(([file, content]) => globalThis.page.damaged(file, content), [name, bytes]);
    assert.deepEqual(fates, Array(3).fill('failed DerivativeError'), name);
  }
  await page.close();
});

test('content is read and hashed in the Worker', { skip }, async () => {
  const { page } = await open(4);
  assert.equal(page.workers().length, 0);
  const digest = await page.evaluate((length) => globalThis.page.send(length), 3 * CHUNK + 1);
  assert.equal(digest, hex(sha256(pattern(9, 3 * CHUNK + 1))));
  assert.deepEqual(page.workers().map((worker) => new URL(worker.url()).pathname), ['/browser-worker.js']);
  await page.close();
});

test('where no Worker can be loaded, the page does the work itself', { skip }, async () => {
  const { page, start } = await open(6);
  await page.route('**/browser-worker.js', (route) => route.fulfill({ status: 404 }));
  await start();
  const kept = await page.evaluate(() => globalThis.page.keep('density_plot.png', 'image/png'));
  assert.deepEqual(kept.statuses, ['added', 'added', 'added']);
  const digest = await page.evaluate((length) => globalThis.page.send(length), 2 * CHUNK);
  assert.equal(digest, hex(sha256(pattern(9, 2 * CHUNK))));
  await page.close();
});

test('the page reloaded and the host killed in the middle: the upload goes on, and no chunk is sent twice', { skip }, async () => {
  let own = await serve();
  try {
    const { page, start } = await open(5, { window: 1, target: own });
    const length = 14 * CHUNK + 3;
    const acknowledged = new Set();
    const resent = [];
    await page.route('**/api/v4/**', async (route) => {
      const body = route.request().postDataBuffer() ?? Buffer.alloc(0);
      const isChunk = body.includes('uploads_put_chunk');
      const sample = hex(body.subarray(body.length >> 1, (body.length >> 1) + 32));
      if (isChunk && acknowledged.has(sample)) {
        resent.push(sample);
      }
      const answer = await route.fetch().catch(() => undefined);
      if (!answer) {
        await route.abort().catch(() => {});
        return;
      }
      if (isChunk && answer.status() === 200) {
        acknowledged.add(sample);
      }
      await route.fulfill({ response: answer }).catch(() => {});
    });
    await page.evaluate(([seed, bytes]) => globalThis.page.begin(seed, bytes), [5, length]);
    await page.waitForFunction((bytes) => globalThis.sentBytes >= bytes, 3 * CHUNK);
    await start();
    // The vault knows what it has; how much that is, this side cannot know for the chunk that was on its way.
    const resumed = page.evaluate(() => globalThis.page.resume());
    await own.kill();
    own = await serve({ home: own.home, port: own.port });
    const { entries, sha256: digest, size, left } = await resumed;
    assert.deepEqual(entries, ['pattern-5']);
    assert.equal(size, length);
    assert.equal(digest, hex(sha256(pattern(5, length))));
    assert.equal(left, 0);
    assert.deepEqual(resent, []);
    await page.close();
  } finally {
    await own.stop();
  }
});
