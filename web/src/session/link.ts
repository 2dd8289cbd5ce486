/**
 * Linking the key of the `keepsake` command with who is signed in, both sides in one go: this person offers, the key accepts.
 *
 * @module
 */

import type { Keepsake } from '@keepsake/sdk';

import { identityFromPem } from './pem.ts';
import { readSession } from './store.ts';

/** Links the key in `pem` with the caller. The key is used for this one call and not kept. Throws KeyFileError and what the vault answers. */
export async function offerBetween(keepsake: Keepsake, pem: string): Promise<void> {
  const [identity, stored, { Keepsake }] = await Promise.all([identityFromPem(pem), readSession(), import('../vault/client.ts')]);
  if (!stored) {
    throw new Error('nobody is signed in');
  }
  const { canisterId, host, rootKey } = stored.vault;
  const other = await Keepsake.connect({ canisterId, host, rootKey, identity });
  await keepsake.people.offer(identity.getPrincipal());
  await other.people.accept(stored.principal);
}
