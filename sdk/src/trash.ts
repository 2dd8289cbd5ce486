/**
 * The trash: deletions that can be undone for 30 days.
 *
 * @module
 */

import type { BulkDeleteResult } from './bindings/vault.did.js';
import type { Keepsake } from './client.js';
import { throwIfAborted } from './errors.js';
import { summary, type ListOptions, type MemorySummary } from './memories/listing.js';
import { dateOf } from './time.js';

/** A memory in the trash. */
export interface TrashedMemory {
  /** As in listings, without links: nothing in the trash is served. */
  memory: MemorySummary;
  trashedAt: Date;
  /** From then on it cannot be restored, and its space comes back. */
  reclaimedAt: Date;
}

/** What became of many deletions. */
export interface DeletedMany {
  deleted: number;
  failed: number;
}

/** The trash of the capsules that the caller has a part in. {@link Keepsake.trash} has one. */
export class Trash {
  readonly #keepsake: Keepsake;

  /** For this package's own use. */
  constructor(keepsake: Keepsake) {
    this.#keepsake = keepsake;
  }

  /** Puts a memory in the trash: no other call finds it any more. Needs the permission `own`. Again: nothing happens. */
  async put(memoryId: string): Promise<void> {
    await this.#keepsake.calls.memories_trash(memoryId);
  }

  /** Takes a memory out of the trash: it is as it was. NotFoundError after 30 days, and after a deletion for good. */
  async restore(memoryId: string): Promise<void> {
    await this.#keepsake.calls.memories_restore(memoryId);
  }

  /** What is in a capsule's trash, what was put there last first; the caller's own capsule by default. For its owners and controllers. */
  async *list(options: ListOptions & { capsuleId?: string } = {}): AsyncIterableIterator<TrashedMemory> {
    const { capsuleId, pageSize, signal } = options;
    const capsule = capsuleId ?? (await this.#keepsake.ownCapsule());
    const limit: [] | [number] = pageSize === undefined ? [] : [pageSize];
    let cursor: [] | [string] = [];
    do {
      throwIfAborted(signal);
      const page = await this.#keepsake.calls.memories_trashed(capsule, cursor, limit);
      for (const { header, trashed_at: trashed, reclaimed_at: reclaimed } of page.items) {
        yield { memory: summary(header), trashedAt: dateOf(trashed), reclaimedAt: dateOf(reclaimed) };
      }
      cursor = page.next_cursor;
    } while (cursor.length > 0);
  }

  /** Deletes a memory for good, with its assets, whether it is in the trash or not. Again: nothing happens. */
  async delete(memoryId: string): Promise<void> {
    await this.#keepsake.calls.memories_delete(memoryId, true);
  }

  /** Deletes for good what is in a capsule's trash when the call arrives. For its owners and controllers. */
  async empty(capsuleId?: string): Promise<DeletedMany> {
    const capsule = capsuleId ?? (await this.#keepsake.ownCapsule());
    return deletedMany(await this.#keepsake.calls.memories_trash_empty(capsule));
  }
}

function deletedMany({ deleted_count: deleted, failed_count: failed }: BulkDeleteResult): DeletedMany {
  return { deleted, failed };
}
