/**
 * Reads content from beginning to end, once: each chunk is hashed and handed out in the same pass. Runs inside a worker (or, where there
 * is none, on the main thread); knows neither files nor threads.
 *
 * @module
 */

/** A running SHA-256. */
export interface Hasher {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
}

/** Something that can be read at any place. */
export interface Readable {
  /** Bytes in all. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`, in a buffer of their own, so that it can be transferred to another thread. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Throws where the content changed since it was opened. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** One chunk; `sha256`, of the whole content, comes with the last one. */
export interface Chunk {
  index: number;
  /** Absent where only the hash was asked for. */
  bytes?: Uint8Array<ArrayBuffer>;
  length: number;
  sha256?: Uint8Array;
}

/** Reads `readable` in chunks of `chunkSize` bytes; empty content is one empty chunk. */
export class ChunkReader {
  readonly #readable: Readable;
  readonly #chunkSize: number;
  readonly #hasher: Hasher;
  #offset = 0;
  #index = 0;

  constructor(readable: Readable, chunkSize: number, hasher: Hasher) {
    this.#readable = readable;
    this.#chunkSize = chunkSize;
    this.#hasher = hasher;
  }

  /** The next chunk; without its bytes where `send` is false. Not to be called again before it resolved, nor after the last. */
  async next(send: boolean): Promise<Chunk> {
    const length = Math.min(this.#chunkSize, this.#readable.size - this.#offset);
    const bytes = await this.#readable.read(this.#offset, length);
    this.#hasher.update(bytes);
    this.#offset += length;
    const chunk: Chunk = { index: this.#index, length };
    this.#index += 1;
    if (send) {
      chunk.bytes = bytes;
    }
    if (this.#offset >= this.#readable.size) {
      await this.#readable.check();
      chunk.sha256 = this.#hasher.digest();
    }
    return chunk;
  }

  /** The SHA-256 of everything from here on; of the whole content where nothing was read before. */
  async hash(): Promise<Uint8Array> {
    for (;;) {
      const { sha256 } = await this.next(false);
      if (sha256) {
        return sha256;
      }
    }
  }
}
