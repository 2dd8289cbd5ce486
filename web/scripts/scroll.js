// How a timeline of many memories scrolls: a real vault is filled, the gallery is opened in headless Chromium, and what a person would notice is
// measured, with the size of the scripts it takes. Writes benches/web.json and benches/web.md.
//
//     node scripts/scroll.js                     # 100,000 memories; takes some minutes to fill
//     SCROLL_MEMORIES=2000 node scripts/scroll.js
//
// KEEPSAKE_BIN, KEEPSAKE_VAULT_WASM and KEEPSAKE_WEB_DIST as for the tests. SCROLL_HOME keeps the vault in a folder, so that a second run need not fill it.

import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { HttpAgent } from '@icp-sdk/core/agent';
import { IDL } from '@icp-sdk/core/candid';
import { Ed25519KeyIdentity } from '@icp-sdk/core/identity';
import { assetMetadata, memoryMetadata } from '@keepsake/sdk';
import { idlFactory } from '@keepsake/sdk/bindings';
import sharp from 'sharp';

import { DESKTOP, browse, connect, home, somebody } from '../test/support.js';

const MEMORIES = Number(process.env.SCROLL_MEMORIES ?? 100_000);
const IN_FLIGHT = 48;
/** Pixels a frame: three screens a second, at 60 frames. */
const SPEED = 40;
const results = (ending) => fileURLToPath(new URL(`../../benches/web.${ending}`, import.meta.url));

/** The same person in every run. */
const secret = createHash('sha256').update('keepsake: the scroll bench').digest();
const identity = Ed25519KeyIdentity.fromSecretKey(new Uint8Array(secret));

const SHAPES = [[3, 2], [3, 2], [4, 3], [2, 3], [3, 4], [1, 1], [16, 9], [9, 16], [5, 2], [4, 3], [3, 2], [4, 5]];

/** Small pictures of many shapes: every memory has one of them. */
async function pictures() {
  return Promise.all(
    SHAPES.map(async ([across, down], at) => {
      const [width, height] = across > down ? [512, Math.round((512 * down) / across)] : [Math.round((512 * across) / down), 512];
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1"><stop stop-color="hsl(${at * 30} 60% 70%)"/><stop offset="1" stop-color="hsl(${at * 30 + 80} 55% 35%)"/></linearGradient></defs><rect width="100%" height="100%" fill="url(#g)"/><circle cx="${width * 0.7}" cy="${height * 0.3}" r="${Math.min(width, height) * 0.12}" fill="#fff8"/></svg>`;
      return { width, height, bytes: new Uint8Array(await sharp(Buffer.from(svg)).webp({ quality: 82 }).toBuffer()) };
    }),
  );
}

async function fill(host) {
  const keepsake = await connect(host, { identity });
  const { id: capsuleId } = await keepsake.calls.capsules_create([]);
  const { memories } = await keepsake.calls.capsule_status(capsuleId);
  const first = Number(memories);
  if (first >= MEMORIES) {
    return first;
  }
  const held = await Promise.all(
    (await pictures()).map(async (picture) => ({ ...picture, blob: await keepsake.upload(picture.bytes, { name: 'picture.webp', type: 'image/webp', capsuleId }).done })),
  );
  const agent = HttpAgent.createSync({ host: host.url, identity, retryTimes: 3, rootKey: await HttpAgent.createSync({ host: host.url }).fetchRootKey() });
  const [, method] = idlFactory({ IDL })._fields.find(([name]) => name === 'memories_create_with_internal_blobs');
  const newest = Date.UTC(2026, 9, 1);
  let next = first;
  const work = async () => {
    while (next < MEMORIES) {
      const at = next;
      next += 1;
      const { blob, width, height } = held[(at * 7) % held.length];
      const metadata = (kind) => assetMetadata({ name: `picture ${at}.webp`, kind, type: 'image/webp', media: 'Image', width, height });
      // About thirty years, a few hours apart.
      const date = BigInt(newest - at * 9_400_000) * 1_000_000n;
      const arg = IDL.encode(method.argTypes, [
        capsuleId,
        memoryMetadata({ title: `Picture ${at}`, type: 'image/webp', media: 'Image', date }),
        ['original', 'thumbnail'].map((kind) => ({ metadata: metadata(kind), blob_id: blob.id })),
        `scroll ${at}`,
      ]);
      // The answer's certificate is not looked at: the count at the end says whether all are there.
      await agent.call(host.canisterId, { methodName: 'memories_create_with_internal_blobs', arg });
      if (at % 5000 === 0) {
        console.log(`${at} memories`);
      }
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  const now = Number((await keepsake.calls.capsule_status(capsuleId)).memories);
  if (now < MEMORIES) {
    throw new Error(`${now} of ${MEMORIES} memories are there`);
  }
  return now;
}

function pem() {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), secret]);
  return `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`;
}

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
const round = (number) => Math.round(number * 10) / 10;

/** Scrolls for some seconds and says how long the frames took; in milliseconds. */
async function scroll(page, { pixels, seconds }) {
  const { frames, nodes, tiles } = await page.evaluate(
    async ([by, time]) => {
      const main = document.querySelector('main');
      const frames = [];
      let [nodes, tiles] = [0, 0];
      let last = performance.now();
      const end = last + time * 1000;
      while (last < end) {
        main.scrollTop += by;
        const now = await new Promise(requestAnimationFrame);
        frames.push(now - last);
        last = now;
        if (frames.length % 10 === 0) {
          nodes = Math.max(nodes, document.querySelectorAll('*').length);
          tiles = Math.max(tiles, document.querySelectorAll('[data-id]').length);
        }
      }
      return { frames: frames.slice(1), nodes, tiles };
    },
    [pixels, seconds],
  );
  const sorted = frames.sort((a, b) => a - b);
  return {
    frames: frames.length,
    'frame p50 ms': round(percentile(sorted, 0.5)),
    'frame p95 ms': round(percentile(sorted, 0.95)),
    'frame p99 ms': round(percentile(sorted, 0.99)),
    'longest frame ms': round(sorted.at(-1)),
    'elements at the most': nodes,
    'tiles at the most': tiles,
  };
}

