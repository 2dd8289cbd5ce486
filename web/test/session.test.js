// The door: keys of the browser and of the command, the first visit, staying signed in, leaving, two keys that become one person.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Ed25519KeyIdentity } from '@icp-sdk/core/identity';

import { PHONE, accessible, browse, clientOf, connect, enter, fetchPage, home, principalOf, shoot, somebody, until, withoutChromium } from './support.js';

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

// What Internet Identity does in its window (ICRC-29 and ICRC-34), with a key of the test's own behind it.
const PROVIDER = `<!doctype html><title>Internet Identity</title><script>
  addEventListener('message', async ({ data, origin, source }) => {
    if (data?.method === 'icrc29_status') {
      source.postMessage({ jsonrpc: '2.0', id: data.id, result: 'ready' }, origin);
    } else if (data?.method === 'icrc34_delegation') {
      const result = await globalThis.delegate(data.params);
      source.postMessage({ jsonrpc: '2.0', id: data.id, result }, origin);
    }
  });
</script>`;

test('on the Internet Computer people sign in with Internet Identity, for eight hours', { skip }, async () => {
  const { IC_ROOT_KEY } = await import('@icp-sdk/core/agent');
  const { DelegationChain } = await import('@icp-sdk/core/identity');
  const behind = Ed25519KeyIdentity.generate();
  let asked;
  const { context, newPage, complaints } = await somebody(browser);
  await context.exposeFunction('delegate', async ({ publicKey, maxTimeToLive }) => {
    asked = maxTimeToLive;
    const to = { toDer: () => new Uint8Array(Buffer.from(publicKey, 'base64')) };
    const chain = await DelegationChain.create(behind, to, new Date(Date.now() + Number(BigInt(maxTimeToLive) / 1_000_000n)));
    const [{ delegation, signature }] = chain.delegations;
    const text = (bytes) => Buffer.from(bytes).toString('base64');
    return {
      publicKey: text(behind.getPublicKey().toDer()),
      signerDelegation: [
        { delegation: { pubkey: text(delegation.pubkey), expiration: String(delegation.expiration) }, signature: text(signature) },
      ],
    };
  });
  await context.route('https://id.ai/**', (route) => route.fulfill({ contentType: 'text/html', body: PROVIDER }));
  await context.route('https://icp-api.io/**', (route) => route.abort());
  // The page as the Internet Computer would serve it: the cookie says whose key to believe.
  const cookie = `ic_env=${encodeURIComponent(`ic_root_key=${IC_ROOT_KEY}&PUBLIC_CANISTER_ID:vault=${place.host.canisterId}`)}; Path=/; SameSite=Lax`;
  await context.route(place.url, async (route) => {
    const { status, headers, body } = await fetchPage(place.url);
    await route.fulfill({ status, body, headers: { ...headers, 'set-cookie': cookie } });
  });
  const page = await newPage();
  await page.goto(place.url);
  const button = page.getByRole('button', { name: 'Sign in with Internet Identity' });
  await until(() => button.isEnabled(), 'the button can be pressed');
  await shoot(page, 'sign-in-internet-identity');
  await accessible(page, 'sign in with Internet Identity');
  const [window] = await Promise.all([page.waitForEvent('popup'), button.click()]);
  assert.match(window.url(), /^https:\/\/id\.ai\/authorize/);
  await page.getByText('Opening the vault').waitFor();
  assert.equal(asked, String(8n * 3_600_000_000_000n));
  const stored = await page.evaluate(
    () =>
      new Promise((resolve) => {
        indexedDB.open('keepsake-session').onsuccess = ({ target }) => {
          target.result.transaction('session').objectStore('session').get('current').onsuccess = ({ target: { result } }) =>
            resolve({ method: result.method, principal: result.principal, extractable: result.keyPair.privateKey.extractable });
        };
      }),
  );
  assert.deepEqual(stored, { method: 'internet-identity', principal: behind.getPrincipal().toText(), extractable: false });
  assert.deepEqual(complaints, []);
  await context.close();
});

test('a pass that has run out asks to sign in again', { skip }, async () => {
  const { newPage, context } = await somebody(browser);
  const page = await newPage();
  await page.clock.install();
  await page.goto(place.url);
  await page.getByText('I use the keepsake command').click();
  const { generateKeyPairSync } = await import('node:crypto');
  await page.getByLabel('Or its text').fill(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await page.getByRole('button', { name: 'Sign in with this key' }).click();
  await page.getByRole('heading', { name: 'Welcome' }).waitFor();
  await page.clock.fastForward('08:00:01');
  await page.getByText('Your session has ended').waitFor();
  await shoot(page, 'session-ended');
  await context.close();
});
