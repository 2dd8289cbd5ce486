// Sharing with people, groups and the public, time capsules, capsules of several people, and the status page; each person in a browser of their own.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { Actor, HttpAgent } from '@icp-sdk/core/agent';
import { IDL } from '@icp-sdk/core/candid';
import { Principal } from '@icp-sdk/core/principal';

import { init } from '../../sdk/dist/bindings/vault.did.js';
import { visitShareLink } from '../../sdk/dist/index.js';
import { PHONE, accessible, browse, clientOf, connect, enter, fixture, home, newIdentity, principalOf, shoot, somebody, until, withoutChromium } from './support.js';

const skip = withoutChromium;
let place;
let browser;

before(async () => {
  if (!skip) {
    [place, browser] = await Promise.all([home(), browse()]);
  }
});

after(async () => {
  await browser?.close();
  await place?.stop();
});

const PHOTOS = ['denali.webp', 'portrait-orientation-6.jpg', 'date-gps.jpg'];

/** Somebody with a capsule, signed in; with these photos in it. */
async function person({ photos = [], ...options } = {}) {
  const { newPage, context, complaints } = await somebody(browser, options);
  const page = await newPage();
  await enter(page, place.url);
  const keepsake = await clientOf(page, place.host);
  const principal = await principalOf(page);
  const memories = [];
  for (const name of photos) {
    memories.push((await keepsake.uploadWithProcessing(fixture(name))).memoryId);
  }
  return { page, keepsake, principal, memories, context, complaints, leave: () => context.close() };
}

const go = (page, path) => page.evaluate((hash) => (location.hash = hash), `#${path}`);
const day = (daysFromNow) => {
  const date = new Date(Date.now() + daysFromNow * 86_400_000);
  const two = (part) => String(part).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
};

test('a memory is shared with somebody, who sees it until it is taken back', { skip }, async () => {
  const ada = await person({ photos: PHOTOS });
  const bob = await person();
  await go(bob.page, '/shared');
  await bob.page.getByText('Nothing is shared with you yet').waitFor();
  await shoot(bob.page, 'shared-with-me-empty');
  await accessible(bob.page, 'nothing shared');

  await go(ada.page, `/memory/${ada.memories[0]}`);
  await ada.page.getByRole('button', { name: 'Share', exact: true }).click();
  const dialog = ada.page.getByRole('dialog', { name: 'Share this memory' });
  await dialog.getByText('Nobody but those who own').waitFor();
  await shoot(ada.page, 'share-dialog');
  await accessible(ada.page, 'share dialog');
  await dialog.getByLabel('Their address').fill('not an address');
  await dialog.getByRole('button', { name: 'Share', exact: true }).click();
  await dialog.getByText('This is no address').waitFor();
  await dialog.getByLabel('Their address').fill(ada.principal);
  await dialog.getByRole('button', { name: 'Share', exact: true }).click();
  await dialog.getByText('This is your own address').waitFor();
  await dialog.getByLabel('Their address').fill(` ${bob.principal} `);
  await dialog.getByLabel('Name (optional)').fill('Bob');
  await dialog.getByLabel('They may').selectOption('download');
  await dialog.getByRole('button', { name: 'Share', exact: true }).click();
  const entry = dialog.getByRole('listitem').filter({ hasText: 'Bob' });
  await entry.getByText('Look and download').waitFor();
  await shoot(ada.page, 'share-dialog-shared');
  await accessible(ada.page, 'share dialog with somebody');

  await bob.page.reload();
  const tile = bob.page.getByRole('link', { name: /denali/ });
  await tile.waitFor();
  await tile.locator('img.shown').waitFor();
  await shoot(bob.page, 'shared-with-me');
  await accessible(bob.page, 'shared with me');
  await tile.click();
  await bob.page.getByRole('dialog', { name: /denali/ }).locator('img.shown').first().waitFor();

  await entry.getByRole('button', { name: 'Remove' }).click();
  await entry.waitFor({ state: 'detached' });
  await assert.rejects(bob.keepsake.memory(ada.memories[0]), { name: 'NotFoundError' });
  await go(bob.page, '/shared');
  await bob.page.reload();
  await bob.page.getByText('Nothing is shared with you yet').waitFor();
  assert.deepEqual([...ada.complaints, ...bob.complaints], []);
  await Promise.all([ada.leave(), bob.leave()]);
});

