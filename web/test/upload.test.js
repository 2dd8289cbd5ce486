// Uploads as people do them: chosen, dropped and pasted; paused, reloaded and cut off in the middle; in two tabs; without room. What the vault acknowledged
// is never sent again.

import assert from 'node:assert/strict';
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { PHONE, accessible, browse, clientOf, enter, fixture, folder, home, noise, serve, sha256, shoot, somebody, until, withoutChromium } from './support.js';
import { through } from './proxy.js';

const skip = withoutChromium;
const CHUNK = 1_800_000;

let place;
let browser;
let files;

before(async () => {
  if (!skip) {
    [place, browser, files] = await Promise.all([home(), browse(), folder()]);
  }
});

after(async () => {
  await browser?.close();
  await place?.stop();
  await files?.remove();
});

/** Somebody's gallery, by a way that counts and can slow things down. */
async function visit(test_, { url = place.url, client = false, host = place.host, ...options } = {}) {
  const proxy = await through(url);
  test_.after(() => proxy.close());
  const { newPage, context, complaints } = await somebody(browser, options);
  test_.after(() => context.close());
  const page = await newPage();
  await enter(page, proxy.url);
  const keepsake = client ? await clientOf(page, host) : undefined;
  return { page, newPage, proxy, context, complaints, keepsake };
}

/** Lets so many chunks through, and the others once it is opened. */
function gate(passing) {
  let open = () => {};
  const opened = new Promise((resolve) => {
    open = resolve;
  });
  let passed = 0;
  return {
    open,
    async before({ method }) {
      if (method === 'uploads_put_chunk') {
        passed += 1;
        if (passed > passing) {
          await opened;
        }
      }
    },
  };
}

const panel = (page) => page.locator('[data-uploads]');
const row = (page, name) => panel(page).locator(`li[data-name=${JSON.stringify(name)}]`);
const inState = (page, state) => panel(page).locator(`li[data-state=${state}]`);
const choose = (page, paths, what = 'files') => page.locator(`input[data-pick=${what}]`).setInputFiles(paths);

async function file(name, bytes) {
  const path = join(files.path, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, bytes);
  return path;
}

/** Drops paths on the page, folders too, as the system would. */
async function drop(page, paths) {
  const cdp = await page.context().newCDPSession(page);
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop']) {
    await cdp.send('Input.dispatchDragEvent', { type, x: 400, y: 400, data });
    if (type === 'dragOver') {
      await page.getByText('Drop photos, files or folders').waitFor();
      await shoot(page, 'upload-drop');
    }
  }
  await cdp.detach();
}

test('photos are chosen, kept, shown, and known again', { skip }, async (test_) => {
  const { page, complaints, proxy } = await visit(test_);
  await page.getByRole('button', { name: 'Add photos and files' }).waitFor();
  const photos = ['density_plot.png', 'denali.webp', 'handwritten-notes.jpg'].map(fixture);
  await choose(page, photos);
  await page.getByText('3 files are kept').first().waitFor();
  assert.equal(await inState(page, 'done').count(), 3);
  await shoot(page, 'upload-done');
  await accessible(page, 'uploads that are done');
  await page.getByRole('grid', { name: /Memories/ }).locator('img.shown').nth(2).waitFor();
  assert.equal(await page.getByText('No memories yet').count(), 0);
  const acknowledged = proxy.seen.chunks.size;

  await panel(page).getByRole('button', { name: 'Close' }).click();
  await panel(page).waitFor({ state: 'detached' });
  await choose(page, photos);
  await panel(page).getByText('3 already there').waitFor();
  assert.equal(await row(page, 'denali.webp').getByText('Already there').count(), 1);
  assert.equal(proxy.seen.chunks.size, acknowledged);
  assert.deepEqual(complaints, []);
});

