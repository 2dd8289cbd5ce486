/**
 * How many chunks are on their way at the same time. It grows while that makes uploads faster, halves when the other end sheds load
 * or the connection breaks, and never passes its bound: a chunk is read only once it has its place, so that the bound is one of memory too.
 *
 * @module
 */

import { CancelledError } from '../errors.js';

/** Chunks in flight at most, of all uploads of a client together, unless set otherwise. */
export const DEFAULT_WINDOW = 8;

/** A wider window stays only if it is faster by this factor. */
const WORTH_IT = 1.05;

/** Rounds for which a width that proved best is kept before a wider one is tried again. */
const ROUNDS_KEPT = 8;

/** A bounded window that finds its width. */
export class AdaptiveWindow {
  readonly #most: number;
  #width: number;
  #inFlight = 0;
  readonly #waiting: (() => void)[] = [];
  /** The present round: as many chunks as the window is wide. */
  #round = { started: 0, chunks: 0, bytes: 0 };
  #before: { width: number; speed: number } | undefined;
  #kept = 0;
  /** Chunks that were in flight when the window was halved tell nothing new by failing too. */
  #deaf = 0;

  constructor(most: number = DEFAULT_WINDOW) {
    this.#most = Math.max(1, Math.floor(most));
    this.#width = Math.min(3, this.#most);
  }

  /** How many chunks may be in flight now. */
  get width(): number {
    return this.#width;
  }

  /** How many are. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Waits for a place. Each one taken is given back by {@link release}. */
  async acquire(signal?: AbortSignal): Promise<void> {
    while (this.#inFlight >= this.#width) {
      await new Promise<void>((resolve, reject) => {
        const wake = () => {
          signal?.removeEventListener('abort', cancelled);
          resolve();
        };
        const cancelled = () => {
          const at = this.#waiting.indexOf(wake);
          if (at >= 0) {
            this.#waiting.splice(at, 1);
          }
          reject(new CancelledError({ cause: signal?.reason }));
        };
        if (signal?.aborted) {
          cancelled();
          return;
        }
        signal?.addEventListener('abort', cancelled, { once: true });
        this.#waiting.push(wake);
      });
    }
    if (this.#inFlight === 0) {
      this.#round = { started: now(), chunks: 0, bytes: 0 };
    }
    this.#inFlight += 1;
  }

  /** Gives a place back; `bytes` arrived (0 where the chunk failed for good). */
  release(bytes: number): void {
    this.#inFlight -= 1;
    this.#deaf = Math.max(0, this.#deaf - 1);
    if (bytes > 0) {
      this.#round.chunks += 1;
      this.#round.bytes += bytes;
      if (this.#round.chunks >= this.#width) {
        this.#endRound();
      }
    }
    // One place, one waiter: the next is woken by the next release.
    if (this.#inFlight < this.#width) {
      this.#waiting.shift()?.();
    }
  }

  /** An attempt failed for load or for the connection, and will be repeated. */
  congested(): void {
    if (this.#deaf > 0) {
      return;
    }
    this.#deaf = this.#inFlight;
    this.#width = Math.max(1, Math.floor(this.#width / 2));
    this.#before = undefined;
    this.#kept = 0;
    this.#round = { started: now(), chunks: 0, bytes: 0 };
  }

  #endRound(): void {
    const elapsed = Math.max(1, now() - this.#round.started);
    const speed = this.#round.bytes / elapsed;
    this.#round = { started: now(), chunks: 0, bytes: 0 };
    if (this.#kept > 0) {
      this.#kept -= 1;
      return;
    }
    if (this.#before && speed < this.#before.speed * WORTH_IT) {
      this.#width = this.#before.width;
      this.#before = undefined;
      this.#kept = ROUNDS_KEPT;
      return;
    }
    this.#before = { width: this.#width, speed };
    if (this.#width < this.#most) {
      this.#width += 1;
      this.#waiting.shift()?.();
    }
  }
}

function now(): number {
  return performance.now();
}
