/**
 * One capsule: who it is about, who owns and controls it, its groups, events, quotas and what is left to delete elsewhere.
 *
 * @module
 */

import type { AccessEvent, BlobHosting, ConnectionGroup } from './bindings/vault.did.js';
import type { Keepsake } from './client.js';
import { opt } from './memories/metadata.js';
import { personRef, somebody, type Somebody, type SomebodyLike } from './person.js';
import { readCapsuleStatus, type CapsuleStatus } from './status.js';
import { dateOf } from './time.js';

/** What a capsule is to the caller. */
export interface CapsuleInfo {
  id: string;
  /** Whom it is about. */
  subject: Somebody;
  isOwner: boolean;
  isController: boolean;
  /** Whether it is the caller's own capsule: made as that, and not given up since. */
  isOwn: boolean;
  memoryCount: number;
  createdAt: Date;
  updatedAt: Date;
}

/** Who has a part in a capsule. */
export interface CapsulePeople {
  subject: Somebody;
  /** They may do everything, and say who else does. At least one of them is a principal. */
  owners: { who: Somebody; since: Date }[];
  /** They may do everything but delete the capsule and say who owns and controls it. */
  controllers: { who: Somebody; since: Date; by: Somebody }[];
}

/** People that a memory can be shared with together. */
export interface Group {
  id: string;
  name: string;
  description: string | undefined;
  members: Somebody[];
  createdAt: Date;
  updatedAt: Date;
}

/** What a group is to be. */
export interface GroupDescription {
  name: string;
  description?: string;
  /** At most 200. */
  members: readonly SomebodyLike[];
}

/** External content that no asset has any more: whoever can deletes it where it is, and acknowledges. */
export interface ExternalDeletion {
  id: string;
  location: NameOf<BlobHosting>;
  storageKey: string;
  removedAt: Date;
}

type NameOf<Variant> = Variant extends unknown ? keyof Variant : never;

/** A capsule that the caller has a part in. {@link Keepsake.capsule} makes one; nothing is asked of the vault before a method is called. */
export class CapsuleHandle {
  readonly id: string;
  readonly #keepsake: Keepsake;

  /** For this package's own use. */
  constructor(keepsake: Keepsake, id: string) {
    this.#keepsake = keepsake;
    this.id = id;
  }

  /** What it is to the caller. NotFoundError also for who may not know that it exists. */
  async info(): Promise<CapsuleInfo> {
    const info = await this.#keepsake.calls.capsules_read_basic([this.id]);
    return {
      id: info.capsule_id,
      subject: somebody(info.subject),
      isOwner: info.is_owner,
      isController: info.is_controller,
      isOwn: info.is_self_capsule,
      memoryCount: Number(info.memory_count),
      createdAt: dateOf(info.created_at),
      updatedAt: dateOf(info.updated_at),
    };
  }

  /** How much of its quotas it uses. */
  status(): Promise<CapsuleStatus> {
    return readCapsuleStatus(this.#keepsake, this.id);
  }

  /** Whom it is about, who owns and who controls it. */
  async people(): Promise<CapsulePeople> {
    const capsule = await this.#keepsake.calls.capsules_read_full([this.id]);
    return {
      subject: somebody(capsule.subject),
      owners: capsule.owners.map(([who, { since }]) => ({ who: somebody(who), since: dateOf(since) })),
      controllers: capsule.controllers.map(([who, { granted_at: since, granted_by: by }]) => ({
        who: somebody(who),
        since: dateOf(since),
        by: somebody(by),
      })),
    };
  }

  /** Makes somebody an owner, at most 32. Again: nothing happens. For owners. */
  async addOwner(who: SomebodyLike): Promise<void> {
    await this.#keepsake.calls.capsule_owner_add(this.id, personRef(who));
  }

  /** Takes somebody, the caller too, out of the owners. ConflictError where no owner would be left who is a principal. For owners. */
  async removeOwner(who: SomebodyLike): Promise<void> {
    await this.#keepsake.calls.capsule_owner_remove(this.id, personRef(who));
  }

  /** Makes somebody a controller, at most 32. Again: nothing happens. For owners. */
  async addController(who: SomebodyLike): Promise<void> {
    await this.#keepsake.calls.capsule_controller_add(this.id, personRef(who));
  }

  /** Takes somebody out of the controllers. For owners, and for a controller to take itself out. */
  async removeController(who: SomebodyLike): Promise<void> {
    await this.#keepsake.calls.capsule_controller_remove(this.id, personRef(who));
  }

  /** Its groups, by name. */
  async groups(): Promise<Group[]> {
    const { connection_groups: groups } = await this.#keepsake.calls.capsules_read_full([this.id]);
    return groups.map(([, record]) => group(record)).sort((a, b) => a.name.localeCompare(b.name));
  }

  /** Makes a group, or replaces the one with this id; what is shared with it counts for its members at once. At most 100. For owners and controllers. */
  async putGroup(id: string, { name, description, members }: GroupDescription): Promise<Group> {
    const refs = members.map(personRef);
    return group(await this.#keepsake.calls.connection_group_put(this.id, id, name, opt(description), refs));
  }

  /** Removes a group: what was shared with it is shared with nobody by that. Again: nothing happens. */
  async removeGroup(id: string): Promise<void> {
    await this.#keepsake.calls.connection_group_remove(this.id, id);
  }

  /** Records that an event has happened: what is shared `after` it is from now on. It cannot be taken back. For owners. */
  async recordEvent(event: AccessEvent): Promise<void> {
    await this.#keepsake.calls.capsule_event_record(this.id, event);
  }

  /** External content to delete where it is kept, at most 1,000 at a time. For owners and controllers. */
  async externalDeletions(): Promise<ExternalDeletion[]> {
    const deletions = await this.#keepsake.calls.external_deletions_list(this.id);
    return deletions.map(({ id, location, storage_key: storageKey, removed_at: removed }) => ({
      id,
      // A variant has one name.
      location: Object.keys(location)[0] as ExternalDeletion['location'],
      storageKey,
      removedAt: dateOf(removed),
    }));
  }

  /** Takes deletions off the list that were carried out; returns how many were on it. */
  acknowledgeDeletions(ids: string[]): Promise<number> {
    return this.#keepsake.calls.external_deletions_acknowledge(this.id, ids);
  }

  /** Deletes the capsule with everything in it, its trash too. There is no way back. Again: nothing happens. For owners. */
  async delete(): Promise<void> {
    await this.#keepsake.calls.capsules_delete(this.id);
  }
}

function group(record: ConnectionGroup): Group {
  return {
    id: record.id,
    name: record.name,
    description: record.description[0],
    members: record.members.map(somebody),
    createdAt: dateOf(record.created_at),
    updatedAt: dateOf(record.updated_at),
  };
}
