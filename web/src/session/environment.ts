/**
 * Which vault served this page, and whose signatures to believe: the `ic_env` cookie, which the vault sets with its pages and `vite dev` with
 * its own. One build runs on the Internet Computer and on anybody's machine.
 *
 * @module
 */

import { safeGetCanisterEnv } from '@icp-sdk/core/agent/canister-env';

/** How the vault is reached. */
export interface Environment {
  canisterId: string;
  /** Where calls go: this page's origin, or the Internet Computer's API. */
  host: string;
  /** DER. What the vault's certificates are verified against. */
  rootKey: Uint8Array;
  /** Served by the Internet Computer; else by a machine of somebody's own. */
  mainnet: boolean;
}

/** This page does not know which vault it belongs to. */
export class EnvironmentError extends Error {
  override name = 'EnvironmentError';
}

/** The last 18 bytes of the Internet Computer's root key: enough to tell it from a local one. */
const MAINNET_KEY_END = 'b01291091c5f87b98883463f98091a0baaae';

/** Says which vault this is. Throws EnvironmentError where the cookie and the address do not tell. */
export function environment(): Environment {
  const env: Record<string, unknown> | undefined = safeGetCanisterEnv();
  const rootKey = env?.['IC_ROOT_KEY'];
  if (!(rootKey instanceof Uint8Array)) {
    throw new EnvironmentError('The cookie that says whose signatures to believe is missing.');
  }
  const named = env?.['PUBLIC_CANISTER_ID:vault'] ?? env?.['canister_id'];
  const canisterId = typeof named === 'string' && named !== '' ? named : canisterOfHost(location.hostname);
  if (canisterId === undefined) {
    throw new EnvironmentError('Neither the cookie nor the address says which vault this is.');
  }
  const mainnet = isMainnet(rootKey);
  return { canisterId, rootKey, mainnet, host: mainnet ? 'https://icp-api.io' : location.origin };
}

/** `<canister id>.icp0.io`, `<canister id>.localhost`. */
function canisterOfHost(hostname: string): string | undefined {
  return /^([a-z0-9]{5}(?:-[a-z0-9]{3,5})+)\./.exec(hostname)?.[1];
}

function isMainnet(rootKey: Uint8Array): boolean {
  return toHex(rootKey).endsWith(MAINNET_KEY_END);
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
