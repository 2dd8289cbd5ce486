/**
 * How far an upload is, how fast, and how long it will take.
 *
 * @module
 */

/** What an upload is doing. */
export type UploadPhase = 'hashing' | 'uploading' | 'paused' | 'finishing' | 'done';

/** State of an upload at a moment. */
export interface UploadProgress {
  phase: UploadPhase;
  /** Bytes that the vault has, whether they travelled now or were there before. */
  sentBytes: number;
  totalBytes: number;
  /** Bytes a second that travelled lately; 0 until the first chunk arrived. */
  bytesPerSecond: number;
  /** Seconds that the rest will take at this rate; undefined while that is unknown. */
  remainingSeconds: number | undefined;
}

/** Told of every change. It must not throw. */
export type OnProgress = (progress: UploadProgress) => void;

/** The rate is that of the last so many milliseconds. */
const LATELY = 5_000;

/** Counts bytes and derives the rate. */
export class ProgressMeter {
  readonly #total: number;
  readonly #listener: OnProgress | undefined;
  #phase: UploadPhase = 'uploading';
  #sent = 0;
  #arrivals: { at: number; bytes: number }[] = [];

  constructor(total: number, listener: OnProgress | undefined) {
    this.#total = total;
    this.#listener = listener;
    this.#arrivals.push({ at: performance.now(), bytes: 0 });
  }

  /** So many more bytes are there; `travelled` says whether they were sent just now. */
  add(bytes: number, travelled: boolean): void {
    this.#sent = Math.min(this.#total, this.#sent + bytes);
    if (travelled) {
      this.#arrivals.push({ at: performance.now(), bytes });
    }
    this.#tell();
  }

  /** Everything is sent again from the beginning. */
  restart(): void {
    this.#sent = 0;
    this.phase = 'uploading';
  }

  /** Everything is there. */
  finish(): void {
    this.#sent = this.#total;
    this.phase = 'done';
  }

  set phase(phase: UploadPhase) {
    this.#phase = phase;
    if (phase === 'paused') {
      // A pause must not count as slowness.
      this.#arrivals = [];
    } else if (this.#arrivals.length === 0) {
      this.#arrivals.push({ at: performance.now(), bytes: 0 });
    }
    this.#tell();
  }

  get state(): UploadProgress {
    const now = performance.now();
    // The oldest only marks the beginning of the time.
    while (this.#arrivals.length > 2 && (this.#arrivals[1]?.at ?? now) < now - LATELY) {
      this.#arrivals.shift();
    }
    const bytes = this.#arrivals.slice(1).reduce((sum, arrival) => sum + arrival.bytes, 0);
    const elapsed = (now - (this.#arrivals[0]?.at ?? now)) / 1_000;
    const rate = elapsed > 0 ? bytes / elapsed : 0;
    const left = this.#total - this.#sent;
    return {
      phase: this.#phase,
      sentBytes: this.#sent,
      totalBytes: this.#total,
      bytesPerSecond: rate,
      remainingSeconds: left === 0 ? 0 : rate > 0 ? left / rate : undefined,
    };
  }

  #tell(): void {
    this.#listener?.(this.state);
  }
}
