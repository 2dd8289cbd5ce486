/**
 * Memories that are selected in the timeline.
 *
 * @module
 */

import { SvelteSet } from 'svelte/reactivity';

import { vault } from '../vault/vault.svelte.ts';
import { list } from './list.svelte.ts';

class Selection {
  readonly ids = new SvelteSet<string>();
  /** Where a range begins. */
  #anchor: string | undefined;

  constructor() {
    vault.onClose(() => this.clear());
  }

  get size(): number {
    return this.ids.size;
  }

  has(id: string): boolean {
    return this.ids.has(id);
  }

  toggle(id: string): void {
    if (!this.ids.delete(id)) {
      this.ids.add(id);
    }
    this.#anchor = id;
  }

  /** Selects everything between the last one that was chosen and this one. */
  extendTo(id: string): void {
    const from = this.#anchor === undefined ? -1 : list.indexOf(this.#anchor);
    const to = list.indexOf(id);
    if (from < 0 || to < 0) {
      this.toggle(id);
      return;
    }
    for (const item of list.items.slice(Math.min(from, to), Math.max(from, to) + 1)) {
      this.ids.add(item.id);
    }
  }

  /** A range that moves of the keyboard begins here, where none has begun. */
  anchorAt(id: string): void {
    if (this.ids.size === 0 || this.#anchor === undefined) {
      this.#anchor = id;
      this.ids.add(id);
    }
  }

  /** Selects these, or takes them out where all of them are selected. */
  toggleAll(ids: string[]): void {
    const all = ids.every((id) => this.ids.has(id));
    for (const id of ids) {
      if (all) {
        this.ids.delete(id);
      } else {
        this.ids.add(id);
      }
    }
  }

  drop(ids: Iterable<string>): void {
    for (const id of ids) {
      this.ids.delete(id);
    }
  }

  clear(): void {
    this.ids.clear();
    this.#anchor = undefined;
  }
}

export const selection = new Selection();
