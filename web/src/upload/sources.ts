/**
 * Where the files of a queue can be read: in this tab because they were handed over here, from what the browser kept, in another tab that is still there, or
 * nowhere before the person hands them over again.
 *
 * @module
 */

import type { Item } from './item.svelte.ts';
import type { QueueStore } from './store.ts';
import { gone, isThere } from './tabs.ts';

/** The files of one person's queue. */
export class Sources {
  readonly #store: QueueStore;
  /** What to do with files that another tab leaves behind. */
  readonly #onLeft: (tab: string) => void;
  /** Files that this tab can read now. */
  readonly #here = new Map<string, File>();
  /** Other tabs whose end is waited for. */
  readonly #watched = new Set<string>();

  constructor(store: QueueStore, onLeft: (tab: string) => void) {
    this.#store = store;
    this.#onLeft = onLeft;
  }

  /** A file was handed over in this tab. */
  take(id: string, file: File): void {
    this.#here.set(id, file);
  }

  has(id: string): boolean {
    return this.#here.has(id);
  }

  drop(id: string): void {
    this.#here.delete(id);
  }

  /** The file itself; undefined where the browser has not kept it. Throws where it cannot be read any more. */
  async file(id: string): Promise<File | undefined> {
    const here = this.#here.get(id);
    if (here) {
      return here;
    }
    const kept = await this.#store.source(id).catch(() => undefined);
    return kept instanceof File ? kept : kept?.getFile();
  }

  /** Keeps a file for after a reload, unless it is done meanwhile. Where the browser keeps nothing, it is asked for again then. */
  async keep(id: string, file: File, handle: FileSystemFileHandle | undefined): Promise<void> {
    if (this.has(id)) {
      await this.#store.keepSource(id, file, handle).catch(() => false);
      if (!this.has(id)) {
        await this.#store.remove([id]).catch(() => {});
      }
    }
  }

  /** Says on items that wait where their files are. */
  async place(items: Iterable<Item>): Promise<void> {
    const there = new Map<string, Promise<boolean>>();
    for (const item of items) {
      const before = item.state;
      if (this.has(item.id) || !['waiting', 'needs-file', 'elsewhere'].includes(before)) {
        continue;
      }
      const { tab } = item.facts;
      const elsewhere = there.get(tab) ?? isThere(tab);
      there.set(tab, elsewhere);
      const found = (await elsewhere) ? 'elsewhere' : await this.#kept(item.id);
      // It may have begun meanwhile.
      if (item.state === before) {
        item.state = found;
      }
      if (found === 'elsewhere') {
        this.#watch(tab);
      }
    }
  }

  /** Asks the browser for leave to read files again; to be called while the person presses something. Ends at the first refusal. */
  async allow(items: Iterable<Item>): Promise<void> {
    for (const item of items) {
      if (item.state !== 'needs-permission') {
        continue;
      }
      const kept = await this.#store.source(item.id).catch(() => undefined);
      if (!kept || kept instanceof File || (await kept.requestPermission?.({ mode: 'read' })) !== 'granted') {
        return;
      }
      item.state = 'waiting';
    }
  }

  async #kept(id: string): Promise<'waiting' | 'needs-file' | 'needs-permission'> {
    const kept = await this.#store.source(id).catch(() => undefined);
    if (!kept) {
      return 'needs-file';
    }
    return !(kept instanceof File) && (await kept.queryPermission?.({ mode: 'read' })) === 'prompt'
      ? 'needs-permission'
      : 'waiting';
  }

  #watch(tab: string): void {
    if (!this.#watched.has(tab)) {
      this.#watched.add(tab);
      void gone(tab).then(() => {
        this.#watched.delete(tab);
        this.#onLeft(tab);
      });
    }
  }
}
