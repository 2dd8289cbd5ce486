/**
 * The memories of the capsule that is shown, newest first, loaded page by page. One list for the timeline and the viewer; it outlives both, so that coming
 * back finds everything in its place. What this tab and others add, change and remove is followed.
 *
 * @module
 */

import { vault, type Change } from '../vault/vault.svelte.ts';
import { fromHeader, fromMemory, settleTimes, type TimelineItem } from './item.ts';

export type ListState = 'loading' | 'idle' | 'complete' | 'failed';

/** Memories asked for at a time: as many as the vault gives. */
const PAGE = 100;
/** Items whose tiny pictures are kept; of the others they go first that came first. */
const MOST_PLACEHOLDERS = 6_000;
/** Milliseconds for which changes are gathered. */
const GATHER = 250;
/** Versions whose changes are remembered. */
const MOST_CHANGES = 64;
/** Memories read at the same time after changes. */
const READS = 6;

class TimelineList {
  /** Changes whenever the items do; `items` itself is not watched. */
  version = $state(0);
  state = $state<ListState>('idle');
  problem = $state.raw<unknown>();
  items: TimelineItem[] = [];
  /** Memories in the capsule, as far as it is known. */
  total = $state(0);
  /** The vault has others than these: shown after `restart`. */
  stale = $state(false);
  /** Where the timeline was scrolled to. */
  scrollTop = 0;
  /** The memory that the viewer showed last. */
  lastViewed: string | undefined;

  #capsuleId: string | undefined;
  /** Memories that the vault has, by what is known here. */
  #expected = 0;
  #cursor: string | undefined;
  #index = new Map<string, number>();
  /** Items that are in the index, and the version that it is of. */
  #indexed = { count: 0, version: 0 };
  /** The first item that changed with each of the last versions. */
  #changes: { version: number; from: number }[] = [];
  #loading: Promise<void> | undefined;
  #generation = 0;
  /** Memories that are to be read again, and whether they are new. */
  #changed = new Map<string, 'added' | 'changed'>();
  /** Changes are gathered or read. */
  #applying = false;
  /** Memories that are gone, whatever a page that is on its way says. */
  #removed = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #placeholders: TimelineItem[] = [];

  constructor() {
    vault.onChange((change) => this.#hear(change));
    vault.onClose(() => {
      this.#capsuleId = undefined;
      this.#clear();
    });
  }

  /** Shows a capsule: what was loaded of it before is there at once. */
  open(capsuleId: string): void {
    if (this.#capsuleId !== capsuleId) {
      this.#capsuleId = capsuleId;
      this.restart();
    }
  }

  /** Begins anew. */
  restart(): void {
    this.#clear();
    this.#expected = this.total = Number(vault.capsule?.memory_count ?? 0n);
    void this.loadMore();
  }

  /** Looks whether the vault has more or fewer memories than are known here: others may have added some. Failing, it says nothing. */
  async look(): Promise<void> {
    const generation = this.#generation;
    const expected = this.#expected;
    if (this.stale || this.#capsuleId === undefined || this.#applying) {
      return;
    }
    try {
      await vault.refreshCapsules();
    } catch {
      return;
    }
    const count = Number(vault.capsule?.memory_count ?? 0n);
    if (generation === this.#generation && expected === this.#expected && count !== expected) {
      this.stale = true;
    }
  }

  #clear(): void {
    this.#generation += 1;
    this.stale = false;
    this.#cursor = undefined;
    this.#loading = undefined;
    this.#changed.clear();
    this.#removed.clear();
    this.#applying = false;
    this.#placeholders = [];
    this.items = [];
    this.scrollTop = 0;
    this.lastViewed = undefined;
    this.total = 0;
    this.state = 'idle';
    this.problem = undefined;
    this.#touch(0);
  }

