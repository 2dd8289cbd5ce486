/**
 * Times: the vault counts nanoseconds since 1970 UTC, JavaScript milliseconds.
 *
 * @module
 */

const NANOS_PER_MILLI = 1_000_000n;

/** The moment of a vault's time, cut to the millisecond. */
export function dateOf(nanos: bigint): Date {
  return new Date(Number(nanos / NANOS_PER_MILLI));
}

/** A moment as the vault counts; RangeError for what is no date, and before 1970. */
export function nanosOf(date: Date): bigint {
  const millis = date.getTime();
  if (!(millis >= 0)) {
    throw new RangeError('the vault knows moments from 1970 on');
  }
  return BigInt(Math.trunc(millis)) * NANOS_PER_MILLI;
}
