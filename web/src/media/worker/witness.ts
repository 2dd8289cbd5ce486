/**
 * Hashes content of many chunks while it is being played, as far as it comes without gaps from the beginning. Whoever reads a film in full gets its
 * last chunk only if the SHA-256 of the whole is right.
 *
 * @module
 */

import { ContentMismatchError, sha256Hasher } from '@keepsake/sdk/reading';

/** Chunks that came early and wait for those before them; they are in the reader's memory anyway. */
const MOST_WAITING = 8;

/** One content, watched. */
export class Witness {
  readonly #size: number;
  readonly #sha256: string | undefined;
  readonly #hasher = sha256Hasher();
  readonly #waiting = new Map<number, Uint8Array>();
  #next = 0;
  #hashed = 0;
  #failure: ContentMismatchError | undefined;

  /** `size` in bytes; `sha256` in hexadecimal, undefined where the vault knows none. */
  constructor(size: number, sha256: string | undefined) {
    this.#size = size;
    this.#sha256 = sha256;
  }

  /** Whether all of it came and was right. */
  get verified(): boolean {
    return this.#hashed === this.#size && !this.#failure && this.#sha256 !== undefined;
  }

  /** A chunk came. Throws ContentMismatchError with the one that completes a content which is not what was put in, and with every one after that. */
  saw(index: number, bytes: Uint8Array): void {
    if (this.#failure) {
      throw this.#failure;
    }
    if (index < this.#next || this.#sha256 === undefined) {
      return;
    }
    if (index > this.#next) {
      if (this.#waiting.size < MOST_WAITING) {
        this.#waiting.set(index, bytes);
      }
      return;
    }
    for (let chunk: Uint8Array | undefined = bytes; chunk; chunk = this.#waiting.get(this.#next)) {
      this.#waiting.delete(this.#next);
      this.#hasher.update(chunk);
      this.#hashed += chunk.length;
      this.#next += 1;
    }
    if (this.#hashed < this.#size) {
      return;
    }
    const digest = Array.from(this.#hasher.digest(), (byte) => byte.toString(16).padStart(2, '0')).join('');
    if (this.#hashed > this.#size || digest !== this.#sha256) {
      this.#failure = new ContentMismatchError(`content with SHA-256 ${this.#sha256} came with ${digest}`);
      throw this.#failure;
    }
  }
}
