/**
 * Ranges of content that the vault holds in chunks. Chunks are of one length but for the last as our own clients send them; others may have sent
 * others, and then a range is found by reading from the beginning.
 *
 * @module
 */

import type { VaultCalls } from '../calls.js';
import { ContentMismatchError, throwIfAborted } from '../errors.js';
import { ownBytes } from '../hex.js';

/** How ranges are read. */
export interface RangeReaderOptions {
  /** So many chunks stay in memory once they were read, at most 1.8 MB each; 1 at least, and by default. */
  keepChunks?: number;
  /** Told of each chunk that came, before anybody has it; what it throws is what the reader of the chunk gets. It must not change the bytes. */
  onChunk?: (index: number, bytes: Uint8Array) => void;
}

/** Chunks read at the same time. */
const READ_AHEAD = 4;

/** Where chunks begin: all are `length` bytes long but for the last, or of lengths that only reading tells. */
interface Layout {
  count: number;
  length: number | undefined;
}

/** Content, open for reading. What comes is signed by the vault's nodes; a part of it cannot be compared with the hash of the whole. */
export class RangeReader {
  /** Bytes. */
  readonly size: number;
  readonly #calls: VaultCalls;
  readonly #inline: Uint8Array<ArrayBuffer> | undefined;
  readonly #locator: string;
  readonly #options: RangeReaderOptions;
  #layout: Promise<Layout> | undefined;
  /** Chunks on their way and those read last, the oldest first. */
  readonly #chunks = new Map<number, Promise<Uint8Array<ArrayBuffer>>>();
  readonly #onTheirWay = new Set<number>();

  /** For this package's own use; `AssetContent.open` makes one. `held`: the bytes themselves, or the locator of a blob. */
  constructor(
    calls: VaultCalls,
    held: Uint8Array<ArrayBuffer> | string,
    size: number,
    options: RangeReaderOptions = {},
  ) {
    this.#calls = calls;
    this.#inline = typeof held === 'string' ? undefined : held;
    this.#locator = typeof held === 'string' ? held : '';
    this.size = size;
    this.#options = options;
  }

  /** The whole content, chunk by chunk, with the next ones asked for meanwhile. */
  async *all(signal?: AbortSignal): AsyncIterableIterator<Uint8Array<ArrayBuffer>> {
    if (this.#inline) {
      yield this.#inline;
      return;
    }
    const { count } = await this.#laidOut();
    yield* this.#ahead(0, count, signal);
  }

  /**
   * Bytes from `start` (included) to `end` (not included), 0 ≤ start ≤ end ≤ size, in parts of at most a chunk. Errors: ContentMismatchError where the chunks are
   * not those of content of this size; what the vault answers; CancelledError.
   */
  async *slices(start: number, end: number, signal?: AbortSignal): AsyncIterableIterator<Uint8Array<ArrayBuffer>> {
    if (start >= end) {
      return;
    }
    if (this.#inline) {
      yield this.#inline.slice(start, end);
      return;
    }
    const { count, length } = await this.#laidOut();
    throwIfAborted(signal);
    const first = length ? Math.floor(start / length) : 0;
    const last = length ? Math.min(count, Math.ceil(end / length)) : count;
    let offset = first * (length ?? 0);
    let index = first;
    for await (const chunk of this.#ahead(first, last, signal)) {
      if (length && chunk.length !== Math.min(length, this.size - offset)) {
        // They only looked alike: from now on offsets are counted. What was handed out already cannot be taken back.
        this.#layout = Promise.resolve({ count, length: undefined });
        if (index > first) {
          throw new ContentMismatchError(`chunk ${index} of ${this.#locator} has ${chunk.length} bytes`);
        }
        yield* this.slices(start, end, signal);
        return;
      }
      const [from, to] = [Math.max(start, offset), Math.min(end, offset + chunk.length)];
      if (from < to) {
        yield chunk.subarray(from - offset, to - offset);
      }
      offset += chunk.length;
      index += 1;
      if (offset >= end) {
        return;
      }
    }
    if (offset < end) {
      throw new ContentMismatchError(`${this.#locator} has ${this.size} bytes, and ${offset} came`);
    }
  }

  async *#ahead(first: number, last: number, signal?: AbortSignal): AsyncIterableIterator<Uint8Array<ArrayBuffer>> {
    const ahead: Promise<Uint8Array<ArrayBuffer>>[] = [];
    let next = first;
    for (let index = first; index < last; index += 1) {
      throwIfAborted(signal);
      while (next < last && next < index + READ_AHEAD) {
        const reading = this.#chunk(next);
        // It is awaited in its turn, or not at all where an earlier one failed.
        reading.catch(() => {});
        ahead.push(reading);
        next += 1;
      }
      const chunk = await (ahead.shift() as Promise<Uint8Array<ArrayBuffer>>);
      throwIfAborted(signal);
      yield chunk;
    }
  }

  #laidOut(): Promise<Layout> {
    this.#layout ??= this.#findLayout().catch((error: unknown) => {
      this.#layout = undefined;
      throw error;
    });
    return this.#layout;
  }

  async #findLayout(): Promise<Layout> {
    const { chunk_count: count } = await this.#calls.blob_get_meta(this.#locator);
    if (count <= 1) {
      return { count, length: this.size || undefined };
    }
    const { length } = await this.#chunk(0);
    return { count, length: length > 0 && Math.ceil(this.size / length) === count ? length : undefined };
  }

  #chunk(index: number): Promise<Uint8Array<ArrayBuffer>> {
    const known = this.#chunks.get(index);
    if (known) {
      // Used again: the youngest now.
      this.#chunks.delete(index);
      this.#chunks.set(index, known);
      return known;
    }
    const reading = this.#calls.blob_read_chunk(this.#locator, index).then((answer) => {
      const bytes = ownBytes(answer);
      this.#options.onChunk?.(index, bytes);
      return bytes;
    });
    this.#chunks.set(index, reading);
    this.#onTheirWay.add(index);
    reading.then(
      () => {
        this.#onTheirWay.delete(index);
        this.#forget();
      },
      () => {
        this.#onTheirWay.delete(index);
        this.#chunks.delete(index);
      },
    );
    return reading;
  }

  #forget(): void {
    let kept = this.#chunks.size - this.#onTheirWay.size;
    for (const index of this.#chunks.keys()) {
      if (kept <= Math.max(1, this.#options.keepChunks ?? 1)) {
        return;
      }
      if (!this.#onTheirWay.has(index)) {
        this.#chunks.delete(index);
        kept -= 1;
      }
    }
  }
}