test('a folder is dropped, another chosen, a picture pasted', { skip }, async (test_) => {
  const { page, keepsake } = await visit(test_, { client: true });
  await file('Holiday/Day 1/a.txt', 'first day');
  await file('Holiday/Day 1/deeper/b.txt', 'deeper');
  await file('Holiday/.DS_Store', 'x');
  await file('Holiday/c.txt', 'c');
  const single = await file('single.txt', 'alone');
  await drop(page, [join(files.path, 'Holiday'), single]);
  await page.getByText('4 files are kept').first().waitFor();
  await panel(page).getByText('1 system file was left out').waitFor();
  await panel(page).getByText('Holiday/Day 1/deeper/').waitFor();

  await file('More/d.txt', 'd');
  await file('More/e/f.txt', 'f');
  await choose(page, join(files.path, 'More'), 'folder');
  await page.getByText('6 files are kept').first().waitFor();

  await page.evaluate(() => {
    const data = new DataTransfer();
    data.items.add(new File(['pasted'], 'image.png', { type: 'image/png' }));
    document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
  });
  await page.getByText('7 files are kept').first().waitFor();
  const titles = [];
  for await (const { title } of keepsake.memories({ capsuleId: (await keepsake.capsules())[0].id })) {
    titles.push(title);
  }
  assert.deepEqual(titles.filter((title) => !title.startsWith('Pasted')).sort(), ['a.txt', 'b.txt', 'c.txt', 'd.txt', 'f.txt', 'single.txt']);
  assert.match(titles.find((title) => title.startsWith('Pasted')), /^Pasted \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\.png$/);
});

test('uploads are paused and go on, one by one and all together', { skip }, async (test_) => {
  const { page, proxy, keepsake } = await visit(test_, { client: true, viewport: PHONE });
  const barrier = gate(3);
  proxy.rules.before = barrier.before;
  const bytes = noise(20 * CHUNK);
  await choose(page, [await file('long.bin', bytes), await file('short.bin', noise(1000))]);
  await until(() => proxy.seen.chunks.size >= 3, 'chunks arrive');
  await shoot(page, 'upload-running-phone');
  await panel(page).getByRole('button', { name: 'Pause all' }).click();
  await panel(page).getByRole('heading', { name: /Paused/ }).waitFor();
  // What was on its way arrives, and nothing after it.
  barrier.open();
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const arrived = proxy.seen.chunks.size;
  await shoot(page, 'upload-paused-phone');
  await accessible(page, 'uploads that are paused, on a phone');
  assert.equal(proxy.seen.chunks.size, arrived);
  assert.ok(arrived < 20, `${arrived} chunks`);
  await row(page, 'long.bin').getByRole('button', { name: 'Pause long.bin' }).click();
  await panel(page).getByRole('button', { name: 'Go on with all' }).click();
  await row(page, 'long.bin').getByText('Paused').waitFor();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  assert.equal(proxy.seen.chunks.size, arrived);
  await row(page, 'long.bin').getByRole('button', { name: 'Go on with long.bin' }).click();
  await page.getByText('2 files are kept').first().waitFor();
  assert.equal(proxy.resent(), 0);
  const asset = await onlyAsset(keepsake, 'long.bin');
  assert.deepEqual(asset.sha256, sha256(bytes));

  // Taken off the list: the vault forgets what it received.
  const second = gate(2);
  proxy.rules.before = second.before;
  await choose(page, await file('unwanted.bin', noise(6 * CHUNK)));
  const acknowledged = proxy.seen.chunks.size;
  await until(() => proxy.seen.chunks.size > acknowledged, 'chunks arrive');
  await row(page, 'unwanted.bin').getByRole('button', { name: 'Take unwanted.bin off the list' }).click();
  await row(page, 'unwanted.bin').waitFor({ state: 'detached' });
  second.open();
  const [{ id: capsuleId }] = await keepsake.capsules();
  await until(async () => (await keepsake.calls.capsule_status(capsuleId)).uploads_open === 0n, 'the vault lets go of it');
  await assert.rejects(onlyAsset(keepsake, 'unwanted.bin'));
});

