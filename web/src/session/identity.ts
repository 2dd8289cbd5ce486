/**
 * The identity that signs for a session. Apart from the store, because it brings the agent's code along: pages load it when they first call the vault, the service
 * worker, which may load nothing later, has it from the start.
 *
 * @module
 */

import type { SignIdentity } from '@icp-sdk/core/agent';
import { DelegationChain, DelegationIdentity, ECDSAKeyIdentity } from '@icp-sdk/core/identity';

import type { StoredSession } from './store.ts';

/** Makes the identity of a session from its key, and from its delegations where there are some. */
export async function identityFrom(session: StoredSession): Promise<SignIdentity> {
  const key = await ECDSAKeyIdentity.fromKeyPair(session.keyPair);
  return session.delegation === undefined
    ? key
    : DelegationIdentity.fromDelegation(key, DelegationChain.fromJSON(session.delegation));
}
