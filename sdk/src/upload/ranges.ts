/**
 * Sets of chunk indexes, as the vault names what is missing.
 *
 * @module
 */

/** Chunks from `first` to `last`, both included. */
export interface ChunkRange {
  first: number;
  last: number;
}

/** A set of chunks, as ranges in order. */
export class ChunkSet {
  readonly #ranges: readonly ChunkRange[];

  constructor(ranges: readonly ChunkRange[]) {
    this.#ranges = ranges;
  }

  /** All of `count` chunks. */
  static all(count: number): ChunkSet {
    return new ChunkSet([{ first: 0, last: count - 1 }]);
  }

  /**
   * From the detail of `chunk_missing: 3,7-9`; undefined where nothing of it is understood. The vault shortens a long list: what it named is
   * sent first, and then it names more.
   */
  static parse(detail: string, count: number): ChunkSet | undefined {
    const ranges: ChunkRange[] = [];
    for (const part of detail.split(',')) {
      const match = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part);
      if (!match) {
        break;
      }
      const first = Number(match[1]);
      const last = Math.min(Number(match[2] ?? match[1]), count - 1);
      if (first <= last) {
        ranges.push({ first, last });
      }
    }
    return ranges.length > 0 ? new ChunkSet(ranges) : undefined;
  }

  has(index: number): boolean {
    return this.#ranges.some(({ first, last }) => first <= index && index <= last);
  }

  get size(): number {
    return this.#ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  }
}
