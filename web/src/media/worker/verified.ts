/**
 * Contents that were found to be right, and what is known of memories, kept by the browser for one person at a time: for the next look, and for looking while the
 * vault cannot be reached. What comes out is compared with its SHA-256 again.
 *
 * @module
 */

import type { AssetKind } from '@keepsake/sdk/reading';

/** What is known of an asset. */
export interface AssetFacts {
  id: string;
  kind: AssetKind;
  name: string;
  type: string;
  /** Bytes. */
  size: number;
  /** In hexadecimal. */
  sha256: string | undefined;
}

/** A memory's assets as the vault told them at a time (milliseconds since 1970). */
export interface KnownMemory {
  at: number;
  assets: AssetFacts[];
}

/** Longest content that is kept, and all that is kept for a person together, in bytes. */
export const MOST_KEPT = 8 * 1024 * 1024;
const MOST_TOGETHER = 256 * 1024 * 1024;

/** A name for each version of the layout and each person. */
const PREFIX = 'keepsake-media-1:';

export class VerifiedContents {
  readonly #name: string;
  #cache: Promise<Cache> | undefined;
  /** Bytes kept; found out at the first addition. */
  #together: number | undefined;

  constructor(principal: string) {
    this.#name = PREFIX + principal;
  }

  /** Content of a hash, where it is kept and still right. */
  async content(sha256: string, size: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const cache = await this.#open();
    const key = contentKey(sha256, size);
    const kept = await cache.match(key);
    if (!kept) {
      return undefined;
    }
    const bytes = new Uint8Array(await kept.arrayBuffer());
    if (bytes.length === size && (await hexDigest(bytes)) === sha256) {
      return bytes;
    }
    await cache.delete(key);
    return undefined;
  }

  /** Keeps content that is right, and lets go of the oldest where it becomes too much. Where the browser has no room, nothing is kept. */
  async keep(sha256: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (bytes.length > MOST_KEPT) {
      return;
    }
    const cache = await this.#open();
    try {
      await cache.put(contentKey(sha256, bytes.length), new Response(bytes));
    } catch {
      return;
    }
    this.#together = (this.#together ?? (await sizeOf(cache)) - bytes.length) + bytes.length;
    if (this.#together > MOST_TOGETHER) {
      await this.#letGo(cache);
    }
  }

  /** What is known of a memory. */
  async memory(memoryId: string): Promise<KnownMemory | undefined> {
    const kept = await (await this.#open()).match(memoryKey(memoryId));
    return kept && ((await kept.json()) as KnownMemory);
  }

  /** Notes what the vault told of a memory. */
  async learn(memoryId: string, known: KnownMemory): Promise<void> {
    await (await this.#open()).put(memoryKey(memoryId), Response.json(known)).catch(() => {});
  }

  /** The vault does not know the memory any more, or this person may not see it any more. */
  async forget(memoryId: string): Promise<void> {
    const cache = await this.#open();
    const known = await this.memory(memoryId);
    await cache.delete(memoryKey(memoryId));
    for (const { sha256, size } of known?.assets ?? []) {
      if (sha256 !== undefined) {
        await cache.delete(contentKey(sha256, size));
      }
    }
  }

  /** Until half of the room is free, the oldest first; a browser lists what it keeps in that order. */
  async #letGo(cache: Cache): Promise<void> {
    for (const request of await cache.keys()) {
      if ((this.#together ?? 0) <= MOST_TOGETHER / 2) {
        return;
      }
      // What is known of old memories goes along.
      await cache.delete(request);
      this.#together = (this.#together ?? 0) - contentSize(request);
    }
  }

  #open(): Promise<Cache> {
    return (this.#cache ??= caches.open(this.#name));
  }
}

/** Deletes what is kept for everybody, or for everybody but one. */
export async function forgetContents(exceptFor?: string): Promise<void> {
  const kept = exceptFor === undefined ? undefined : PREFIX + exceptFor;
  const names = await caches.keys();
  await Promise.all(
    names.filter((name) => name.startsWith('keepsake-media-') && name !== kept).map((name) => caches.delete(name)),
  );
}

/** SHA-256 in hexadecimal. */
export async function hexDigest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function contentKey(sha256: string, size: number): string {
  return `/media-content/${sha256}/${size}`;
}

function memoryKey(memoryId: string): string {
  return `/media-memory/${memoryId}`;
}

/** Bytes of a content by its key; 0 for everything else. */
function contentSize({ url }: Request): number {
  return Number(/\/media-content\/[0-9a-f]+\/(\d+)$/.exec(url)?.[1] ?? 0);
}

async function sizeOf(cache: Cache): Promise<number> {
  return (await cache.keys()).reduce((sum, request) => sum + contentSize(request), 0);
}
