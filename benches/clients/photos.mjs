// Makes photos of 50 KB to 5 MB, the same ones every time:
//
//     node benches/clients/photos.mjs <folder of real photos> <folder to fill> <how many>
//
// The real photos are encoded anew at 24 sizes and qualities, by sharp from sdk/node_modules. Each photo is one of these with a comment of
// its own (a JPEG COM segment), so that no two are equal and all are decoded in full. Sizes are spread evenly over their logarithm.

import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [from, to, count = '2000'] = process.argv.slice(2);
const require = createRequire(fileURLToPath(new URL('../../sdk/package.json', import.meta.url)));
const sharp = require('sharp');

const SIZES = 24;
const LEAST = 50_000;
const MOST = 5_000_000;

/** A JPEG of about `bytes` bytes. */
async function encoded(path, bytes) {
  const { width, height } = await sharp(path).metadata();
  // About a fifth of a byte for each pixel at a usual quality; then as much better as it takes.
  const scale = Math.min(Math.sqrt((bytes * 5) / (width * height)), 4600 / Math.max(width, height));
  const size = Math.max(64, Math.round(width * scale));
  let best;
  for (const quality of [75, 90, 97]) {
    const jpeg = await sharp(path).resize(size).jpeg({ quality }).toBuffer();
    if (!best || Math.abs(jpeg.length - bytes) < Math.abs(best.length - bytes)) {
      best = jpeg;
    }
    if (jpeg.length > bytes) {
      break;
    }
  }
  return best;
}

const names = (await readdir(from)).filter((name) => /\.(jpe?g|png|webp)$/i.test(name)).sort();
const photos = [];
for (const name of names) {
  const { width, height } = await sharp(join(from, name)).metadata().catch(() => ({}));
  // Enough of a picture to be encoded large.
  if (width * height > 300_000) {
    photos.push(join(from, name));
  }
}
await mkdir(to, { recursive: true });
const sizes = [];
for (let n = 0; n < SIZES; n += 1) {
  const bytes = LEAST * (MOST / LEAST) ** (n / (SIZES - 1));
  sizes.push(await encoded(photos[n % photos.length], bytes));
}
let total = 0;
for (let n = 0; n < Number(count); n += 1) {
  // 7 and 24 have no divisor in common: every size comes in turn.
  const jpeg = sizes[(n * 7) % SIZES];
  const text = Buffer.from(`photo ${n}`);
  const comment = Buffer.concat([Buffer.from([0xff, 0xfe, 0, text.length + 2]), text]);
  const photo = Buffer.concat([jpeg.subarray(0, 2), comment, jpeg.subarray(2)]);
  total += photo.length;
  await writeFile(join(to, `IMG_${String(n).padStart(5, '0')}.jpg`), photo);
}
console.log(`${count} photos of ${photos.length} real ones, ${(total / 1e6).toFixed(1)} MB`);
