// The README's examples, copied and run as they stand; against a real vault.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

import { launch, withoutChromium } from './chromium.js';
import { fixture, serve } from './support.js';

const sdk = fileURLToPath(new URL('..', import.meta.url));
const readme = await readFile(join(sdk, 'README.md'), 'utf8');
const examples = [...readme.matchAll(/^## ([^\n]+)\n(?:(?!^## )[\s\S])*?```js( browser)?\n([\s\S]*?)```/gm)].map(
  ([, title, browser, code]) => ({ title, browser: browser !== undefined, code }),
);

// What shows that an example did what it says.
const EXPECTED = {
  'Keep a photo': /mem_[0-9a-f]+ \[ 'placeholder: added', 'thumbnail: added', 'display: added' \]/,
  'List what is there, and read it': /4 assets\nimage\/webp 840 x 700 \d+\nUint8Array\(16\) \[/,
  'A large upload that survives': /5000000 of 5000000[^]*blob_\d+ 5000000/,
  'Share, and take it back': /shared with me: photo\.jpg\ntrue/,
  'A link for people without a key': /The garden\nphoto\.jpg image\/webp true\nended: true/,
  'A capsule for somebody, with others':
    /\{ group: 'family' \} download 2045-06-01T00:00:00\.000Z\nletter\.txt can be restored until 20[^]*8 bytes, 1 memory; vault \d+\.\d+\.\d+ lives for \d+ days/,
  'Every method of the vault': /true memories_add_inline_asset[^]*bytes: 32778n/,
};

let host;
let work;
before(async () => {
  host = await serve();
  // Below the package, so that it finds itself by its name.
  work = await mkdtemp(join(sdk, 'test/.examples-'));
});
after(async () => {
  await rm(work, { recursive: true, force: true });
  await host?.stop();
});

test('every section with code is tried', () => {
  assert.equal(examples.length, [...readme.matchAll(/^```js/gm)].length);
  const titles = examples.filter(({ browser }) => !browser).map(({ title }) => title);
  assert.deepEqual(titles, Object.keys(EXPECTED));
});

for (const [index, { title, browser, code }] of examples.entries()) {
  if (browser) {
    test(title, { skip: withoutChromium }, () => inBrowser(code));
    continue;
  }
  test(title, async () => {
    const folder = join(work, `${index}`);
    await mkdir(folder);
    await writeFile(join(folder, 'example.mjs'), code);
    await copyFile(fixture('portrait-orientation-6.jpg'), join(folder, 'photo.jpg'));
    const child = spawn(process.execPath, ['example.mjs'], {
      cwd: folder,
      env: { ...process.env, KEEPSAKE_URL: host.url, KEEPSAKE_CANISTER_ID: host.canisterId },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (output += text));
    const [exit] = await once(child, 'close');
    assert.equal(exit, 0, output);
    assert.match(output, EXPECTED[title]);
    if (title.startsWith('List')) {
      const copy = await readFile(join(folder, 'copy of photo.jpg'));
      assert.ok(copy.equals(await readFile(fixture('portrait-orientation-6.jpg'))));
    }
  });
}

async function inBrowser(code) {
  const entry = join(work, 'page.js');
  await writeFile(entry, code);
  const bundle = await build({
    entryPoints: [entry],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    conditions: ['browser'],
    write: false,
  });
  const files = {
    '/': ['text/html', '<!doctype html><link rel="icon" href="data:,"><input type="file" multiple><script type="module" src="page.js"></script>'],
    '/page.js': ['text/javascript', bundle.outputFiles[0].contents],
    '/browser-worker.js': ['text/javascript', await readFile(join(sdk, 'dist/platform/browser-worker.js'))],
  };
  const server = createServer((request, response) => {
    const [type, content] = files[new URL(request.url, 'http://localhost').pathname] ?? [];
    response.writeHead(content ? 200 : 404, { 'content-type': type ?? 'text/plain' }).end(content);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const chromium = await launch();
  try {
    const page = await chromium.newPage();
    const query = new URLSearchParams({ vault: host.url, canister: host.canisterId });
    await page.goto(`http://127.0.0.1:${server.address().port}/?${query}`, { waitUntil: 'networkidle' });
    await page.setInputFiles('input', fixture('portrait-orientation-6.jpg'));
    await page.waitForFunction(() => document.querySelector('img')?.naturalWidth === 512, undefined, { timeout: 20_000 });
  } finally {
    await chromium.close();
    server.close();
  }
}
