// The door: keys of the browser and of the command, the first visit, staying signed in, leaving, two keys that become one person.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Ed25519KeyIdentity } from '@icp-sdk/core/identity';

import { PHONE, accessible, browse, clientOf, connect, enter, home, principalOf, shoot, somebody, withoutChromium } from './support.js';

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

test('the first visit: a key, a capsule, and both are there after a reload and in a second tab', { skip }, async () => {
  const { newPage, complaints, context } = await somebody(browser);
  const page = await newPage();
  await page.goto(place.url);
  await page.getByRole('button', { name: 'Start in this browser' }).waitFor();
  await shoot(page, 'sign-in');
  await accessible(page, 'sign in');
  await page.getByRole('button', { name: 'Start in this browser' }).click();
  await page.getByRole('heading', { name: 'Welcome' }).waitFor();
  await shoot(page, 'welcome');
  await accessible(page, 'welcome');
  await page.getByRole('button', { name: 'Make my capsule' }).click();
  await page.getByText('No memories yet').waitFor();
  await shoot(page, 'timeline-empty');
  await accessible(page, 'empty timeline');
  const principal = await principalOf(page);
  await page.getByText('Only this browser opens your capsule').waitFor();
  await shoot(page, 'account');
  await accessible(page, 'account');

  await page.reload();
  await page.getByRole('heading', { name: 'You and your keys' }).waitFor();
  const second = await newPage();
  await second.goto(place.url);
  await second.getByText('No memories yet').waitFor();
  assert.equal(await principalOf(second), principal);
  // The private key cannot be taken out of the browser.
  const kept = await page.evaluate(async () => {
    const database = await new Promise((resolve) => {
      const opening = indexedDB.open('keepsake-session');
      opening.onsuccess = () => resolve(opening.result);
    });
    const read = (key) =>
      new Promise((resolve) => {
        const request = database.transaction('session').objectStore('session').get(key);
        request.onsuccess = () => resolve(request.result);
      });
    const { keyPair } = await read('current');
    return { extractable: keyPair.privateKey.extractable, exported: await crypto.subtle.exportKey('pkcs8', keyPair.privateKey).catch(() => 'refused') };
  });
  assert.deepEqual(kept, { extractable: false, exported: 'refused' });

  // Leaving in one tab leaves in both.
  await page.getByRole('button', { name: 'Sign out' }).click();
  await shoot(page, 'sign-out');
  await accessible(page, 'sign out');
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out' }).click();
  await second.getByRole('button', { name: 'Sign in with this browser' }).waitFor();
  await page.getByRole('button', { name: 'Sign in with this browser' }).click();
  await page.getByText('No memories yet').waitFor();
  assert.equal(await principalOf(page), principal);
  assert.deepEqual(complaints, []);
  await context.close();
});

test('forgetting a key that nothing else stands beside asks twice', { skip }, async () => {
  const { newPage, context } = await somebody(browser);
  const page = await newPage();
  await enter(page, place.url);
  await page.getByRole('button', { name: 'You', exact: true }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/Forget this browser/).check();
  await dialog.getByText('Nothing else opens your capsule').waitFor();
  const leave = dialog.getByRole('button', { name: 'Sign out and forget the key' });
  assert.equal(await leave.isDisabled(), true);
  await dialog.getByLabel(/want to lose it/).check();
  await leave.click();
  // Whoever comes now is somebody new.
  await page.getByRole('button', { name: 'Start in this browser' }).click();
  await page.getByRole('heading', { name: 'Welcome' }).waitFor();
  await context.close();
});

const pem = (label, der) => `-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64')}\n-----END ${label}-----\n`;