test('the share dialog needs no mouse', { skip }, async () => {
  const ada = await person({ photos: PHOTOS.slice(0, 1) });
  const friend = newIdentity().getPrincipal().toText();
  const { page } = ada;
  await go(page, `/memory/${ada.memories[0]}`);
  await page.getByRole('button', { name: 'Share', exact: true }).focus();
  await page.keyboard.press('Enter');
  await page.getByLabel('Their address').waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.labels?.[0]?.textContent ?? document.activeElement?.textContent);
  await until(async () => (await focused())?.startsWith('Their address'), 'the address has the focus');
  await page.keyboard.type(friend);
  await page.keyboard.press('Tab');
  await page.keyboard.type('A friend');
  await page.keyboard.press('Tab');
  assert.match(await focused(), /They may/);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  assert.match(await focused(), /Share/);
  await page.keyboard.press('Enter');
  await page.getByRole('listitem').filter({ hasText: 'A friend' }).waitFor();
  const [share] = await ada.keepsake.shares(ada.memories[0]);
  assert.deepEqual([share.with.toText(), share.permission], [friend, 'download']);
  await page.keyboard.press('Tab');
  await until(async () => /Remove/.test(await focused()), 'the entry can be removed');
  await page.keyboard.press('Enter');
  await page.getByText('Nobody but those who own').waitFor();
  assert.deepEqual(await ada.keepsake.shares(ada.memories[0]), []);
  await page.keyboard.press('Escape');
  await page.getByRole('dialog', { name: 'Share this memory' }).waitFor({ state: 'detached' });
  await until(async () => (await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))) === 'Share', 'the focus is back');
  await ada.leave();
});

test('a time capsule is sealed until its day: its note is all that is seen', { skip }, async () => {
  const ada = await person({ photos: PHOTOS.slice(0, 2) });
  const bob = await person({ viewport: PHONE, colorScheme: 'dark' });
  await go(ada.page, `/memory/${ada.memories[0]}`);
  await ada.page.getByRole('button', { name: 'Share', exact: true }).click();
  const dialog = ada.page.getByRole('dialog', { name: 'Share this memory' });
  await dialog.getByLabel('Their address').fill(bob.principal);
  await dialog.getByLabel('When').selectOption('from');
  await dialog.getByRole('button', { name: 'Seal' }).click();
  await dialog.getByText('Choose a day to come').waitFor();
  await dialog.getByLabel('Opens on').fill(day(400));
  await dialog.getByLabel('Title (optional)').fill('For your wedding day');
  await dialog.getByLabel('A few words (optional)').fill('Be patient.');
  await shoot(ada.page, 'share-dialog-seal');
  await accessible(ada.page, 'sealing');
  await dialog.getByRole('button', { name: 'Seal' }).click();
  await dialog.getByRole('listitem').filter({ hasText: 'Sealed until' }).waitFor();

  await go(bob.page, '/shared');
  await bob.page.reload();
  const card = bob.page.locator('[data-sealed=true]').filter({ hasText: 'For your wedding day' });
  await card.getByText('Sealed until').waitFor();
  await card.getByText('Be patient.').waitFor();
  await card.getByText(/next year|in 1 year/).waitFor();
  await shoot(bob.page, 'sealed-phone-dark');
  await accessible(bob.page, 'sealed');
  await assert.rejects(bob.keepsake.memory(ada.memories[0]), { name: 'NotFoundError' });

  // A link to the whole capsule leaves both out until then.
  const { secret } = await ada.keepsake.links.create();
  const link = await visitShareLink(secret, { host: place.host.url, canisterId: place.host.canisterId });
  const linked = [];
  for await (const { id } of link.memories()) {
    linked.push(id);
  }
  assert.deepEqual(linked, [ada.memories[1]]);

  await ada.page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await go(ada.page, '/');
  await ada.page.reload();
  await ada.page.getByRole('link', { name: /Time capsule: For your wedding day/ }).click();
  await ada.page.getByRole('dialog').locator('[data-sealed=true]').getByText('Be patient.').waitFor();
  await shoot(ada.page, 'time-capsule-viewer');
  await accessible(ada.page, 'time capsule in the viewer');
  await go(ada.page, '/shared?tab=time-capsules');
  const own = ada.page.locator('[data-sealed=true]');
  await own.getByRole('heading', { name: 'For your wedding day' }).waitFor();
  await shoot(ada.page, 'time-capsules');
  await accessible(ada.page, 'time capsules');
  await own.getByRole('button', { name: 'For whom' }).click();
  await ada.page.getByRole('dialog').getByRole('listitem').first().waitFor();
  await ada.page.keyboard.press('Escape');
  await own.getByRole('button', { name: 'Take back' }).click();
  await ada.page.getByRole('dialog').getByRole('button', { name: 'Take back' }).click();
  await ada.page.getByText('No time capsules').waitFor();
  assert.deepEqual(await ada.keepsake.shares(ada.memories[0]), []);
  await bob.page.reload();
  await bob.page.getByText('Nothing is shared with you yet').waitFor();
  assert.deepEqual([...ada.complaints, ...bob.complaints], []);
  await Promise.all([ada.leave(), bob.leave()]);
});

