/**
 * Who is signed in, kept in IndexedDB, where pages and the service worker of this origin find it. Private keys are WebCrypto keys that cannot be
 * extracted: a script may use one while it runs here, and cannot take it away.
 *
 * @module
 */

import type { SignIdentity } from '@icp-sdk/core/agent';

/** How somebody signed in. */
export type SignInMethod = 'browser-key' | 'imported-key' | 'internet-identity';

/** What is kept of a session. */
export interface StoredSession {
  method: SignInMethod;
  /** Text form of the principal that acts. */
  principal: string;
  /** ECDSA P-256, not extractable. */
  keyPair: CryptoKeyPair;
  /** Delegations to `keyPair` as JSON, where somebody else's key stands behind it. */
  delegation?: string;
  /** Milliseconds since 1970 when the delegation ends. */
  expiresAt?: number;
  /** The vault that it is for, so that the service worker needs no cookie. */
  vault: { canisterId: string; host: string; rootKey: Uint8Array };
}

const DATABASE = 'keepsake-session';
const STORE = 'session';
const CURRENT = 'current';
/** The key that this browser made, kept while somebody is signed in another way. */
const BROWSER_KEY = 'browser-key';

/** Tabs tell each other, and the service worker, that somebody signed in or out. The message is the principal, or null. */
export const SESSION_CHANNEL = 'keepsake-session';

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB does not open'));
  });
}

async function transact<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await open();
  try {
    return await new Promise<T>((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error ?? new Error('IndexedDB gave up'));
    });
  } finally {
    database.close();
  }
}

/** Who is signed in; undefined for nobody, and where the session has run out. */
export async function readSession(): Promise<StoredSession | undefined> {
  const stored = await transact<StoredSession | undefined>('readonly', (store) => store.get(CURRENT));
  return stored?.expiresAt !== undefined && stored.expiresAt <= Date.now() ? undefined : stored;
}

export async function writeSession(session: StoredSession): Promise<void> {
  await transact('readwrite', (store) => store.put(session, CURRENT));
}

/** Forgets who is signed in. The browser's own key stays unless it is forgotten by `forgetBrowserKey`. */
export async function clearSession(): Promise<void> {
  await transact('readwrite', (store) => store.delete(CURRENT));
}

export function readBrowserKey(): Promise<CryptoKeyPair | undefined> {
  return transact<CryptoKeyPair | undefined>('readonly', (store) => store.get(BROWSER_KEY));
}

export async function writeBrowserKey(keyPair: CryptoKeyPair): Promise<void> {
  await transact('readwrite', (store) => store.put(keyPair, BROWSER_KEY));
}

export async function forgetBrowserKey(): Promise<void> {
  await transact('readwrite', (store) => store.delete(BROWSER_KEY));
}

/** The identity that signs for a session. Loads the agent's code. */
export async function identityOf(session: StoredSession): Promise<SignIdentity> {
  const { identityFrom } = await import('./identity.ts');
  return identityFrom(session);
}
