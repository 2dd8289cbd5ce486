// Pictures, films and files through the service worker: verified, by ranges, for the signed-in person alone, and never as a page.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { createServer as createVite } from 'vite';

import { accessible, browse, clientOf, enter, fetchPage, fixture, home, noise, principalOf, sha256, shoot, somebody, until, withoutChromium } from './support.js';
import { through } from './proxy.js';

const skip = withoutChromium;
const hex = (bytes) => Buffer.from(bytes).toString('hex');

let place;
let browser;

before(async () => {
  if (!skip) {
    [place, browser] = await Promise.all([home(), browse()]);
  }
});

/** One person for the tests that change nothing. */
let anybody;
const somebodyWithFiles = () => (anybody ??= person());

after(async () => {
  await browser?.close();
  await place?.stop();
});

/** Somebody with a photo, a film of 12 MB and a page of HTML. */
async function person(url = place.url) {
  const { newPage, context, complaints } = await somebody(browser);
  const page = await newPage();
  await enter(page, url);
  const keepsake = await clientOf(page, place.host);
  const principal = await principalOf(page);
  await page.evaluate(() => (location.hash = '#/'));
  const capsuleId = (await keepsake.capsules())[0].id;
  const film = noise(12_000_000);
  const [photo, video, html, svg] = await Promise.all([
    keepsake.uploadWithProcessing(fixture('density_plot.png'), { capsuleId, title: 'A plot' }),
    keepsake.uploadWithProcessing(film, { capsuleId, name: 'film.mp4', type: 'video/mp4' }),
    keepsake.uploadWithProcessing(new TextEncoder().encode('<script>parent.pwned = 1</script>'), { capsuleId, name: 'page.html', type: 'text/html' }),
    keepsake.uploadWithProcessing(new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>parent.pwned = 1</script></svg>'), {
      capsuleId,
      name: 'drawing.svg',
      type: 'image/svg+xml',
    }),
  ]);
  const path = ({ memoryId }, asset = 'original', of = principal) => `/media/${of}/${memoryId}/${asset}`;
  await ready(page);
  return { page, context, complaints, keepsake, principal, film, photo, video, html, svg, path };
}