test('several are shared with everyone until a day, and what I share is listed', { skip }, async () => {
  const ada = await person({ photos: PHOTOS });
  const { page } = ada;
  for (const id of ada.memories.slice(0, 2)) {
    await ada.keepsake.share(id, { with: 'public', permission: 'view', until: new Date(Date.now() + 86_400_000) });
  }
  const stranger = await connect(place.host);
  await stranger.memory(ada.memories[0]);
  await go(page, '/shared?tab=by-me');
  await page.reload();
  const rows = page.getByRole('listitem').filter({ hasText: 'Everyone can see it' });
  await until(async () => (await rows.count()) === 2, 'two memories are listed');
  await shoot(page, 'shared-by-me');
  await accessible(page, 'shared by me');
  await rows.first().getByRole('button', { name: /Who has access/ }).click();
  const dialog = page.getByRole('dialog', { name: 'Share this memory' });
  const everyone = dialog.getByRole('listitem').filter({ hasText: 'Everyone' });
  await everyone.getByText(/Look · Until/).waitFor();
  await everyone.getByRole('button', { name: 'Remove' }).click();
  await everyone.waitFor({ state: 'detached' });
  await dialog.getByLabel('Everyone', { exact: true }).check();
  await accessible(page, 'sharing with everyone');
  await page.keyboard.press('Escape');
  await until(async () => (await rows.count()) === 1, 'one memory is listed');
  await ada.leave();
});

