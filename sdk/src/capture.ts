/**
 * When, where and with what a picture was taken, and which way is up.
 *
 * The time comes from EXIF with its offset; else from EXIF and the GPS clock, which together give the offset; else from EXIF read as UTC; else
 * from the file's name; else from the file's time. Which of these it was is recorded. The place is told to the caller, but not written into the
 * memory's metadata: whoever may see a memory's metadata need not be allowed to see its original.
 *
 * @module
 */

import ExifReader from 'exifreader';

import { dimensionsOf } from './derivatives/dimensions.js';

/** Where a capture time comes from; the tag by which it is recorded is `capture-time:` and this. */
export type TimeSource =
  /** EXIF, with its UTC offset. */
  | 'exif'
  /** EXIF without an offset; the GPS clock of the same picture gives it. */
  | 'exif-gps'
  /** EXIF without any offset: read as UTC, so that it may be off by half a day. */
  | 'exif-local'
  /** EXIF, earlier than 1970, which the interface cannot express: given as 1970-01-01. */
  | 'before-1970'
  /** The file's name; read as UTC. */
  | 'file-name'
  /** The file's time of last modification. */
  | 'file-time';

/** What is known of how a picture came to be. */
export interface CaptureFacts {
  /** Nanoseconds since 1970 UTC, and where that comes from. */
  time: { nanos: bigint; source: TimeSource } | undefined;
  /** Minutes east of UTC, where known. */
  offsetMinutes: number | undefined;
  /** Degrees north and east, metres above sea level. */
  place: { latitude: number; longitude: number; altitude: number | undefined } | undefined;
  camera: { make: string | undefined; model: string | undefined; lens: string | undefined } | undefined;
  /** EXIF orientation, 1 to 8; undefined where EXIF says nothing or nonsense. */
  orientation: number | undefined;
  /** Pixels as stored, before any rotation. */
  dimensions: { width: number; height: number } | undefined;
}

/** How much of a file is looked into for EXIF (bytes): it is near the beginning in every format that cameras write. */
export const EXIF_HEAD = 1024 * 1024;

/** Reads what a picture's beginning says of it. Damaged EXIF costs what it says, never the file. */
export function captureFacts(
  head: Uint8Array<ArrayBuffer>,
  { name = '', lastModified }: { name?: string; lastModified?: number | undefined } = {},
): CaptureFacts {
  const tags = readTags(head);
  const moment = exifMoment(tags);
  const fallback = fromName(name) ?? fromFileTime(lastModified);
  return {
    time: moment?.time ?? fallback,
    offsetMinutes: moment?.offsetMinutes,
    place: place(tags),
    camera: camera(tags),
    orientation: orientation(tags),
    dimensions: dimensionsOf(head),
  };
}

/** When a file that is no picture was made: by its name, else by its time. */
export function fileTime(name: string, lastModified: number | undefined): CaptureFacts['time'] {
  return fromName(name) ?? fromFileTime(lastModified);
}

type Tags = ExifReader.ExpandedTags;

function readTags(head: Uint8Array<ArrayBuffer>): Tags {
  try {
    const whole = head.byteOffset === 0 && head.byteLength === head.buffer.byteLength;
    return ExifReader.load(whole ? head.buffer : head.slice().buffer, { expanded: true, length: head.length });
  } catch {
    return {};
  }
}

function text(tag: { value?: unknown; description?: string } | undefined): string | undefined {
  const value = Array.isArray(tag?.value) ? tag.value[0] : tag?.value;
  const found = typeof value === 'string' ? value.replace(/[\0 ]+$/g, '').trim() : '';
  return found || undefined;
}

function exifMoment(tags: Tags): { time: NonNullable<CaptureFacts['time']>; offsetMinutes: number | undefined } | undefined {
  const exif = tags.exif as Record<string, { value?: unknown; description?: string }> | undefined;
  // The moment of exposure first, then of digitisation, then of the file.
  for (const [time, fraction, offset] of [
    ['DateTimeOriginal', 'SubSecTimeOriginal', 'OffsetTimeOriginal'],
    ['DateTimeDigitized', 'SubSecTimeDigitized', 'OffsetTimeDigitized'],
    ['DateTime', 'SubSecTime', 'OffsetTime'],
  ] as const) {
    const local = parseExifTime(text(exif?.[time]));
    if (local === undefined) {
      continue;
    }
    const fractionNanos = parseFraction(text(exif?.[fraction]));
    const given = parseOffset(text(exif?.[offset]));
    const gps = given === undefined ? gpsTime(exif) : undefined;
    const derived = gps === undefined ? undefined : offsetBetween(local, gps);
    const offsetMinutes = given ?? derived;
    const source = given !== undefined ? 'exif' : derived !== undefined ? 'exif-gps' : 'exif-local';
    const nanos = BigInt(local - (offsetMinutes ?? 0) * 60_000) * 1_000_000n + fractionNanos;
    return nanos > 0n
      ? { time: { nanos, source }, offsetMinutes }
      : // 1 and not 0, which means "not given" elsewhere in the interface.
        { time: { nanos: 1n, source: 'before-1970' }, offsetMinutes };
  }
  return undefined;
}

/** `YYYY:MM:DD HH:MM:SS` (EXIF 2.32, 4.6.5 D); other separators are seen in the wild. Milliseconds as if it were UTC. */
function parseExifTime(value: string | undefined): number | undefined {
  const [year, month, day, hour, minute, second] = (value?.match(/\d+/g) ?? []).map(Number);
  if (hour === undefined || minute === undefined) {
    return undefined;
  }
  return moment(year, month, day, hour, minute, second ?? 0, 1800);
}