/** Until the worker answers for the page. */
async function ready(page) {
  await page.evaluate(async () => {
    await navigator.serviceWorker.register('/sw.js', { scope: '/', updateViaCache: 'none' });
    await navigator.serviceWorker.ready;
    while (!navigator.serviceWorker.controller) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
}

/** What a page gets; bytes as their SHA-256 and length. */
function fetched(page, path, init = {}) {
  return page.evaluate(
    async ([url, options]) => {
      const answer = await fetch(url, options);
      const bytes = new Uint8Array(await answer.arrayBuffer());
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
      return {
        status: answer.status,
        headers: Object.fromEntries(answer.headers),
        length: bytes.length,
        sha256: Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join(''),
      };
    },
    [path, init],
  );
}

test('a photo in all its versions, verified and shown', { skip }, async () => {
  const { page, keepsake, photo, path, complaints } = await somebodyWithFiles();
  for (const kind of ['original', 'display', 'thumbnail', 'placeholder']) {
    const asset = await keepsake.asset(photo.memoryId, kind);
    for (const selector of [kind, asset.id]) {
      const got = await fetched(page, path(photo, selector));
      assert.deepEqual([got.status, got.sha256], [200, hex(asset.sha256)], selector);
      assert.equal(got.headers['content-type'], asset.type);
      assert.equal(got.headers['content-length'], String(asset.size));
      assert.equal(got.headers.etag, `"${hex(asset.sha256)}"`);
      assert.equal(got.headers['x-content-type-options'], 'nosniff');
      assert.match(got.headers['content-security-policy'], /sandbox/);
      assert.match(got.headers['content-disposition'], /^inline/);
    }
  }
  await page.reload();
  const tile = page.getByRole('grid', { name: /Memories/ }).locator('img.shown').first();
  await tile.waitFor();
  assert.ok(await tile.evaluate(({ naturalWidth }) => naturalWidth > 0));
  assert.match(await tile.getAttribute('src'), /^\/media\//);
  assert.deepEqual(complaints, []);
});

test('a film by ranges, whole, and its headers alone', { skip }, async () => {
  const { page, film, video, path } = await somebodyWithFiles();
  const of = (start, end) => hex(sha256(film.subarray(start, end)));
  const size = film.length;
  for (const [range, start, end] of [
    ['bytes=0-', 0, size],
    ['bytes=0-0', 0, 1],
    ['bytes=1799990-1800010', 1_799_990, 1_800_011],
    ['bytes=11999999-', size - 1, size],
    ['bytes=-500', size - 500, size],
    ['bytes=11000000-99999999', 11_000_000, size],
  ]) {
    const got = await fetched(page, path(video), { headers: { range } });
    assert.equal(got.status, 206, range);
    assert.equal(got.headers['content-range'], `bytes ${start}-${end - 1}/${size}`);
    assert.deepEqual([got.length, got.sha256], [end - start, of(start, end)], range);
  }
  for (const range of ['bytes=12000000-', 'bytes=-0']) {
    const got = await fetched(page, path(video), { headers: { range } });
    assert.deepEqual([got.status, got.headers['content-range'], got.length], [416, `bytes */${size}`, 0], range);
  }
  for (const range of ['bytes=5-4', 'bytes=0-1,4-5', 'lines=1-2']) {
    const got = await fetched(page, path(video), { headers: { range } });
    assert.deepEqual([got.status, got.sha256], [200, of(0, size)], range);
  }
  const head = await fetched(page, path(video), { method: 'HEAD' });
  assert.deepEqual([head.status, head.length, head.headers['content-length']], [200, 0, String(size)]);
  assert.equal(head.headers['accept-ranges'], 'bytes');
  assert.equal((await fetched(page, path(video), { method: 'POST' })).status, 405);
});

test('a real film plays, and can be sought in', { skip }, async () => {
  const { page, keepsake, principal } = await somebodyWithFiles();
  const recorded = await page.evaluate(async () => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [320, 240];
    const drawing = canvas.getContext('2d');
    const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: 'video/webm;codecs=vp8' });
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const ended = new Promise((resolve) => (recorder.onstop = resolve));
    recorder.start();
    for (let frame = 0; frame < 50; frame += 1) {
      drawing.fillStyle = `hsl(${frame * 7} 80% 50%)`;
      drawing.fillRect(0, 0, 320, 240);
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    recorder.stop();
    await ended;
    return [...new Uint8Array(await new Blob(parts).arrayBuffer())];
  });
  // A second film in the same file, behind the first, makes it long enough to be read by ranges: players stop at the end of the first.
  const padding = noise(9_000_000);
  const film = Buffer.concat([Buffer.from(recorded), Buffer.from([0xec, 0x01, 0, 0, 0, 0, 0x89, 0x54, 0x40]), padding]);
  const capsuleId = (await keepsake.capsules())[0].id;
  const { memoryId } = await keepsake.uploadWithProcessing(new Uint8Array(film), { capsuleId, name: 'film.webm', type: 'video/webm' });
  const shown = await page.evaluate(async (url) => {
    const video = document.createElement('video');
    video.muted = true;
    video.src = url;
    document.body.append(video);
    await new Promise((resolve, reject) => {
      video.onloadeddata = resolve;
      video.onerror = () => reject(new Error(video.error?.message));
    });
    const { videoWidth, videoHeight } = video;
    await video.play();
    await new Promise((resolve) => (video.ontimeupdate = () => video.currentTime > 0.3 && resolve()));
    video.pause();
    video.currentTime = 0.1;
    await new Promise((resolve) => (video.onseeked = resolve));
    return { videoWidth, videoHeight, at: video.currentTime };
  }, `/media/${principal}/${memoryId}/original`);
  assert.deepEqual(shown, { videoWidth: 320, videoHeight: 240, at: 0.1 });
});

test('an answer that nobody wants any more ends', { skip }, async (test_) => {
  const proxy = await through(place.url);
  test_.after(() => proxy.close());
  const { page, video, path, context } = await person(proxy.url);
  const count = () => proxy.seen.calls.filter((method) => method === 'blob_read_chunk').length;
  proxy.seen.calls.length = 0;
  await page.evaluate(async (url) => {
    const stop = new AbortController();
    const answer = await fetch(url, { signal: stop.signal });
    await answer.body.getReader().read();
    stop.abort();
  }, path(video));
  // Seven chunks are the whole; what was on its way then may still come.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  assert.ok(count() >= 1 && count() <= 6, `${count()} chunks`);
  await context.close();
});

test('nothing of what people keep becomes a page', { skip }, async () => {
  const { page, html, svg, photo, path, context } = await somebodyWithFiles();
  const page1 = await fetched(page, path(html));
  assert.deepEqual([page1.status, page1.headers['content-type']], [200, 'application/octet-stream']);
  assert.match(page1.headers['content-disposition'], /^attachment; filename\*=UTF-8''page\.html$/);
  const drawing = await fetched(page, path(svg));
  assert.equal(drawing.headers['content-type'], 'image/svg+xml');
  assert.match(drawing.headers['content-disposition'], /^attachment/);
  assert.match(drawing.headers['content-security-policy'], /default-src 'none'; sandbox/);
  assert.match((await fetched(page, `${path(photo)}?download`)).headers['content-disposition'], /^attachment/);
  // Whoever goes to one of these addresses gets a file.
  const other = await context.newPage();
  for (const one of [html, svg, photo]) {
    const download = other.waitForEvent('download');
    await other.goto(new URL(path(one), page.url()).href).catch(() => {});
    await (await download).cancel();
  }
  assert.equal(await page.evaluate(() => globalThis.pwned), undefined);
  await other.close();
});

test('only who is signed in, only what they may see, and nothing once they are gone', { skip }, async () => {
  const { page, photo, path, principal, context, keepsake } = await person();
  await fetched(page, path(photo));
  const stranger = await somebody(browser);
  const theirs = await stranger.newPage();
  await enter(theirs, place.url);
  const them = await principalOf(theirs);
  await ready(theirs);
  for (const address of [path(photo), path(photo, 'original', them), path(photo, 'thumbnail', them), `/media/${them}/nothing/original`, '/media/', `${path(photo)}/x`]) {
    assert.equal((await fetched(theirs, address)).status, 404, address);
  }
  // Shared to look at: the thumbnail opens, the original does not.
  await keepsake.share(photo.memoryId, { with: them, permission: 'view' });
  assert.equal((await fetched(theirs, path(photo, 'thumbnail', them))).status, 200);
  assert.ok([403, 404].includes((await fetched(theirs, path(photo, 'original', them))).status));
  await stranger.context.close();

  assert.notDeepEqual(await page.evaluate(() => caches.keys()), []);
  await page.getByRole('button', { name: 'You', exact: true }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Sign in with this browser' }).waitFor();
  await until(async () => (await page.evaluate(() => caches.keys())).length === 0, 'the cache is cleared');
  assert.equal((await fetched(page, path(photo))).status, 404);
  assert.equal((await fetched(page, path(photo, 'original', '2vxsx-fae'))).status, 404);
  assert.match(principal, /-/);
  await context.close();
});

test('what was seen before is seen without the vault, and spoilt copies are not believed', { skip }, async (test_) => {
  const proxy = await through(place.url);
  test_.after(() => proxy.close());
  const { page, photo, path, keepsake, context } = await person(proxy.url);
  const { sha256: digest } = await keepsake.asset(photo.memoryId, 'display');
  assert.equal((await fetched(page, path(photo, 'display'))).sha256, hex(digest));
  const reads = () => proxy.seen.calls.filter((method) => method === 'blob_read').length;
  const before = reads();
  assert.equal((await fetched(page, path(photo, 'display'))).sha256, hex(digest));
  assert.equal(reads(), before);
  // A copy that rotted in the browser is asked for again.
  await page.evaluate(async () => {
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const request of await cache.keys()) {
        if (request.url.includes('/media-content/')) {
          const bytes = new Uint8Array(await (await cache.match(request)).arrayBuffer());
          bytes[bytes.length >> 1] ^= 1;
          await cache.put(request, new Response(bytes));
        }
      }
    }
  });
  assert.equal((await fetched(page, path(photo, 'display'))).sha256, hex(digest));
  assert.equal(reads(), before + 1);
  await context.setOffline(true);
  assert.equal((await fetched(page, path(photo, 'display'))).sha256, hex(digest));
  assert.equal((await fetched(page, path(photo, 'thumbnail'))).status, 503);
  await context.setOffline(false);
  await context.close();
});

