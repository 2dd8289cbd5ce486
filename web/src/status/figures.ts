/**
 * The vault's figures, as people read them.
 *
 * @module
 */

/** Cycles are counted in trillions. */
const TRILLION = 1_000_000_000_000n;
/** Days after which figures say nothing any more. */
const LONG = 365 * 100;

/** Cycles: `1.25 T`, `310 M`. */
export function cycles(amount: bigint): string {
  const units: [bigint, string][] = [
    [TRILLION, 'T'],
    [1_000_000_000n, 'B'],
    [1_000_000n, 'M'],
    [1_000n, 'K'],
  ];
  for (const [size, name] of units) {
    if (amount >= size) {
      // Three digits are kept before it becomes a floating-point number.
      const value = Number((amount * 1000n) / size) / 1000;
      return `${value.toLocaleString(undefined, { maximumSignificantDigits: value >= 100 ? 4 : 3 })} ${name}`;
    }
  }
  return amount.toLocaleString();
}

/** How long a number of days is: `46 days`, `About 3 years`, `More than 100 years`. */
export function runway(days: number): string {
  if (days >= LONG) {
    return 'More than 100 years';
  }
  if (days < 730) {
    return `${days.toLocaleString()} ${days === 1 ? 'day' : 'days'}`;
  }
  return `About ${Math.floor(days / 365.25).toLocaleString()} years`;
}

/** Which share of a whole a part is, 0 to 1. */
export function share(part: number, whole: number): number {
  return whole > 0 ? Math.min(1, Math.max(0, part / whole)) : 0;
}