async function onlyAsset(keepsake, title) {
  const [{ id: capsuleId }] = await keepsake.capsules();
  for await (const memory of keepsake.memories({ capsuleId })) {
    if (memory.title === title) {
      return keepsake.asset(memory.id);
    }
  }
  throw new Error(`there is no ${title}`);
}

test('a reload in the middle: it goes on by itself, and nothing that arrived is sent again', { skip }, async (test_) => {
  const { page, proxy, keepsake } = await visit(test_, { client: true });
  const barrier = gate(4);
  proxy.rules.before = barrier.before;
  const bytes = noise(10 * CHUNK + 5);
  await choose(page, [await file('film.bin', bytes), await file('after.bin', noise(500))]);
  await until(() => proxy.seen.chunks.size >= 4, 'chunks arrive');
  await panel(page).getByText(/ of 18/).first().waitFor();
  await panel(page).getByText(/MB\/s|KB\/s/).first().waitFor();
  await shoot(page, 'upload-running');
  // The browser warns, because something is under way.
  const warned = new Promise((resolve) => page.once('dialog', (dialog) => resolve(dialog.accept())));
  await page.mouse.click(5, 400);
  await page.reload();
  await Promise.race([warned, new Promise((_, reject) => setTimeout(() => reject(new Error('no warning')), 5_000))]);
  await row(page, 'film.bin').waitFor();
  barrier.open();
  await page.getByText(/are kept|is kept/).first().waitFor({ timeout: 60_000 });
  const asset = await onlyAsset(keepsake, 'film.bin');
  assert.deepEqual(asset.sha256, sha256(bytes));
  assert.equal(proxy.resent(), 0);
});

test('a file that the browser could not keep is asked for again, and goes on where it stopped', { skip }, async (test_) => {
  const { page, proxy, keepsake, context } = await visit(test_, { client: true });
  // Longer than what is copied into the browser's storage.
  const bytes = noise(66 * 1024 * 1024);
  const path = await file('huge.bin', bytes);
  page.on('dialog', (dialog) => void dialog.accept());
  await choose(page, path);
  await until(() => proxy.seen.chunks.size >= 5, 'chunks arrive', 60_000);
  await panel(page).getByRole('button', { name: 'Pause all' }).click();
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const arrived = proxy.seen.chunks.size;
  await page.reload();
  await row(page, 'huge.bin').getByText('Choose this file again to go on').waitFor();
  await shoot(page, 'upload-needs-file');
  await accessible(page, 'a file that is asked for again');
  await choose(page, path);
  await panel(page).getByRole('button', { name: 'Go on with all' }).click();
  await page.getByText('1 file is kept').first().waitFor({ timeout: 120_000 });
  assert.equal(proxy.resent(), 0);
  assert.ok(arrived >= 5);
  assert.equal(proxy.seen.chunks.size, Math.ceil(bytes.length / CHUNK));
  assert.deepEqual((await onlyAsset(keepsake, 'huge.bin')).sha256, sha256(bytes));
  await context.close();
});

test('the host is killed in the middle and comes back', { skip }, async (test_) => {
  const own = await home();
  let host = own.host;
  const { page, proxy } = await visit(test_, { url: own.url, host });
  const barrier = gate(3);
  proxy.rules.before = barrier.before;
  await choose(page, await file('cut.bin', noise(10 * CHUNK)));
  await until(() => proxy.seen.chunks.size >= 3, 'chunks arrive');
  await host.kill();
  barrier.open();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  host = await serve({ home: host.home, port: host.port });
  await page.getByText('1 file is kept').first().waitFor({ timeout: 90_000 });
  assert.equal(proxy.resent(), 0);
  await host.stop();
  await own.stop().catch(() => {});
});