/** Scripts that a page loads, by their size compressed. */
function scripts(page) {
  const sizes = new Map();
  page.on('response', async (response) => {
    if (response.request().resourceType() === 'script') {
      const body = await response.body().catch(() => Buffer.alloc(0));
      sizes.set(response.url(), gzipSync(body, { level: 9 }).length);
    }
  });
  return () => round([...sizes.values()].reduce((sum, size) => sum + size, 0) / 1000);
}

/** The figures as a page of text. */
function table({ browser, scripts, scroll }) {
  const rows = Object.entries(scroll.runs).map(
    ([name, run]) =>
      `| ${name} | ${run['frame p50 ms']} | ${run['frame p95 ms']} | ${run['frame p99 ms']} | ${run['longest frame ms']} | ${run['elements at the most']} | ${run['tiles at the most']} |`,
  );
  return `# The gallery, measured

Written by \`node scripts/scroll.js\` in web/: a vault of ${scroll.memories.toLocaleString('en')} memories, each with a picture of its own shape, in ${browser}. Frames are as long as the browser
took between two of them; 16.7 ms is 60 a second. Where something else uses the machine, the long ones are longer.

| scrolling | frame p50 (ms) | p95 | p99 | longest | elements at the most | pictures at the most |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
${rows.join('\n')}

First picture after a reload: ${scroll['first picture after a reload ms']} ms. To the very end of the timeline, which loads all headers, a page of 100 after the other: ${scroll['all headers loaded s']} s.
Heap with all of them: ${scroll['heap with all loaded MB']} MB.

Scripts, gzipped: ${scripts['until people can sign in kB']} kB until people can sign in, ${scripts['until the timeline is there kB']} kB until the timeline is there with everything around it.
`;
}

const kept = process.env.SCROLL_HOME;
if (kept) {
  await mkdir(kept, { recursive: true });
}
const place = await home(kept ? { home: kept } : {});
const browser = await browse();
try {
  const started = Date.now();
  const memories = await fill(place.host);
  console.log(`${memories} memories after ${Math.round((Date.now() - started) / 1000)} s`);

  const { newPage } = await somebody(browser, { viewport: DESKTOP });
  const page = await newPage();
  const untilSignIn = scripts(page);
  await page.goto(place.url);
  await page.getByRole('button', { name: 'Start in this browser' }).waitFor();
  const signInSize = untilSignIn();
  await page.getByText('I use the keepsake command').click();
  await page.getByLabel('Or its text').fill(pem());
  await page.getByRole('button', { name: 'Sign in with this key' }).click();
  await page.locator('.tile img.shown').first().waitFor({ timeout: 60_000 });
  // Nothing else is loaded in this one before.
  const fresh = await page.context().newPage();
  const untilTimeline = scripts(fresh);
  await fresh.goto(place.url);
  await fresh.locator('[data-id]').first().waitFor({ timeout: 60_000 });
  const timelineSize = untilTimeline();
  await fresh.close();
  await page.reload();
  const opened = Date.now();
  await page.locator('.tile img.shown').first().waitFor({ timeout: 60_000 });
  const firstPicture = Date.now() - opened;

  const steady = await scroll(page, { pixels: SPEED, seconds: 20 });
  // To the very end, which loads every header on the way.
  const down = Date.now();
  await page.evaluate(async () => {
    const main = document.querySelector('main');
    for (;;) {
      main.scrollTop = main.scrollHeight;
      await new Promise((resolve) => setTimeout(resolve, 50));
      if (!document.querySelector('.rest') && main.scrollTop + main.clientHeight >= main.scrollHeight - 2) {
        return;
      }
    }
  });
  const all = (Date.now() - down) / 1000;
  await page.locator('.tile img.shown').first().waitFor();
  await page.evaluate(() => (document.querySelector('main').scrollTop = document.querySelector('main').scrollHeight / 2));
  const within = await scroll(page, { pixels: -SPEED, seconds: 20 });
  const dash = await scroll(page, { pixels: 4000, seconds: 10 });
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');

  const figures = {
    browser: `headless Chromium ${browser.version()}, ${cpus().length} cores, without a GPU`,
    scripts: { 'until people can sign in kB': signInSize, 'until the timeline is there kB': timelineSize },
    scroll: {
      memories,
      'first picture after a reload ms': firstPicture,
      'all headers loaded s': round(all),
      'heap with all loaded MB': round(usedSize / 1e6),
      runs: {
        'down, 2,400 pixels a second, loading on the way': steady,
        'up in the middle, all loaded': within,
        'dashing, 240,000 pixels a second': dash,
      },
    },
  };
  console.log(JSON.stringify(figures, null, 2));
  await writeFile(results('json'), `${JSON.stringify(figures, null, 2)}\n`);
  await writeFile(results('md'), table(figures));
} finally {
  await browser.close();
  if (kept) {
    await place.host.kill();
  } else {
    await place.stop();
    await rm(join(place.host.home), { recursive: true, force: true });
  }
  process.exit();
}
