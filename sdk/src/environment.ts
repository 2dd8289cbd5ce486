/**
 * Where a page that a vault serves finds that vault. The page's answer sets the cookie `ic_env` with the root key of its network, on the Internet Computer
 * and on a machine of one's own alike, so that one build runs in both places and believes the same keys there as everywhere.
 *
 * @module
 */

import { IC_ROOT_KEY } from '@icp-sdk/core/agent';
import { safeGetCanisterEnv } from '@icp-sdk/core/agent/canister-env';
import { Principal } from '@icp-sdk/core/principal';

import { KeepsakeError } from './errors.js';
import { toHex } from './hex.js';

/** The vault that a page came from. */
export interface VaultEnvironment {
  canisterId: Principal;
  /** Where the vault's interface is reached. */
  host: string;
  /** The key that its certificates are verified by. */
  rootKey: Uint8Array;
  /** Whether the vault is on the Internet Computer, not on a machine of its owner's. */
  mainnet: boolean;
}

const MAINNET_HOST = 'https://icp-api.io';
/** Variables that name canisters begin so, by the convention of the official tools. */
const CANISTER_VARIABLE = 'PUBLIC_CANISTER_ID:';

/**
 * The vault that the page came from. Its canister id is the one that the cookie names (`PUBLIC_CANISTER_ID:vault`), else the first label of the page's host
 * name, else the parameter `canisterId` of its address.
 *
 * Throws KeepsakeError outside of such a page.
 */
export function vaultEnvironment(): VaultEnvironment {
  const variables = safeGetCanisterEnv<Record<string, unknown>>();
  const { location } = globalThis;
  if (!variables || !location) {
    throw new KeepsakeError('this page does not come from a vault: it has no cookie ic_env');
  }
  const named = variables[`${CANISTER_VARIABLE}vault`];
  const candidates = [
    typeof named === 'string' ? named : undefined,
    location.hostname.split('.')[0],
    new URLSearchParams(location.search).get('canisterId') ?? undefined,
  ];
  const canisterId = candidates.map(canisterPrincipal).find((found) => found !== undefined);
  if (!canisterId) {
    throw new KeepsakeError(`the address ${location.origin} does not tell the vault's canister id`);
  }
  const rootKey = variables.IC_ROOT_KEY;
  const mainnet = toHex(rootKey) === IC_ROOT_KEY.toLowerCase();
  return { canisterId, host: mainnet ? MAINNET_HOST : location.origin, rootKey, mainnet };
}

/** A principal in its one textual form; undefined for everything else. */
function canisterPrincipal(text: string | undefined): Principal | undefined {
  if (!text?.includes('-')) {
    return undefined;
  }
  try {
    return Principal.fromText(text);
  } catch {
    return undefined;
  }
}
