// What the vault's start page tells the gallery, read by the official parser, and its policy as browsers get it.

import assert from 'node:assert/strict';
import { get } from 'node:http';
import { after, before, test } from 'node:test';

import { HttpAgent } from '@icp-sdk/core/agent';
import { safeGetCanisterEnv } from '@icp-sdk/core/agent/canister-env';
import { safeGetCanisterEnv as safeGetCanisterEnv5 } from '@icp-sdk/core-5/agent/canister-env';

import { serve } from './keepsake.js';

let host;

before(async () => {
  host = await serve();
});

after(async () => {
  assert.equal(await host?.stop(), 0);
});

/** The start page's answer; the vault is found by the host's name. */
function startPage() {
  return new Promise((resolve, reject) => {
    get(host.url, { headers: { host: `${host.canisterId}.localhost` } }, resolve).on('error', reject);
  });
}

test('the start page says whose it is, as the official parser reads it', async () => {
  const answer = await startPage();
  answer.resume();
  assert.equal(answer.statusCode, 200);
  const [cookie, ...others] = answer.headers['set-cookie'];
  assert.deepEqual(others, []);
  const agent = await HttpAgent.create({ host: host.url });
  const rootKey = await agent.fetchRootKey();
  // A page sees the name and the value, among cookies of others.
  globalThis.document = { cookie: `other=1; ${cookie.split(';')[0]}; another=2` };
  for (const parse of [safeGetCanisterEnv, safeGetCanisterEnv5]) {
    const env = parse();
    assert.deepEqual(Buffer.from(env.IC_ROOT_KEY), Buffer.from(rootKey));
    assert.equal(env['PUBLIC_CANISTER_ID:vault'], host.canisterId);
  }
});