test('several that are selected are shared with a group until a day', { skip }, async () => {
  const ada = await person({ photos: PHOTOS });
  const { page } = ada;
  const capsule = ada.keepsake.capsule(await ada.keepsake.ownCapsule());
  const member = newIdentity();
  await capsule.putGroup('family', { name: 'Family', members: [member.getPrincipal()] });
  await go(page, '/');
  await page.reload();
  for (const name of ['denali.webp', 'date-gps.jpg']) {
    await page.getByRole('checkbox', { name: `Select ${name}` }).click({ force: true });
  }
  await page.getByRole('toolbar', { name: 'Selection' }).getByRole('button', { name: 'Share' }).click();
  const dialog = page.getByRole('dialog', { name: 'Share 2 memories' });
  await dialog.getByLabel('Group', { exact: true }).first().check();
  await dialog.getByLabel('When').selectOption('until');
  await dialog.getByLabel('Last day').fill(day(7));
  await shoot(page, 'share-dialog-group');
  await accessible(page, 'sharing with a group');
  await dialog.getByRole('button', { name: 'Share', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  const guest = await connect(place.host, { identity: member });
  for (const id of [ada.memories[0], ada.memories[2]]) {
    await guest.memory(id);
    const [share] = await ada.keepsake.shares(id);
    assert.deepEqual([share.with, share.permission], [{ group: 'family' }, 'view']);
    assert.ok(share.until > new Date(Date.now() + 6 * 86_400_000));
  }
  await assert.rejects(guest.memory(ada.memories[1]), { name: 'NotFoundError' });
  assert.deepEqual(ada.complaints, []);
  await ada.leave();
});

test('somebody finds the capsule that was made about them', { skip }, async () => {
  const [ada, bob] = await Promise.all([person(), person({ viewport: PHONE })]);
  const capsule = await ada.keepsake.createCapsule(bob.principal);
  await go(bob.page, '/capsules');
  await bob.page.reload();
  await bob.page.getByRole('listitem').filter({ hasText: 'About you' }).getByRole('link', { name: /People and settings/ }).click();
  await bob.page.getByText('This capsule is about you').waitFor();
  assert.equal(await bob.page.getByRole('button', { name: /Add|Delete|New group/ }).filter({ hasNotText: /^Add$/ }).count(), 0);
  await shoot(bob.page, 'capsule-about-you-phone');
  await accessible(bob.page, 'a capsule about oneself');
  await capsule.delete();
  await bob.page.reload();
  await bob.page.getByText('It is not there').waitFor();
  await Promise.all([ada.leave(), bob.leave()]);
});

test('a capsule for somebody: helpers, groups, an event, and handing it over', { skip }, async () => {
  const ada = await person();
  const bob = await person();
  const { page } = ada;
  await go(page, '/capsules');
  await page.getByRole('heading', { name: 'Capsules' }).waitFor();
  await page.getByRole('button', { name: 'New capsule' }).click();
  await shoot(page, 'capsule-new');
  await accessible(page, 'new capsule');
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Make capsule' }).click();
  await dialog.getByText('Say whom the capsule is about').waitFor();
  await dialog.getByLabel('Name', { exact: true }).fill('Grandmother');
  await dialog.getByRole('button', { name: 'Make capsule' }).click();
  await page.getByRole('heading', { name: 'Grandmother' }).waitFor();

  await page.getByRole('button', { name: 'Add helper' }).click();
  await dialog.getByLabel('Their address').fill(bob.principal);
  await dialog.getByLabel('Name (optional)').fill('Bob');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('listitem').filter({ hasText: 'Bob' }).waitFor();
  await page.getByRole('button', { name: 'New group' }).click();
  await dialog.getByLabel('Name of the group').fill('Family');
  await dialog.getByRole('button', { name: 'Bob' }).click();
  await dialog.getByRole('button', { name: 'Add to the group' }).click();
  await accessible(page, 'group');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('listitem').filter({ hasText: 'Family' }).getByText('1 person').waitFor();
  await shoot(page, 'capsule');
  await accessible(page, 'capsule');

  const [capsuleId] = (await ada.keepsake.capsules()).map(({ id }) => id).filter((id) => page.url().includes(id));
  const [group] = await ada.keepsake.capsule(capsuleId).groups();
  const cousin = newIdentity();
  await ada.keepsake.capsule(capsuleId).putGroup(group.id, { name: 'Family', members: [cousin.getPrincipal()] });
  const { memoryId } = await ada.keepsake.uploadWithProcessing(fixture('denali.webp'), { capsuleId });
  await ada.keepsake.share(memoryId, { with: cousin.getPrincipal(), after: { Custom: 'The house is finished' } });
  const waiting = await connect(place.host, { identity: cousin });
  await assert.rejects(waiting.memory(memoryId), { name: 'NotFoundError' });
  await page.getByLabel('The event').fill('The house is finished');
  await page.getByRole('button', { name: 'It has happened' }).click();
  await dialog.getByRole('button', { name: 'Yes, open it' }).click();
  await page.getByText('What waited for it is open now').waitFor();
  await waiting.memory(memoryId);

  // Bob finds it in his list, switches to it, and is made its owner.
  await bob.page.reload();
  await bob.page.getByRole('button', { name: /^Capsule:/ }).click();
  await bob.page.getByRole('menuitemradio', { name: 'Grandmother' }).click();
  await bob.page.getByRole('button', { name: 'Capsule: Grandmother' }).waitFor();
  await bob.page.getByRole('link', { name: /denali/i }).or(bob.page.getByRole('gridcell')).first().waitFor();
  await go(bob.page, `/capsules/${capsuleId}`);
  await bob.page.getByText('You look after this capsule').waitFor();
  assert.equal(await bob.page.getByRole('button', { name: 'Delete capsule' }).count(), 0);

  await page.getByRole('button', { name: 'Add owner' }).click();
  await dialog.getByRole('button', { name: 'Bob' }).click();
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('button', { name: 'Give up' }).click();
  await dialog.getByRole('button', { name: 'Give up' }).click();
  await page.getByText('It is not there').waitFor();
  await bob.page.reload();
  await bob.page.getByRole('button', { name: 'Delete capsule' }).click();
  await bob.page.getByRole('dialog').getByRole('button', { name: 'Delete for good' }).click();
  await bob.page.getByRole('heading', { name: 'Capsules' }).waitFor();
  await shoot(bob.page, 'capsules');
  await accessible(bob.page, 'capsules');
  await assert.rejects(waiting.memory(memoryId), { name: 'NotFoundError' });
  assert.deepEqual([...ada.complaints, ...bob.complaints], []);
  await Promise.all([ada.leave(), bob.leave()]);
});

test('the status says how full it is, by kind, and what a day costs', { skip }, async () => {
  const ada = await person({ photos: PHOTOS, viewport: PHONE });
  const { page } = ada;
  const { bytes } = await ada.keepsake.capsule(await ada.keepsake.ownCapsule()).status();
  await go(page, '/status');
  await page.getByRole('heading', { name: 'This capsule' }).waitFor();
  const kinds = page.getByRole('table', { name: 'Bytes by kind of memory' });
  await kinds.getByRole('row', { name: /Photos/ }).getByText('3', { exact: true }).waitFor();
  const words = (size) => `${(size / (size >= 999_500 ? 1e6 : 1e3)).toLocaleString('en-US', { maximumFractionDigits: size >= 99_500 && size < 999_500 ? 0 : 1 })} ${size >= 999_500 ? 'MB' : 'KB'}`;
  await page.getByText(words(bytes)).first().waitFor();
  await page.getByText('Cost a day').waitFor();
  await page.getByText(/at the present size/).waitFor();
  await page.getByText(/keepsake export .*--capsule/).waitFor();
  await shoot(page, 'status-phone');
  await accessible(page, 'status');
  await page.getByRole('button', { name: 'I have made a copy today' }).click();
  await page.getByText('Your last copy is of').waitFor();
  await page.setViewportSize({ width: 1280, height: 1800 });
  await shoot(page, 'status');
  assert.deepEqual(ada.complaints, []);
  await ada.leave();
});

test('a capsule at its limit says so, and what to do', { skip }, async () => {
  const controller = newIdentity();
  const other = await home({ args: ['--controller', controller.getPrincipal().toText()] });
  const { newPage, context } = await somebody(browser);
  const page = await newPage();
  await enter(page, other.url);
  const keepsake = await clientOf(page, other.host);
  await keepsake.uploadWithProcessing(fixture('denali.webp'));
  await setQuotas(other.host, controller, { bytes_per_capsule: 1_000n, memories_per_capsule: 1n });
  await go(page, '/status');
  await page.getByRole('alert').getByText('The capsule has reached its limit').waitFor();
  await page.getByRole('meter', { name: 'Room' }).waitFor();
  await page.getByRole('meter', { name: 'Memories' }).waitFor();
  await page.getByText('Full: nothing more can be added').first().waitFor();
  await page.waitForFunction(() => document.querySelector('table tbody tr'));
  await shoot(page, 'status-full');
  await accessible(page, 'full');
  await context.close();
  await other.stop();
});

/** Upgrades the vault to itself with other quotas, as its controller does. */
async function setQuotas(host, controller, quotas) {
  const wasm = process.env.KEEPSAKE_VAULT_WASM ?? fileURLToPath(new URL('../../target/canister/vault.wasm', import.meta.url));
  const none = { cycles_reserve_days: [], open_sessions: [], bytes_per_capsule: [], memories_per_capsule: [], inline_budget_per_capsule: [] };
  const given = Object.fromEntries(Object.entries(quotas).map(([name, value]) => [name, [value]]));
  const agent = HttpAgent.createSync({ host: host.url, identity: controller });
  await agent.fetchRootKey();
  const install = IDL.Record({
    mode: IDL.Variant({ install: IDL.Null, reinstall: IDL.Null, upgrade: IDL.Null }),
    canister_id: IDL.Principal,
    wasm_module: IDL.Vec(IDL.Nat8),
    arg: IDL.Vec(IDL.Nat8),
  });
  const canisterId = Principal.fromText(host.canisterId);
  const management = Actor.createActor(({ IDL: idl }) => idl.Service({ install_code: idl.Func([install], [], []) }), {
    agent,
    canisterId: 'aaaaa-aa',
    callTransform: () => ({ effectiveCanisterId: canisterId }),
  });
  await management.install_code({
    mode: { upgrade: null },
    canister_id: canisterId,
    // As a message takes it.
    wasm_module: gzipSync(await readFile(wasm)),
    arg: new Uint8Array(IDL.encode(init({ IDL }), [[{ ...none, ...given }]])),
  });
}
