/**
 * Sharing a memory and taking that back.
 *
 * @module
 */

import { Principal } from '@icp-sdk/core/principal';

import type { AccessCondition, AccessEntry, AccessEvent } from './bindings/vault.did.js';
import type { Keepsake } from './client.js';

/** What somebody may do; each includes what is named before it. */
export type Permission = 'view' | 'download' | 'share' | 'manage' | 'own';

// VIEW 1, DOWNLOAD 2, SHARE 4, MANAGE 8, OWN 16.
const MASKS: Readonly<Record<Permission, number>> = { view: 1, download: 3, share: 7, manage: 15, own: 31 };

/** With whom, how far and when. */
export interface ShareOptions {
  /** A principal; `public` for everybody; a connection group of the capsule by its id. */
  with: Principal | string | { group: string };
  /** `download` by default: derivatives and originals. For everybody at most that. */
  permission?: Permission;
  /** Counts from then on. */
  from?: Date;
  /** Counts until then. Not together with `from`: an entry has one condition. */
  until?: Date;
  /** Counts once the capsule's owner has recorded this event. */
  after?: AccessEvent;
  /** The entry's id; the same replaces it. By default it follows from whom it is for. */
  id?: string;
}

export async function grantAccess(keepsake: Keepsake, memoryId: string, options: ShareOptions): Promise<string> {
  const entry = await keepsake.calls.access_grant(memoryId, accessEntry(options));
  return entry.id;
}

export async function revokeAccess(keepsake: Keepsake, memoryId: string, shareId: string): Promise<void> {
  await keepsake.calls.access_revoke(memoryId, shareId);
}

function accessEntry(options: ShareOptions): AccessEntry {
  const target = options.with;
  const group = typeof target === 'object' && 'group' in target ? target.group : undefined;
  const isPublic = target === 'public';
  const person = isPublic || group !== undefined ? undefined : Principal.from(target as Principal | string);
  return {
    id: options.id ?? (isPublic ? 'public' : group !== undefined ? `group:${group}` : `person:${person?.toText()}`),
    is_public: isPublic,
    person_ref: person ? [{ Principal: person }] : [],
    source_id: group === undefined ? [] : [group],
    grant_source: group === undefined ? { User: null } : { Group: null },
    role: { Guest: null },
    perm_mask: MASKS[options.permission ?? 'download'],
    condition: condition(options),
    invited_by_person_ref: [],
    created_at: 0n,
    updated_at: 0n,
  };
}

function condition({ from, until, after }: ShareOptions): AccessCondition {
  const given = [from, until, after].filter((value) => value !== undefined);
  if (given.length > 1) {
    throw new TypeError('an entry has one condition: from, until or after');
  }
  if (from) {
    return { Scheduled: { accessible_after: nanos(from) } };
  }
  if (until) {
    return { ExpiresAt: { expires: nanos(until) } };
  }
  return after ? { EventTriggered: { event: after } } : { Immediate: null };
}

function nanos(date: Date): bigint {
  return BigInt(date.getTime()) * 1_000_000n;
}