test('an answer that is not the vault’s is a tile that says so, never a picture', { skip }, async (test_) => {
  const proxy = await through(place.url);
  test_.after(() => proxy.close());
  const { page, photo, path, context } = await person(proxy.url);
  await page.evaluate(async () => Promise.all((await caches.keys()).map((name) => caches.delete(name))));
  proxy.rules.answer = (body, { method }) => {
    if (method?.startsWith('blob_read')) {
      body[body.length >> 1] ^= 1;
    }
    return body;
  };
  const refused = await fetched(page, path(photo, 'thumbnail'));
  assert.deepEqual([refused.status, refused.length, refused.headers['x-keepsake-problem']], [502, 0, 'forged']);
  await page.reload();
  await page.locator('[data-problem=forged]').first().waitFor();
  await shoot(page, 'media-forged-tile');
  await page.evaluate((id) => (location.hash = `#/memory/${id}`), photo.memoryId);
  await page.getByText('This did not come from your vault').first().waitFor();
  await shoot(page, 'media-forged');
  await accessible(page, 'a picture that is not believed');
  delete proxy.rules.answer;
  await page.getByRole('button', { name: 'Try again' }).first().click();
  await page.locator('img.shown').first().waitFor();
  await context.close();
});

test('a film that cannot be had says why, and plays when it can', { skip }, async (test_) => {
  const proxy = await through(place.url);
  test_.after(() => proxy.close());
  const { page, video, context } = await person(proxy.url);
  const spoil = (body, { method }) => {
    if (method === 'blob_read_chunk') {
      body[body.length >> 1] ^= 1;
    }
    return body;
  };
  proxy.rules.answer = spoil;
  await page.evaluate((id) => (location.hash = `#/memory/${id}`), video.memoryId);
  await page.getByText('This did not come from your vault').waitFor();
  await shoot(page, 'media-forged-film');
  await accessible(page, 'a film that is not believed');
  delete proxy.rules.answer;
  await page.getByRole('button', { name: 'Try again' }).click();
  // Noise is no film, and the browser says so: it is offered as a file.
  await page.getByText('Browsers do not show files of this kind').waitFor();
  await context.close();
});

