/**
 * Tells the gallery's views of memories that came, many at a time, because each piece of news makes a timeline look again.
 *
 * @module
 */

import { vault } from '../vault/vault.svelte.ts';

/** Milliseconds that news wait for more. */
const GATHER = 1_000;

export class Announcer {
  readonly #news = new Map<string, { added: Set<string>; changed: Set<string> }>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** A memory of a capsule is new, or has more assets than when it was. */
  announce(capsuleId: string, kind: 'added' | 'changed', memoryId: string): void {
    let news = this.#news.get(capsuleId);
    if (!news) {
      news = { added: new Set(), changed: new Set() };
      this.#news.set(capsuleId, news);
    }
    news[kind].add(memoryId);
    this.#timer ??= setTimeout(() => this.#tell(), GATHER);
  }

  /** Somebody signed out: what was to be told is not their successor's. */
  forget(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#news.clear();
  }

  #tell(): void {
    this.#timer = undefined;
    for (const [capsuleId, { added, changed }] of this.#news) {
      const only = [...changed].filter((id) => !added.has(id));
      if (added.size > 0) {
        vault.announce({ capsuleId, kind: 'added', memoryIds: [...added] });
      }
      if (only.length > 0) {
        vault.announce({ capsuleId, kind: 'changed', memoryIds: only });
      }
    }
    this.#news.clear();
  }
}
