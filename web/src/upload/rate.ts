/**
 * How fast things go, from what arrived in the last seconds.
 *
 * @module
 */

/** The rate is that of the last so many milliseconds. */
const LATELY = 10_000;

export class Rate {
  #arrivals: { at: number; bytes: number }[] = [];
  #since: number | undefined;

  /** So many bytes arrived just now. */
  add(bytes: number, at = performance.now()): void {
    this.#since ??= at;
    this.#arrivals.push({ at, bytes });
  }

  /** Time that passes from now on does not count until something arrives. */
  rest(): void {
    this.#arrivals = [];
    this.#since = undefined;
  }

  /** Something began: from now on time counts. */
  begin(at = performance.now()): void {
    this.#since ??= at;
  }

  /** Bytes a second; 0 while that is unknown. */
  perSecond(now = performance.now()): number {
    if (this.#since === undefined) {
      return 0;
    }
    while (this.#arrivals.length > 0 && (this.#arrivals[0]?.at ?? now) < now - LATELY) {
      this.#arrivals.shift();
    }
    const elapsed = Math.min(LATELY, now - this.#since) / 1_000;
    const bytes = this.#arrivals.reduce((sum, arrival) => sum + arrival.bytes, 0);
    return elapsed < 0.5 ? 0 : bytes / elapsed;
  }
}
