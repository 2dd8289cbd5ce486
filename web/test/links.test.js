// Share links: made, copied, opened by somebody who does not sign in, counted, ended; what has ended shows nothing, pictures included.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import { PHONE, accessible, browse, clientOf, enter, fixture, home, shoot, somebody, until, withoutChromium } from './support.js';

const skip = withoutChromium;
let place;
let browser;
/** One person makes all links. */
let ada;

before(async () => {
  if (skip) {
    return;
  }
  [place, browser] = await Promise.all([home(), browse()]);
  const { newPage, context, complaints } = await somebody(browser);
  const page = await newPage();
  await enter(page, place.url);
  const keepsake = await clientOf(page, place.host);
  const memories = [];
  for (const name of ['denali.webp', 'portrait-orientation-6.jpg', 'date-gps.jpg']) {
    memories.push((await keepsake.uploadWithProcessing(fixture(name))).memoryId);
  }
  ada = { page, keepsake, memories, context, complaints };
});

after(async () => {
  await ada?.context.close();
  await browser?.close();
  await place?.stop();
});

const go = (page, path) => page.evaluate((hash) => (location.hash = hash), `#${path}`);
const hashOf = (secret) => `#/s/${Buffer.from(secret).toString('base64url')}`;
const GONE = 'This link does not work any more';

async function endAll() {
  for (const link of await ada.keepsake.links.list()) {
    await ada.keepsake.links.revoke(link);
  }
}

/** What the vault answers to the address of a picture, asked anew. */
const statusOf = (page, source) => page.evaluate((address) => fetch(address, { cache: 'no-store' }).then(({ status }) => status), source);

/** A browser that never saw the vault. */
async function visitor(options) {
  const { newPage, context, complaints } = await somebody(browser, options);
  return { page: await newPage(), complaints, leave: () => context.close() };
}

