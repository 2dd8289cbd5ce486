/**
 * A gate that an upload passes before each chunk.
 *
 * @module
 */

import { CancelledError } from '../errors.js';
import type { ProgressMeter } from './progress.js';

/** Stops uploads and lets them go on; one may serve many uploads. Chunks on their way arrive meanwhile. */
export class Pause {
  #gate: { opened: Promise<void>; open(): void } | undefined;

  /** Whether nothing is sent now. */
  get paused(): boolean {
    return this.#gate !== undefined;
  }

  /** Nothing more is sent until `resume`. */
  pause(): void {
    if (!this.#gate) {
      let open = () => {};
      const opened = new Promise<void>((resolve) => {
        open = resolve;
      });
      this.#gate = { opened, open };
    }
  }

  /** Sends on. */
  resume(): void {
    this.#gate?.open();
    this.#gate = undefined;
  }

  /** Waits while the gate is closed; for this package's own use. */
  async wait(signal: AbortSignal | undefined, meter: ProgressMeter): Promise<void> {
    if (!this.#gate) {
      return;
    }
    meter.phase = 'paused';
    while (this.#gate) {
      const { opened } = this.#gate;
      await new Promise<void>((resolve, reject) => {
        const cancelled = () => reject(new CancelledError({ cause: signal?.reason }));
        if (signal?.aborted) {
          cancelled();
          return;
        }
        signal?.addEventListener('abort', cancelled, { once: true });
        void opened.then(() => {
          signal?.removeEventListener('abort', cancelled);
          resolve();
        });
      });
    }
    meter.phase = 'uploading';
  }
}
