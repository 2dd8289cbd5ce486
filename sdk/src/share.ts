/**
 * Sharing a memory, seeing with whom it is shared, and taking that back.
 *
 * @module
 */

import { Principal } from '@icp-sdk/core/principal';

import type { AccessCondition, AccessEntry, AccessEvent } from './bindings/vault.did.js';
import type { Keepsake } from './client.js';
import { personRef, somebody, type Somebody } from './person.js';
import { dateOf, nanosOf } from './time.js';

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

/** Somebody's access to a memory. */
export interface Share {
  /** By which it is revoked. */
  id: string;
  with: Somebody | { group: string } | 'public';
  /** The widest that its mask covers; undefined for a mask that does not even cover viewing. */
  permission: Permission | undefined;
  /** Permission bits as the vault keeps them. */
  mask: number;
  from: Date | undefined;
  until: Date | undefined;
  after: AccessEvent | undefined;
  /** Who gave it. */
  by: Somebody | undefined;
  createdAt: Date;
  updatedAt: Date;
}

/** Shares as {@link ShareOptions} say; returns the entry's id. */
export async function grantAccess(keepsake: Keepsake, memoryId: string, options: ShareOptions): Promise<string> {
  const entry = await keepsake.calls.access_grant(memoryId, accessEntry(options));
  return entry.id;
}

/** Takes an entry away. */
export async function revokeAccess(keepsake: Keepsake, memoryId: string, shareId: string): Promise<void> {
  await keepsake.calls.access_revoke(memoryId, shareId);
}

/** Who has access to a memory by an entry of its own, in the order of the entries. */
export async function listAccess(keepsake: Keepsake, memoryId: string): Promise<Share[]> {
  const { access_entries: entries } = await keepsake.calls.memories_read(memoryId);
  return entries.map(accessShare);
}

/** An access entry in plain values. */
export function accessShare(entry: AccessEntry): Share {
  const [person] = entry.person_ref;
  const [group] = entry.source_id;
  const [by] = entry.invited_by_person_ref;
  const { condition } = entry;
  // Widest first.
  const permissions = (Object.keys(MASKS) as Permission[]).reverse();
  return {
    id: entry.id,
    with:
      'Group' in entry.grant_source ? { group: group ?? '' } : person && !entry.is_public ? somebody(person) : 'public',
    permission: permissions.find((name) => (entry.perm_mask & MASKS[name]) === MASKS[name]),
    mask: entry.perm_mask,
    from: 'Scheduled' in condition ? dateOf(condition.Scheduled.accessible_after) : undefined,
    until: 'ExpiresAt' in condition ? dateOf(condition.ExpiresAt.expires) : undefined,
    after: 'EventTriggered' in condition ? condition.EventTriggered.event : undefined,
    by: by && somebody(by),
    createdAt: dateOf(entry.created_at),
    updatedAt: dateOf(entry.updated_at),
  };
}

function accessEntry(options: ShareOptions): AccessEntry {
  const target = options.with;
  const group = typeof target === 'object' && 'group' in target ? target.group : undefined;
  const isPublic = target === 'public';
  const person = isPublic || group !== undefined ? undefined : Principal.from(target as Principal | string);
  return {
    id: options.id ?? (isPublic ? 'public' : group !== undefined ? `group:${group}` : `person:${person?.toText()}`),
    is_public: isPublic,
    person_ref: person ? [personRef(person)] : [],
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
    return { Scheduled: { accessible_after: nanosOf(from) } };
  }
  if (until) {
    return { ExpiresAt: { expires: nanosOf(until) } };
  }
  return after ? { EventTriggered: { event: after } } : { Immediate: null };
}