/** Digits after the decimal point of a second, as nanoseconds. */
function parseFraction(value: string | undefined): bigint {
  const digits = /^\d{1,9}/.exec(value ?? '')?.[0];
  return digits === undefined ? 0n : BigInt(digits.padEnd(9, '0'));
}

/** `+HH:MM`, `-HH:MM` or `Z` (EXIF 2.31, OffsetTime), in minutes. */
function parseOffset(value: string | undefined): number | undefined {
  if (value === 'Z') {
    return 0;
  }
  const match = /^([+-])(\d{2}):?(\d{2})$/.exec(value ?? '');
  const hours = Number(match?.[2]);
  const minutes = Number(match?.[3]);
  if (!match || hours > 14 || minutes > 59) {
    return undefined;
  }
  return (match[1] === '-' ? -1 : 1) * (hours * 60 + minutes);
}

function gpsTime(exif: Record<string, { value?: unknown; description?: string }> | undefined): number | undefined {
  const [year, month, day] = (text(exif?.['GPSDateStamp'])?.match(/\d+/g) ?? []).map(Number);
  const clock = exif?.['GPSTimeStamp']?.value;
  if (!Array.isArray(clock)) {
    return undefined;
  }
  const [hour, minute, second] = clock.map(rational);
  if (hour === undefined || minute === undefined || second === undefined) {
    return undefined;
  }
  return moment(year, month, day, Math.floor(hour), Math.floor(minute), Math.min(59, Math.floor(second)), 1800);
}

function rational(value: unknown): number | undefined {
  const number = Array.isArray(value) ? Number(value[0]) / Number(value[1]) : Number(value);
  return Number.isFinite(number) ? number : undefined;
}

/**
 * Minutes by which a camera's clock differs from the GPS clock: a multiple of 15 within 14 hours, with the clocks at most 2 minutes apart beyond
 * it; otherwise one of them is not to be trusted.
 */
function offsetBetween(local: number, gps: number): number | undefined {
  const minutes = Math.round((local - gps) / 900_000) * 15;
  const trusted = Math.abs(local - gps - minutes * 60_000) <= 120_000 && Math.abs(minutes) <= 14 * 60;
  return trusted ? minutes : undefined;
}

function place(tags: Tags): CaptureFacts['place'] {
  const { Latitude: latitude, Longitude: longitude, Altitude: altitude } = tags.gps ?? {};
  const usable =
    typeof latitude === 'number' &&
    typeof longitude === 'number' &&
    Math.abs(latitude) <= 90 &&
    Math.abs(longitude) <= 180;
  // Both exactly 0 is what receivers without a fix write.
  if (!usable || (latitude === 0 && longitude === 0)) {
    return undefined;
  }
  return { latitude, longitude, altitude: Number.isFinite(altitude) ? altitude : undefined };
}

function camera(tags: Tags): CaptureFacts['camera'] {
  const make = text(tags.exif?.Make);
  const model = text(tags.exif?.Model);
  const lens = text(tags.exif?.LensModel);
  return make || model || lens ? { make, model, lens } : undefined;
}

function orientation(tags: Tags): number | undefined {
  const value = Number(tags.exif?.Orientation?.value);
  return Number.isInteger(value) && value >= 1 && value <= 8 ? value : undefined;
}

/**
 * A date, with a time where one follows, as cameras, phones and messengers put it into file names: `IMG_20190713_120312`,
 * `2020-05-01 12.33.22`, `Screenshot 2020-05-01 at 12.33.22`, `IMG-20190713-WA0001`.
 */
function fromName(name: string): CaptureFacts['time'] {
  const stem = name.replace(/\.[^.]*$/, '');
  const date = /(?<!\d)(\d{4})([-_.:]?)(\d{2})\2(\d{2})/g;
  for (let match = date.exec(stem); match; match = date.exec(stem)) {
    const [year, month, day] = [match[1], match[3], match[4]].map(Number);
    const rest = stem.slice(date.lastIndex);
    const clock = /^\D{0,4}(\d{2})([-_.:]?)(\d{2})\2(\d{2})/.exec(rest);
    const time = clock && moment(year, month, day, Number(clock[1]), Number(clock[3]), Number(clock[4]), 1970);
    // Eight digits followed by more digits are some other number, unless these are the time.
    const midnight = /^\d/.test(rest) ? undefined : moment(year, month, day, 0, 0, 0, 1970);
    const found = time ?? midnight;
    if (found !== undefined) {
      return { nanos: BigInt(found) * 1_000_000n, source: 'file-name' };
    }
    date.lastIndex = match.index + 1;
  }
  return undefined;
}

function fromFileTime(lastModified: number | undefined): CaptureFacts['time'] {
  return lastModified !== undefined && lastModified >= 1
    ? { nanos: BigInt(Math.trunc(lastModified)) * 1_000_000n, source: 'file-time' }
    : undefined;
}

/** Milliseconds since 1970 of a moment in UTC that exists in the calendar; a leap second is the second before it. */
function moment(
  year: number | undefined,
  month: number | undefined,
  day: number | undefined,
  hour: number,
  minute: number,
  second: number,
  earliest: number,
): number | undefined {
  if (year === undefined || month === undefined || day === undefined) {
    return undefined;
  }
  const seconds = second === 60 ? 59 : second;
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, seconds));
  const exists =
    year >= earliest &&
    year <= 2199 &&
    date.getUTCFullYear() === year &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    hour <= 23 &&
    minute <= 59 &&
    seconds <= 59;
  return exists ? date.getTime() : undefined;
}