test('a link is made and copied, opened without signing in, counted, and ended', { skip }, async () => {
  const { page } = ada;
  await go(page, `/memory/${ada.memories[0]}`);
  await page.getByRole('button', { name: 'Share', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Share this memory' });
  await dialog.getByLabel('Link', { exact: true }).check();
  await dialog.getByLabel('Title (optional)').fill('Summer in the north');
  await shoot(page, 'link-form');
  await accessible(page, 'link form');
  await dialog.getByLabel('Last day').fill('2001-01-01');
  await dialog.getByRole('button', { name: 'Make link' }).click();
  await dialog.getByText('Choose a day to come').waitFor();
  const now = new Date();
  await dialog.getByLabel('Last day').fill(`${now.getFullYear() + 1}-06-30`);
  await dialog.getByRole('button', { name: 'Make link' }).click();
  const shown = dialog.getByLabel('Address of the link');
  await shown.waitFor();
  const address = await shown.inputValue();
  assert.match(address, /\/#\/s\/[\w-]{43}$/);
  await until(async () => page.evaluate(() => document.activeElement?.matches('input[readonly]')), 'the address has the focus');
  await ada.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await dialog.getByRole('button', { name: 'Copy' }).click();
  await dialog.getByRole('button', { name: 'Copied' }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), address);
  await shoot(page, 'link-made');
  await accessible(page, 'link made');
  await page.keyboard.press('Escape');

  const guest = await visitor();
  const asked = [];
  guest.page.on('request', (request) => asked.push(request.url()));
  await guest.page.goto(address);
  await guest.page.getByRole('heading', { name: 'Summer in the north' }).waitFor();
  const tile = guest.page.getByRole('button', { name: /denali/ });
  const picture = tile.locator('img').last();
  await until(() => picture.evaluate((image) => image.naturalWidth > 100), 'the thumbnail is there');
  await guest.page.getByText('1 memory').waitFor();
  assert.equal(await guest.page.title(), 'Summer in the north · Keepsake');
  await shoot(guest.page, 'link-page');
  await accessible(guest.page, 'link page');
  const source = await picture.evaluate((image) => image.src);
  assert.equal(await statusOf(guest.page, source), 200);
  await tile.click();
  const whole = guest.page.getByRole('dialog').locator('img[src^=blob]');
  await whole.waitFor();
  assert.ok((await whole.evaluate((image) => image.decode().then(() => image.naturalWidth))) > 512, 'more than the thumbnail');
  assert.equal(await guest.page.getByRole('button', { name: /Download/ }).count(), 0);
  await shoot(guest.page, 'link-viewer');
  await accessible(guest.page, 'link viewer');
  await guest.page.keyboard.press('Escape');
  await until(() => tile.evaluate((button) => document.activeElement === button), 'the focus is back');
  // Neither the secret nor anything that could be mistaken for it is in an address that a server sees.
  const secret = address.slice(-43);
  assert.ok(asked.length > 5 && asked.every((url) => !new URL(url).pathname.includes(secret) && !url.split('#')[0].includes(secret)));
  assert.ok(asked.every((url) => new URL(url).origin === new URL(place.url).origin || url.startsWith('blob:') || url.startsWith('data:')), 'nothing from elsewhere');

  await go(page, '/shared?tab=links');
  await page.reload();
  const entry = page.getByRole('list', { name: 'Links' }).getByRole('listitem').filter({ hasText: 'Summer in the north' });
  await entry.getByText(/opened 1 time/).waitFor();
  await shoot(page, 'links');
  await accessible(page, 'links');
  await entry.getByRole('button', { name: /End link/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End link' }).click();
  await entry.waitFor({ state: 'detached' });

  // The page that is still open: nothing more comes.
  await tile.click();
  await guest.page.getByRole('heading', { name: GONE }).waitFor();
  assert.equal(await guest.page.locator('main img').count(), 0);
  await guest.page.reload();
  await guest.page.getByRole('heading', { name: GONE }).waitFor();
  assert.notEqual(await statusOf(guest.page, source), 200);
  await shoot(guest.page, 'link-ended');
  await accessible(guest.page, 'ended link');
  assert.deepEqual([...guest.complaints, ...ada.complaints], []);
  await guest.leave();
});

test('a link to the capsule, with downloads, on a phone in the dark', { skip }, async () => {
  const { page } = ada;
  await endAll();
  await go(page, '/shared?tab=links');
  await page.reload();
  await page.getByText('No links yet').waitFor();
  await shoot(page, 'links-empty');
  await accessible(page, 'no links');
  await page.getByRole('button', { name: 'Link for the whole capsule' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/Allow downloads/).check();
  await dialog.getByRole('button', { name: 'Make link' }).click();
  const address = await dialog.getByLabel('Address of the link').inputValue();

  const guest = await visitor({ viewport: PHONE, colorScheme: 'dark', hasTouch: true });
  await guest.page.goto(address);
  await guest.page.getByText('3 memories').waitFor();
  const images = guest.page.locator('main li img');
  await until(async () => (await images.evaluateAll((all) => all.filter((image) => image.naturalWidth > 100).length)) === 3, 'three thumbnails');
  await shoot(guest.page, 'link-page-phone-dark');
  await accessible(guest.page, 'link page on a phone');
  await guest.page.getByRole('button', { name: /denali/ }).click();
  await guest.page.getByRole('dialog').locator('img[src^=blob]').waitFor();
  await shoot(guest.page, 'link-viewer-phone-dark');
  await accessible(guest.page, 'link viewer on a phone');
  const [download] = await Promise.all([guest.page.waitForEvent('download'), guest.page.getByRole('button', { name: /Download/ }).click()]);
  assert.equal(download.suggestedFilename(), 'denali.webp');
  assert.ok((await readFile(await download.path())).equals(await readFile(fixture('denali.webp'))));
  const title = () => guest.page.getByRole('dialog').getByRole('heading').textContent();
  const first = await title();
  await guest.page.getByRole('button', { name: /^(Next|Previous)$/ }).first().click();
  await until(async () => (await title()) !== first, 'another one');
  assert.deepEqual(guest.complaints, []);
  await guest.leave();
});

test('what has run out, never was, or shows nothing says so', { skip }, async () => {
  const guest = await visitor();
  for (const hash of ['#/s/AAAA', hashOf(new Uint8Array(32))]) {
    await guest.page.goto(place.url + hash);
    await guest.page.reload();
    await guest.page.getByRole('heading', { name: GONE }).waitFor();
  }
  const brief = await ada.keepsake.links.create({ memories: [ada.memories[0]], until: new Date(Date.now() + 6_000) });
  await guest.page.goto(place.url + hashOf(brief.secret));
  await guest.page.reload();
  const picture = guest.page.getByRole('button', { name: /denali/ }).locator('img').last();
  await picture.waitFor();
  const source = await picture.evaluate((image) => image.src);
  await until(() => Date.now() > brief.until.getTime(), 'its time is over');
  await guest.page.reload();
  await guest.page.getByRole('heading', { name: GONE }).waitFor();
  assert.notEqual(await statusOf(guest.page, source), 200);

  const { memoryId } = await ada.keepsake.uploadWithProcessing(fixture('density_plot.png'));
  const empty = await ada.keepsake.links.create({ memories: [memoryId] });
  await ada.keepsake.trash.put(memoryId);
  await guest.page.goto(place.url + hashOf(empty.secret));
  await guest.page.reload();
  await guest.page.getByText('There is nothing here at the moment').waitFor();
  await shoot(guest.page, 'link-empty');
  await accessible(guest.page, 'empty link');
  await ada.keepsake.trash.restore(memoryId);
  await guest.page.reload();
  await guest.page.getByRole('button', { name: /density_plot/ }).waitFor();
  await guest.leave();
});

test('a vault that does not answer is told from a link that has ended', { skip }, async () => {
  const { secret } = await ada.keepsake.links.create({ memories: [ada.memories[0]] });
  const guest = await visitor();
  await guest.page.route('**/api/**', (route) => route.abort('connectionfailed'));
  await guest.page.goto(place.url + hashOf(secret));
  await guest.page.getByText('The vault cannot be reached').waitFor({ timeout: 30_000 });
  await shoot(guest.page, 'link-offline');
  await accessible(guest.page, 'link offline');
  await guest.page.unroute('**/api/**');
  await guest.page.getByRole('button', { name: 'Try again' }).click();
  await guest.page.getByRole('button', { name: /denali/ }).waitFor();
  await guest.leave();
});