test('keys of the command sign a pass and are not kept', { skip }, async () => {
  const { generateKeyPairSync, createPublicKey } = await import('node:crypto');
  const { Principal } = await import('@icp-sdk/core/principal');
  const keys = [
    ['Ed25519', generateKeyPairSync('ed25519').privateKey, 'pkcs8'],
    ['secp256k1', generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey, 'pkcs8'],
    ['secp256k1 in SEC1', generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey, 'sec1'],
    ['P-256', generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey, 'pkcs8'],
    ['P-256 in SEC1', generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey, 'sec1'],
  ];
  for (const [name, key, type] of keys) {
    const { newPage, context, complaints } = await somebody(browser);
    const page = await newPage();
    await page.goto(place.url);
    await page.getByText('I use the keepsake command').click();
    await page.getByLabel('Or its text').fill(key.export({ type, format: 'pem' }));
    await page.getByRole('button', { name: 'Sign in with this key' }).click();
    await page.getByRole('heading', { name: 'Welcome' }).waitFor();
    const expected = Principal.selfAuthenticating(new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }))).toText();
    await page.reload();
    assert.equal(await principalOf(page), expected, name);
    assert.deepEqual(complaints, [], name);
    await context.close();
  }
});

test('what is no key is told apart', { skip }, async () => {
  const { newPage, context } = await somebody(browser);
  const page = await newPage();
  await page.goto(place.url);
  await page.getByText('I use the keepsake command').click();
  for (const [text, words] of [
    ['hello', /no private key in it/],
    [pem('ENCRYPTED PRIVATE KEY', [1, 2, 3]), /encrypted/],
    [pem('PRIVATE KEY', [0x30, 0x82, 0xff, 0xff, 1]), /cut off/],
    [pem('PRIVATE KEY', [0x30, 0x80, 0x80, 0x80]), /cut off/],
    [pem('PRIVATE KEY', []), /cut off|PKCS#8/],
    [pem('EC PRIVATE KEY', [0x30, 0x06, 0x02, 0x01, 0x01, 0x04, 0x01, 0x05]), /another length/],
    ['-----BEGIN PRIVATE KEY-----\n***\n-----END PRIVATE KEY-----', /does not decode/],
  ]) {
    await page.getByLabel('Or its text').fill(text);
    await page.getByRole('button', { name: 'Sign in with this key' }).click();
    await page.locator('.error').filter({ hasText: words }).waitFor({ timeout: 5000 });
  }
  await shoot(page, 'sign-in-wrong-key');
  await context.close();
});

test('two keys become one person, by the consent of both', { skip }, async () => {
  const { newPage, context } = await somebody(browser);
  const page = await newPage();
  await enter(page, place.url);
  const other = await clientOf(page, place.host);
  const mine = await page.evaluate(() => (location.hash = '#/account')).then(() => principalOf(page));
  const { principals } = await other.calls.person_read();
  assert.deepEqual(principals.map(({ principal }) => principal.toText()).includes(mine), true);
  assert.equal(principals.length, 2);

  // A second browser, for which the first one makes the offer.
  const phone = await somebody(browser, { viewport: PHONE });
  const second = await phone.newPage();
  await second.goto(place.url);
  await second.getByRole('button', { name: 'Start in this browser' }).click();
  await second.getByText('I have a capsule already').click();
  await second.getByText('Waiting for the offer').waitFor();
  const id = await second.locator('.card code').first().textContent();
  await page.reload();
  await page.getByLabel('Id of the other key').fill(id);
  await page.getByRole('button', { name: 'Offer to link' }).click();
  await second.getByRole('button', { name: 'That is me' }).click();
  await second.getByText('No memories yet').waitFor();
  await shoot(second, 'linked-phone');
  await page.reload();
  await page.locator('li', { hasText: id }).getByRole('button', { name: 'Take out' }).click();
  await page.getByRole('button', { name: 'Take it out' }).click();
  await page.locator('li', { hasText: id }).waitFor({ state: 'detached' });
  await second.reload();
  await second.getByRole('heading', { name: 'Welcome' }).waitFor();
  await phone.context.close();
  await context.close();
});

test('the key of the command is linked from its text', { skip }, async () => {
  const { newPage, context } = await somebody(browser);
  const page = await newPage();
  await enter(page, place.url);
  const identity = Ed25519KeyIdentity.generate();
  const secret = identity.getKeyPair().secretKey.slice(0, 32);
  await page.evaluate(() => (location.hash = '#/account'));
  await page
    .getByLabel('Text of the key file')
    .fill(pem('PRIVATE KEY', [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20, ...secret]));
  await page.getByRole('button', { name: 'Link the command' }).click();
  await page.getByText('are one person now').waitFor();
  const keepsake = await connect(place.host, { identity });
  assert.equal((await keepsake.capsules()).length, 1);
  await context.close();
});