test('without a connection everything waits, and goes on by itself', { skip }, async (test_) => {
  const { page, context, proxy } = await visit(test_);
  const barrier = gate(2);
  proxy.rules.before = barrier.before;
  await choose(page, await file('offline.bin', noise(6 * CHUNK)));
  await until(() => proxy.seen.chunks.size >= 2, 'chunks arrive');
  await context.setOffline(true);
  barrier.open();
  await page.getByText('Waiting for the connection').first().waitFor({ timeout: 90_000 });
  await shoot(page, 'upload-offline');
  await accessible(page, 'uploads without a connection');
  await context.setOffline(false);
  await page.getByText('1 file is kept').first().waitFor({ timeout: 60_000 });
  assert.equal(await inState(page, 'failed').count(), 0);
});

test('two tabs do not send the same file twice, and one takes over where the other closes', { skip }, async (test_) => {
  const { page, newPage, proxy, keepsake } = await visit(test_, { client: true });
  const second = await newPage();
  await second.goto(proxy.url);
  await second.getByRole('button', { name: 'Add photos and files' }).waitFor();
  const barrier = gate(3);
  proxy.rules.before = barrier.before;
  const path = await file('both.bin', noise(8 * CHUNK));
  await Promise.all([choose(page, path), choose(second, path)]);
  await until(async () => (await inState(page, 'elsewhere').count()) + (await inState(second, 'elsewhere').count()) === 1, 'one tab waits for the other');
  await until(() => proxy.seen.chunks.size >= 3, 'chunks arrive');
  const working = (await inState(page, 'running').count()) === 1 ? page : second;
  const watching = working === page ? second : page;
  await shoot(watching, 'upload-elsewhere');
  await working.close({ runBeforeUnload: false });
  barrier.open();
  await watching.getByText('1 file is kept').first().waitFor({ timeout: 60_000 });
  assert.equal(proxy.resent(), 0);
  const [{ id: capsuleId }] = await keepsake.capsules();
  const titles = [];
  for await (const { title } of keepsake.memories({ capsuleId })) {
    titles.push(title);
  }
  assert.deepEqual(titles, ['both.bin']);
});

test('what one tab has to do, the others show and do not ask for', { skip }, async (test_) => {
  const { page, newPage, proxy } = await visit(test_);
  const barrier = gate(2);
  proxy.rules.before = barrier.before;
  // More than are worked on at a time.
  const paths = await Promise.all(Array.from({ length: 9 }, (_, n) => file(`many ${n}.bin`, noise(3 * CHUNK + n))));
  await choose(page, paths);
  await until(() => proxy.seen.chunks.size >= 2, 'chunks arrive');
  const second = await newPage();
  await second.goto(proxy.url);
  await until(async () => (await inState(second, 'elsewhere').count()) === 9, 'all are shown as being elsewhere');
  assert.equal(await inState(second, 'needs-file').count(), 0);
  barrier.open();
  await page.getByText('9 files are kept').first().waitFor({ timeout: 60_000 });
  await panel(second).waitFor({ state: 'detached' });
  assert.equal(proxy.resent(), 0);
});

test('files by handle are found again after a reload, with leave where the browser wants to be asked', { skip }, async (test_) => {
  const { page, proxy, keepsake } = await visit(test_, { client: true });
  const barrier = gate(2);
  proxy.rules.before = barrier.before;
  page.on('dialog', (dialog) => void dialog.accept());
  // The origin's own file system gives the same handles as a disk; who picks is a person.
  await page.addInitScript(() => {
    globalThis.showOpenFilePicker = async () => {
      const root = await navigator.storage.getDirectory();
      return [await root.getFileHandle('held.bin')];
    };
    FileSystemHandle.prototype.queryPermission = async () => sessionStorage.getItem('leave') ?? 'granted';
    FileSystemHandle.prototype.requestPermission = async () => {
      sessionStorage.setItem('leave', 'granted');
      return 'granted';
    };
  });
  await page.reload();
  const length = 8 * CHUNK;
  await page.evaluate(async (size) => {
    const root = await navigator.storage.getDirectory();
    const writable = await (await root.getFileHandle('held.bin', { create: true })).createWritable();
    for (let at = 0; at < size; at += 60_000) {
      await writable.write(crypto.getRandomValues(new Uint8Array(60_000)));
    }
    await writable.close();
  }, length);
  await page.getByRole('button', { name: 'Add photos and files' }).click();
  await page.getByRole('menuitem', { name: 'Photos and files…' }).click();
  await until(() => proxy.seen.chunks.size >= 2, 'chunks arrive');
  await page.evaluate(() => sessionStorage.setItem('leave', 'prompt'));
  await page.reload();
  await row(page, 'held.bin').getByText('The browser asks for permission again').waitFor();
  await shoot(page, 'upload-needs-permission');
  barrier.open();
  await panel(page).getByRole('button', { name: 'Allow and go on' }).click();
  await page.getByText('1 file is kept').first().waitFor({ timeout: 60_000 });
  assert.equal(proxy.resent(), 0);
  assert.equal((await onlyAsset(keepsake, 'held.bin')).size, length);
});