test('ranges, types and names, by themselves', async () => {
  const vite = await createVite({
    root: fileURLToPath(new URL('..', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    server: { middlewareMode: true, hmr: false, ws: false, watch: null },
    appType: 'custom',
    optimizeDeps: { noDiscovery: true },
  });
  try {
    const { answer, parseRange, presentable } = await vite.ssrLoadModule('/src/media/worker/answer.ts');
    for (const [header, size, expected] of [
      [null, 10, undefined],
      ['bytes=0-9', 10, { start: 0, end: 10 }],
      [' Bytes = 3-3 ', 10, { start: 3, end: 4 }],
      ['bytes=-99', 10, { start: 0, end: 10 }],
      ['bytes=9-', 10, { start: 9, end: 10 }],
      ['bytes=10-', 10, 'unsatisfiable'],
      ['bytes=0-', 0, 'unsatisfiable'],
      ['bytes=-1', 0, 'unsatisfiable'],
      ['bytes=-', 10, undefined],
      ['bytes=4-2', 10, undefined],
      ['bytes=99999999999999999999-', 10, 'unsatisfiable'],
      ['bytes=0-99999999999999999999', 10, { start: 0, end: 10 }],
    ]) {
      assert.deepEqual(parseRange(header, size), expected, `${header} of ${size}`);
    }
    for (const [type, attachment] of [
      ['image/jpeg', false],
      ['IMAGE/PNG; charset=x', false],
      ['video/mp4', false],
      ['image/svg+xml', true],
      ['text/html', true],
      ['application/xhtml+xml', true],
      ['image/x+xml', true],
      ['application/pdf', true],
      ['image/<script>', true],
      ['', true],
    ]) {
      assert.equal(presentable(type, false).attachment, attachment, type);
    }
    const content = {
      size: 3,
      type: 'image/png',
      name: 'l\u00e4stig; "a\ud800".png',
      sha256: 'ab',
      async *slices(start, end) {
        yield new Uint8Array([1, 2, 3]).subarray(start, end);
      },
    };
    const request = { method: 'GET', range: 'bytes=1-', ifRange: null, attachment: false, signal: new AbortController().signal };
    const part = answer(content, request, assert.fail);
    assert.deepEqual([part.status, [...new Uint8Array(await part.arrayBuffer())]], [206, [2, 3]]);
    assert.equal(part.headers.get('content-disposition'), "inline; filename*=UTF-8''l%C3%A4stig%3B%20%22a%EF%BF%BD%22.png");
    assert.equal(answer(content, { ...request, ifRange: '"other"' }, assert.fail).status, 200);
    assert.equal(answer(content, { ...request, ifRange: '"ab"' }, assert.fail).status, 206);

    const { Witness } = await vite.ssrLoadModule('/src/media/worker/witness.ts');
    const bytes = noise(90);
    const chunks = [0, 1, 2].map((n) => bytes.subarray(30 * n, 30 * n + 30));
    const good = new Witness(90, hex(sha256(bytes)));
    for (const index of [1, 0, 0, 2, 1]) {
      good.saw(index, chunks[index]);
    }
    assert.equal(good.verified, true);
    const bad = new Witness(90, hex(sha256(noise(90))));
    bad.saw(0, chunks[0]);
    bad.saw(2, chunks[2]);
    assert.throws(() => bad.saw(1, chunks[1]), { name: 'ContentMismatchError' });
    assert.throws(() => bad.saw(0, chunks[0]), { name: 'ContentMismatchError' });
    assert.equal(bad.verified, false);
    const gap = new Witness(90, hex(sha256(bytes)));
    gap.saw(0, chunks[0]);
    gap.saw(2, chunks[2]);
    assert.equal(gap.verified, false);
  } finally {
    await vite.close();
  }
});

test('the worker is one script of its own', { skip }, async () => {
  const dist = process.env.KEEPSAKE_WEB_DIST;
  const code = dist ? await readFile(`${dist}/sw.js`, 'utf8') : (await fetchPage(place.url, '/sw.js')).body.toString();
  assert.doesNotMatch(code, /\bimport\s*[({"']|import\.meta/);
});
