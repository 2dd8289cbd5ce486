/**
 * Sizes, dates and numbers as people read them, in the browser's language and time zone.
 *
 * @module
 */

const UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB'];

/** A size in bytes with a unit; 1 KB is 1,000 bytes. */
export function bytes(size: number | bigint): string {
  let value = Number(size);
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.5 ? 0 : 1;
  return `${value.toLocaleString(undefined, { maximumFractionDigits: digits })} ${unit === 0 && value === 1 ? 'byte' : UNITS[unit]}`;
}

const MONTH = new Intl.DateTimeFormat(undefined, { month: 'long', year: 'numeric' });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

export const month = (date: Date): string => MONTH.format(date);
export const day = (date: Date): string => DAY.format(date);
export const moment = (date: Date): string => MOMENT.format(date);

/** Milliseconds of nanoseconds, as the vault counts time. */
export const millis = (nanos: bigint): number => Number(nanos / 1_000_000n);

/** `1 memory`, `3 memories`. */
export function count(number: number, one: string, many: string): string {
  return `${number.toLocaleString()} ${number === 1 ? one : many}`;
}

/** Bytes in hexadecimal. */
export function hex(of: Uint8Array | number[]): string {
  return Array.from(of, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
