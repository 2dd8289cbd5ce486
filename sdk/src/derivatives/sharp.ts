/**
 * Derivatives in Node, by sharp, which is an optional peer: without it originals are kept alone. Decoding is guarded: a limit of pixels,
 * and a corrupt or hostile file costs its derivatives only.
 *
 * @module
 */

import type { Sharp } from 'sharp';

import type { Content } from '../content/content.js';
import { DerivativeError, messageOf } from '../errors.js';
import { Limit } from '../limit.js';
import {
  DERIVATIVE_BOUNDS,
  LONGEST_FILE,
  MOST_PIXELS,
  QUALITIES,
  fit,
  type Derivative,
  type DerivativeKind,
  type DerivativeMaker,
  type MadeDerivative,
} from './rules.js';

/** What sharp's own builds decode. HEIC is not among them, for its patents. */
const DECODED = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'image/avif', 'image/tiff']);

type SharpModule = typeof import('sharp').default;

/** Photos decoded side by side: each may take 600 MB. */
const AT_ONCE = 2;

let loading: Promise<SharpModule | undefined> | undefined;

function loadSharp(): Promise<SharpModule | undefined> {
  loading ??= import('sharp').then(
    (module) => module.default,
    () => undefined,
  );
  return loading;
}

const decoding = new Limit(AT_ONCE);

export const sharpDerivatives: DerivativeMaker = {
  async decodes(type) {
    return DECODED.has(type) && (await loadSharp()) !== undefined;
  },
  async make(content, kinds, emit) {
    const sharp = await loadSharp();
    if (!sharp) {
      const error = new DerivativeError('sharp is not installed');
      kinds.forEach((kind) => emit({ kind, error }));
      return;
    }
    await decoding.run(() => makeAll(sharp, content, kinds, emit));
  },
};

async function makeAll(
  sharp: SharpModule,
  content: Content,
  kinds: readonly DerivativeKind[],
  emit: (made: MadeDerivative) => void,
): Promise<void> {
  const order = [...kinds].sort((a, b) => DERIVATIVE_BOUNDS[a].edge - DERIVATIVE_BOUNDS[b].edge);
  const largest = order.at(-1);
  if (!largest) {
    return;
  }
  let pixels;
  try {
    pixels = await decode(sharp, content, DERIVATIVE_BOUNDS[largest].edge);
  } catch (cause) {
    const error = new DerivativeError(`the image cannot be decoded: ${messageOf(cause)}`, { cause });
    order.forEach((kind) => emit({ kind, error }));
    return;
  }
  const { data, info } = pixels;
  const raw = { width: info.width, height: info.height, channels: info.channels };
  for (const kind of order) {
    try {
      emit(await encode(kind, info, () => sharp(data, { raw })));
    } catch (cause) {
      emit({ kind, error: new DerivativeError(`encoding failed: ${messageOf(cause)}`, { cause }) });
    }
  }
}

/** Upright pixels in sRGB, the long edge at most `edge`: the photo is decoded once for all versions. */
async function decode(sharp: SharpModule, content: Content, edge: number) {
  if (content.size === 0) {
    throw new DerivativeError('the file is empty');
  }
  if (content.size > LONGEST_FILE) {
    throw new DerivativeError(`the file is longer than the ${LONGEST_FILE} bytes that are decoded`);
  }
  const input = content.source.kind === 'path' ? content.source.path : await content.slice(0, content.size);
  return sharp(input, { limitInputPixels: MOST_PIXELS, failOn: 'error' })
    .rotate()
    .resize(edge, edge, { fit: 'inside', withoutEnlargement: true })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
}

/** Within the kind's size: quality goes down first, and the number of pixels where that is not enough. */
async function encode(
  kind: DerivativeKind,
  source: { width: number; height: number },
  open: () => Sharp,
): Promise<Derivative> {
  const bounds = DERIVATIVE_BOUNDS[kind];
  for (let edge = bounds.edge; edge >= 1; edge = Math.floor((edge * 3) / 4)) {
    const { width, height } = fit(source.width, source.height, edge);
    for (const quality of QUALITIES) {
      const data = await open().resize(width, height, { fit: 'fill' }).webp({ quality }).toBuffer();
      if (data.length <= bounds.bytes) {
        return { kind, bytes: new Uint8Array(data), type: 'image/webp', width, height };
      }
    }
  }
  throw new DerivativeError('it does not fit');
}
