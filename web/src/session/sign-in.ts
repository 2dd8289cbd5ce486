/**
 * The ways in. Each ends in a session whose key is in the browser, P-256, not extractable:
 *
 * - a key that this browser made is that key itself;
 * - a key of the `keepsake` command signs a delegation to such a key, and is forgotten at once;
 * - an Internet Identity does the same in a window of its own.
 *
 * @module
 */

import type { SignIdentity } from '@icp-sdk/core/agent';
import type { DelegationChain } from '@icp-sdk/core/identity';

import type { Environment } from './environment.ts';
import { identityFromPem } from './pem.ts';
import { session } from './session.svelte.ts';
import { readBrowserKey, writeBrowserKey, writeSession, type SignInMethod, type StoredSession } from './store.ts';

const HOUR = 3_600_000;
/** Milliseconds for which a delegation holds. */
export const SESSION_TIME = 8 * HOUR;
export const LONG_SESSION_TIME = 30 * 24 * HOUR;

const IDENTITY_PROVIDER = 'https://id.ai/authorize';

/** Whether this browser has a key of its own already. */
export async function hasBrowserKey(): Promise<boolean> {
  return (await readBrowserKey()) !== undefined;
}

/** Signs in with the key of this browser, which is made at the first time. */
export async function signInHere(): Promise<void> {
  let keyPair = await readBrowserKey();
  if (!keyPair) {
    keyPair = await newKeyPair();
    await writeBrowserKey(keyPair);
    // Asks the browser not to clear it away when space is short. Whether it agrees changes nothing here.
    void navigator.storage?.persist?.();
  }
  await enter('browser-key', keyPair);
}

/** Signs in with a key of the `keepsake` command for a while. Throws KeyFileError for what is no key. */
export async function signInWithPem(text: string, time: number = SESSION_TIME): Promise<void> {
  const { DelegationChain } = await import('@icp-sdk/core/identity');
  const identity = await identityFromPem(text);
  const { keyPair, publicKey } = await newSessionKey();
  const chain = await DelegationChain.create(identity, publicKey, new Date(Date.now() + time));
  await enter('imported-key', keyPair, chain);
}

/**
 * Signs in with Internet Identity. Call it in the handler of a click, with what `loadInternetIdentity` gave: browsers open windows for clicks only.
 */
export async function signInWithInternetIdentity({ AuthClient, key }: InternetIdentity): Promise<void> {
  const client = new AuthClient({
    identityProvider: IDENTITY_PROVIDER,
    identity: key.identity,
    storage: NOWHERE,
    idleOptions: { disableIdle: true },
  });
  const identity = await client.signIn({ maxTimeToLive: BigInt(SESSION_TIME) * 1_000_000n });
  const { DelegationIdentity } = await import('@icp-sdk/core/identity');
  if (!(identity instanceof DelegationIdentity)) {
    throw new Error('Internet Identity answered without a delegation.');
  }
  await enter('internet-identity', key.keyPair, identity.getDelegation());
}

export interface InternetIdentity {
  AuthClient: (typeof import('@icp-sdk/auth/client'))['AuthClient'];
  key: { identity: SignIdentity; keyPair: CryptoKeyPair };
}

/** What signing in with Internet Identity needs, loaded before the click. */
export async function loadInternetIdentity(): Promise<InternetIdentity> {
  const [{ AuthClient }, { ECDSAKeyIdentity }, keyPair] = await Promise.all([
    import('@icp-sdk/auth/client'),
    import('@icp-sdk/core/identity'),
    newKeyPair(),
  ]);
  return { AuthClient, key: { identity: await ECDSAKeyIdentity.fromKeyPair(keyPair), keyPair } };
}

// The session is kept by store.ts, once.
const NOWHERE = {
  get: () => Promise.resolve(null),
  set: () => Promise.resolve(),
  remove: () => Promise.resolve(),
};

function newKeyPair(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
}

async function newSessionKey() {
  const { ECDSAKeyIdentity } = await import('@icp-sdk/core/identity');
  const keyPair = await newKeyPair();
  const identity = await ECDSAKeyIdentity.fromKeyPair(keyPair);
  return { keyPair, publicKey: identity.getPublicKey() };
}

async function enter(method: SignInMethod, keyPair: CryptoKeyPair, chain?: DelegationChain): Promise<void> {
  const { DelegationIdentity, ECDSAKeyIdentity } = await import('@icp-sdk/core/identity');
  const key = await ECDSAKeyIdentity.fromKeyPair(keyPair);
  const identity = chain ? DelegationIdentity.fromDelegation(key, chain) : key;
  // The first delegation to end ends them all; nanoseconds.
  const ends = chain?.delegations.map(({ delegation }) => delegation.expiration).reduce((a, b) => (a < b ? a : b));
  const { canisterId, host, rootKey } = session.environment as Environment;
  const stored: StoredSession = {
    method,
    keyPair,
    principal: identity.getPrincipal().toText(),
    ...(chain ? { delegation: JSON.stringify(chain.toJSON()) } : {}),
    ...(ends === undefined ? {} : { expiresAt: Number(ends / 1_000_000n) }),
    vault: { canisterId, host, rootKey },
  };
  await writeSession(stored);
  await session.entered(stored);
}
