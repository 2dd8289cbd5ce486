/**
 * What a capsule is called: by whom it is about, because a capsule has no name of its own.
 *
 * @module
 */

import type { CapsuleHeader } from '@keepsake/sdk/bindings';

import { names } from '../sharing/names.svelte.ts';
import { self } from '../sharing/self.svelte.ts';
import { vault } from '../vault/vault.svelte.ts';

/** A capsule's label for who is signed in. */
export function capsuleLabel({ id, subject }: Pick<CapsuleHeader, 'id' | 'subject'>): string {
  if (id === vault.ownCapsuleId) {
    return 'My memories';
  }
  if ('Opaque' in subject) {
    return subject.Opaque;
  }
  const principal = subject.Principal.toText();
  return self.is(principal) ? 'About you' : names.call(principal);
}

/** Capsules as they are listed: one's own first, then the oldest. The vault has an order of its own. */
export function inOrder(capsules: readonly CapsuleHeader[]): CapsuleHeader[] {
  const own = (capsule: CapsuleHeader) => (capsule.id === vault.ownCapsuleId ? 0 : 1);
  return [...capsules].sort((a, b) => own(a) - own(b) || Number(a.created_at - b.created_at));
}
