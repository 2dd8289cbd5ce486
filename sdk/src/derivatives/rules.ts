/**
 * Which versions are made of a photo, and within which bounds: upright, never larger than the photo, WebP, display 2048 px on the long edge and
 * at most 2 MiB, thumbnail 512 px and 200 KiB, placeholder 32 px and 10 KiB. EXIF, and with it the place, is not carried over.
 *
 * @module
 */

import type { Content } from '../content/content.js';

/** A version of a photo. */
export type DerivativeKind = 'placeholder' | 'thumbnail' | 'display';

/** All of them, the smallest first, in the order in which they are made. */
export const DERIVATIVE_KINDS: readonly DerivativeKind[] = ['placeholder', 'thumbnail', 'display'];

/** Longest edge in pixels, and most bytes. */
export const DERIVATIVE_BOUNDS: Readonly<Record<DerivativeKind, { edge: number; bytes: number }>> = {
  placeholder: { edge: 32, bytes: 10 * 1024 },
  thumbnail: { edge: 512, bytes: 200 * 1024 },
  display: { edge: 2048, bytes: 2 * 1024 * 1024 },
};

/** Most pixels that are decoded: above the largest sensors and phone panoramas. */
export const MOST_PIXELS = 150_000_000;

/** Longest file, in bytes, that is decoded. */
export const LONGEST_FILE = 512 * 1024 * 1024;

/** From good to whatever fits, in percent. The first is visually close to the original at these sizes. */
export const QUALITIES: readonly number[] = [82, 75, 65, 55, 45, 35, 20, 5];

/** A version, encoded. */
export interface Derivative {
  kind: DerivativeKind;
  bytes: Uint8Array<ArrayBuffer>;
  /** `image/webp`; `image/jpeg` where the browser does not encode WebP. */
  type: string;
  width: number;
  height: number;
}

/** A version, or why it was not made. */
export type MadeDerivative = Derivative | { kind: DerivativeKind; error: Error };

/** Makes versions of photos. */
export interface DerivativeMaker {
  /** Whether photos of this media type can be decoded here; where not, the original is kept alone. */
  decodes(type: string): boolean | Promise<boolean>;
  /** Hands over each version as soon as it is ready, the smallest first; a photo that cannot be decoded fails each of them. */
  make(content: Content, kinds: readonly DerivativeKind[], emit: (made: MadeDerivative) => void): Promise<void>;
}

/** The size within `edge` of the same shape, each side at least 1; never enlarged. */
export function fit(width: number, height: number, edge: number): { width: number; height: number } {
  const long = Math.max(width, height);
  if (long <= edge) {
    return { width, height };
  }
  const side = (length: number) => Math.max(1, Math.round((length * edge) / long));
  return { width: side(width), height: side(height) };
}