test('without room the rest waits, says why, and goes on when there is room', { skip }, async (test_) => {
  const { page, keepsake } = await visit(test_, { client: true });
  const [{ id: capsuleId }] = await keepsake.capsules();
  // A person may have 100 uploads open in a capsule.
  const sessions = await Promise.all(Array.from({ length: 100 }, (_, n) => keepsake.calls.uploads_begin(capsuleId, 2, `open ${n}`)));
  await choose(page, [await file('one.bin', noise(2 * CHUNK)), await file('two.bin', noise(2 * CHUNK + 1))]);
  await page.getByRole('heading', { name: 'Too many uploads are open in this capsule' }).waitFor();
  assert.equal(await inState(page, 'failed').count(), 0);
  await shoot(page, 'upload-full');
  await accessible(page, 'uploads without room');
  await Promise.all(sessions.map((session) => keepsake.calls.uploads_abort(session)));
  await panel(page).getByRole('button', { name: 'Try again' }).click();
  await page.getByText('2 files are kept').first().waitFor();
});

test('a file that changes or goes is told apart, and costs only itself', { skip }, async (test_) => {
  const { page } = await visit(test_, { colorScheme: 'dark' });
  await choose(page, await file('warm.bin', noise(10)));
  await page.getByText('1 file is kept').first().waitFor();
  const gone = await file('gone.bin', noise(70 * 1024 * 1024));
  const fine = await file('fine.bin', noise(100));
  // The list of files is handed over before they are read.
  await page.context().setOffline(true);
  await choose(page, [gone, fine]);
  await truncate(gone, 5);
  await page.context().setOffline(false);
  await row(page, 'fine.bin').locator('text=Kept').waitFor({ timeout: 90_000 });
  await inState(page, 'failed').first().waitFor({ timeout: 90_000 });
  await row(page, 'gone.bin').getByText(/cannot be read|changed while/).waitFor();
  await shoot(page, 'upload-failed-dark');
  await accessible(page, 'an upload that failed, dark');
  await panel(page).getByRole('button', { name: 'Take off the list', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Take off the list' }).click();
  await row(page, 'gone.bin').waitFor({ state: 'detached' });
  await rm(gone);
});

test('whoever signs out leaves no copies of files behind', { skip }, async (test_) => {
  const { page, proxy } = await visit(test_);
  proxy.rules.before = gate(1).before;
  page.on('dialog', (dialog) => void dialog.accept());
  await choose(page, await file('left.bin', noise(8 * CHUNK)));
  await until(() => proxy.seen.chunks.size >= 1, 'chunks arrive');
  const queues = () => page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name).filter((name) => name.startsWith('keepsake-queue')));
  assert.equal((await queues()).length, 1);
  await page.getByRole('button', { name: 'You', exact: true }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Sign in with this browser' }).waitFor();
  await until(async () => (await queues()).length === 0, 'the queue is gone');
  await panel(page).waitFor({ state: 'detached' });
});
