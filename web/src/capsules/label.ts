/**
 * What a capsule is called: by whom it is about, because a capsule has no name of its own.
 *
 * @module
 */

import type { CapsuleHeader, PersonRef } from '@keepsake/sdk/bindings';

import { names } from '../sharing/names.svelte.ts';

/** Whom the label is for: the principals that act as the person, and the person's own capsule. */
export interface Viewer {
  principal: string | undefined;
  ownCapsuleId: string | undefined;
}

/** A capsule's label for a person. */
export function capsuleLabel(capsule: Pick<CapsuleHeader, 'id' | 'subject'>, viewer: Viewer): string {
  if (capsule.id === viewer.ownCapsuleId) {
    return 'My memories';
  }
  const subject = subjectName(capsule.subject, viewer.principal);
  return subject === 'You' ? 'About you' : subject;
}

/** Whom a capsule is about. */
export function subjectName(subject: PersonRef, self?: string): string {
  return 'Opaque' in subject ? subject.Opaque : names.call(subject.Principal.toText(), self);
}
