/**
 * Listings that grow page by page, with what they found so far, and a way to stop.
 *
 * @module
 */

import { CancelledError, type MemorySummary } from '@keepsake/sdk';

/** A listing on its way. */
export class Listing<Item> {
  items = $state.raw<Item[]>([]);
  /** How many memories were looked at. */
  looked = $state(0);
  state = $state<'reading' | 'done' | 'stopped' | 'failed'>('reading');
  problem = $state.raw<unknown>();

  readonly #source: (signal: AbortSignal) => AsyncIterable<MemorySummary>;
  readonly #pick: (summary: MemorySummary) => Item | undefined | 'end';
  #controller: AbortController | undefined;

  /** Nothing is read before `read`. `pick` says what an entry is, `undefined` for one that is left out, `'end'` for the first that needs no looking any more. */
  constructor(
    source: (signal: AbortSignal) => AsyncIterable<MemorySummary>,
    pick: (summary: MemorySummary) => Item | undefined | 'end',
  ) {
    this.#source = source;
    this.#pick = pick;
  }

  /** Reads from the beginning. */
  async read(): Promise<void> {
    this.#controller?.abort();
    const controller = new AbortController();
    this.#controller = controller;
    this.state = 'reading';
    this.problem = undefined;
    this.looked = 0;
    const found: Item[] = [];
    let looked = 0;
    // What was there stays in sight until as much is read anew.
    const show = () => {
      this.looked = looked;
      this.items = [...found];
    };
    try {
      for await (const summary of this.#source(controller.signal)) {
        if (controller.signal.aborted) {
          return;
        }
        looked += 1;
        const picked = this.#pick(summary);
        if (picked === 'end') {
          break;
        }
        if (picked !== undefined) {
          found.push(picked);
        }
        if (looked % 50 === 0) {
          show();
        }
      }
      show();
      this.state = 'done';
    } catch (error) {
      if (controller.signal.aborted || error instanceof CancelledError) {
        return;
      }
      this.problem = error;
      this.state = 'failed';
    }
  }

  /** Leaves it at what was found. */
  stop(): void {
    this.#controller?.abort();
    if (this.state === 'reading') {
      this.state = 'stopped';
    }
  }

  /** Takes an entry out. */
  drop(test: (item: Item) => boolean): void {
    this.items = this.items.filter((item) => !test(item));
  }
}