  /** Loads the next page; while one is on its way, waits for that. */
  loadMore(): Promise<void> {
    if (this.state === 'complete' || this.#capsuleId === undefined) {
      return Promise.resolve();
    }
    this.#loading ??= this.#page().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  /** Place of a memory in the list; -1 where it is not loaded. */
  indexOf(id: string): number {
    const { count, version } = this.#indexed;
    if (version !== this.version) {
      const grown = this.changedSince(version) >= count;
      if (!grown) {
        this.#index.clear();
      }
      for (let at = grown ? count : 0; at < this.items.length; at += 1) {
        this.#index.set((this.items[at] as TimelineItem).id, at);
      }
      this.#indexed = { count: this.items.length, version: this.version };
    }
    return this.#index.get(id) ?? -1;
  }

  /** The first item whose place may be another than at a version. */
  changedSince(version: number): number {
    if (version + MOST_CHANGES < this.version) {
      return 0;
    }
    return Math.min(Infinity, ...this.#changes.flatMap((change) => (change.version > version ? [change.from] : [])));
  }

  async #page(): Promise<void> {
    const generation = this.#generation;
    this.state = 'loading';
    this.problem = undefined;
    try {
      const page = await vault.keepsake.calls.memories_list(
        this.#capsuleId as string,
        this.#cursor === undefined ? [] : [this.#cursor],
        [PAGE],
      );
      if (generation !== this.#generation) {
        return;
      }
      const from = this.items.length;
      for (const header of page.items) {
        // A memory that was added here meanwhile is there already.
        if (this.indexOf(header.id) < 0 && !this.#removed.has(header.id)) {
          const item = fromHeader(header);
          this.items.push(item);
          this.#keepPlaceholder(item);
        }
      }
      [this.#cursor] = page.next_cursor;
      this.state = this.#cursor === undefined ? 'complete' : 'idle';
      this.total = this.#cursor === undefined ? this.items.length : Math.max(this.total, this.items.length);
      this.#touch(settleTimes(this.items, from));
    } catch (error) {
      if (generation === this.#generation) {
        this.problem = error;
        this.state = 'failed';
      }
    }
  }

  #keepPlaceholder(item: TimelineItem): void {
    if (item.placeholder === undefined) {
      return;
    }
    this.#placeholders.push(item);
    if (this.#placeholders.length > MOST_PLACEHOLDERS) {
      for (const old of this.#placeholders.splice(0, MOST_PLACEHOLDERS / 4)) {
        old.placeholder = undefined;
      }
    }
  }

  #touch(from: number): void {
    this.version += 1;
    this.#changes.push({ version: this.version, from });
    if (this.#changes.length > MOST_CHANGES) {
      this.#changes.shift();
    }
  }

  #hear({ capsuleId, kind, memoryIds }: Change): void {
    if (capsuleId !== this.#capsuleId) {
      return;
    }
    if (kind === 'unknown') {
      this.restart();
      return;
    }
    for (const id of memoryIds) {
      if (kind === 'removed') {
        this.#changed.delete(id);
        if (!this.#removed.has(id)) {
          this.#removed.add(id);
          this.#count(-1);
        }
      } else {
        this.#removed.delete(id);
        this.#changed.set(id, this.#changed.get(id) === 'added' ? 'added' : kind);
      }
    }
    this.#applying = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#apply(), kind === 'removed' ? 0 : GATHER);
  }

  async #apply(): Promise<void> {
    const generation = this.#generation;
    const changed = new Map(this.#changed);
    const ids = [...changed.keys()];
    this.#changed.clear();
    const read: (TimelineItem | undefined)[] = [];
    for (let at = 0; at < ids.length; at += READS) {
      const some = ids.slice(at, at + READS).map(async (id) => {
        try {
          return fromMemory(await vault.keepsake.memory(id));
        } catch (error) {
          if (error instanceof Error && error.name === 'NotFoundError') {
            this.#removed.add(id);
            this.#count(changed.get(id) === 'changed' ? -1 : 0);
          }
          // What cannot be read now stays as it is until it is looked at.
          return undefined;
        }
      });
      read.push(...(await Promise.all(some)));
    }
    if (generation !== this.#generation) {
      return;
    }
    const fresh = new Map(read.flatMap((item) => (item ? [[item.id, item] as const] : [])));
    const before = this.items;
    const kept = before.filter(({ id }) => !this.#removed.has(id) && !fresh.has(id));
    let from = before.findIndex(({ id }) => this.#removed.has(id) || fresh.has(id));
    const known = new Set(before.map(({ id }) => id));
    for (const item of fresh.values()) {
      const at = place(kept, item.time);
      if (at === kept.length && this.state !== 'complete' && !known.has(item.id)) {
        // It belongs to what is not loaded yet.
        this.#count(changed.get(item.id) === 'added' ? 1 : 0);
        continue;
      }
      kept.splice(at, 0, item);
      this.#keepPlaceholder(item);
      this.#count(known.has(item.id) ? 0 : 1);
      from = from < 0 ? at : Math.min(from, at);
    }
    if (from >= 0) {
      this.items = kept;
      this.#touch(from);
    }
    this.#applying = this.#changed.size > 0;
  }

  #count(by: number): void {
    this.total += by;
    this.#expected += by;
  }
}

/** Where an item of this time belongs: after those that are newer. */
function place(items: readonly TimelineItem[], time: number): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((items[middle] as TimelineItem).time >= time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

export const list = new TimelineList();
