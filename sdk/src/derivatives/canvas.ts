/**
 * Derivatives in browsers, by createImageBitmap and OffscreenCanvas. The number of pixels is read from the file's header before any is decoded.
 *
 * @module
 */

import { DerivativeError, messageOf } from '../errors.js';
import { Limit } from '../limit.js';
import { dimensionsOf, jpegIsComplete } from './dimensions.js';
import {
  DERIVATIVE_BOUNDS,
  LONGEST_FILE,
  MOST_PIXELS,
  QUALITIES,
  fit,
  type Derivative,
  type DerivativeKind,
  type MadeDerivative,
} from './rules.js';

/** How much of a file is searched for its size in pixels (bytes): JPEGs have embedded previews before it. */
const HEADER = 1024 * 1024;

/** Photos decoded side by side: each may take 600 MB. */
const decoding = new Limit(2);

/** Hands over each version as soon as it is ready, the smallest first. Never throws: what fails is handed over as its error. */
export function makeByCanvas(
  blob: Blob,
  kinds: readonly DerivativeKind[],
  emit: (made: MadeDerivative) => void,
): Promise<void> {
  return decoding.run(() => makeAll(blob, kinds, emit));
}

async function makeAll(
  blob: Blob,
  kinds: readonly DerivativeKind[],
  emit: (made: MadeDerivative) => void,
): Promise<void> {
  const order = [...kinds].sort((a, b) => DERIVATIVE_BOUNDS[b].edge - DERIVATIVE_BOUNDS[a].edge);
  const scaled: { kind: DerivativeKind; canvas: OffscreenCanvas }[] = [];
  try {
    const photo = await decode(blob);
    let source: ImageBitmap | OffscreenCanvas = photo;
    // Each size is scaled from the next larger one, which is both faster and no worse to the eye.
    for (const kind of order) {
      const canvas = shrink(source, DERIVATIVE_BOUNDS[kind].edge);
      scaled.push({ kind, canvas });
      source = canvas;
    }
    photo.close();
  } catch (cause) {
    const error = new DerivativeError(`the image cannot be decoded: ${messageOf(cause)}`, { cause });
    order.reverse().forEach((kind) => emit({ kind, error }));
    return;
  }
  for (const { kind, canvas } of scaled.reverse()) {
    try {
      emit(await encode(kind, canvas));
    } catch (cause) {
      emit({ kind, error: new DerivativeError(`encoding failed: ${messageOf(cause)}`, { cause }) });
    }
  }
}

async function decode(blob: Blob): Promise<ImageBitmap> {
  if (blob.size === 0) {
    throw new DerivativeError('the file is empty');
  }
  if (blob.size > LONGEST_FILE) {
    throw new DerivativeError(`the file is longer than the ${LONGEST_FILE} bytes that are decoded`);
  }
  const header = new Uint8Array(await blob.slice(0, HEADER).arrayBuffer());
  const size = dimensionsOf(header);
  if (size && size.width * size.height > MOST_PIXELS) {
    throw new DerivativeError(
      `it claims ${size.width} x ${size.height} pixels, more than the ${MOST_PIXELS} that are decoded`,
    );
  }
  if (header[0] === 0xff && header[1] === 0xd8 && !jpegIsComplete(new Uint8Array(await blob.arrayBuffer()))) {
    // Browsers show what there is of it, in grey; that is no version of the photo.
    throw new DerivativeError('the image is cut short: its end is missing');
  }
  return createImageBitmap(blob, { imageOrientation: 'from-image' });
}

/** The image with its long edge at most `edge`, halved step by step: one large step loses detail to aliasing. */
function shrink(image: ImageBitmap | OffscreenCanvas, edge: number): OffscreenCanvas {
  const target = fit(image.width, image.height, edge);
  let source: ImageBitmap | OffscreenCanvas = image;
  let { width, height } = image;
  do {
    width = Math.max(target.width, Math.ceil(width / 2));
    height = Math.max(target.height, Math.ceil(height / 2));
    source = draw(source, width, height);
  } while (width !== target.width || height !== target.height);
  return source as OffscreenCanvas;
}

function draw(source: ImageBitmap | OffscreenCanvas, width: number, height: number): OffscreenCanvas {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d');
  if (!context) {
    throw new DerivativeError('this browser does not draw at the moment');
  }
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = 'high';
  context.drawImage(source, 0, 0, width, height);
  return canvas;
}

/** Within the kind's size: quality goes down first, and the number of pixels where that is not enough. */
async function encode(kind: DerivativeKind, canvas: OffscreenCanvas): Promise<Derivative> {
  const bounds = DERIVATIVE_BOUNDS[kind];
  for (let pixels = canvas; ; pixels = shrink(pixels, Math.floor((Math.max(pixels.width, pixels.height) * 3) / 4))) {
    for (const quality of QUALITIES) {
      const blob = await encodeOnce(pixels, quality / 100);
      if (blob.size <= bounds.bytes) {
        const bytes = new Uint8Array(await blob.arrayBuffer());
        return { kind, bytes, type: blob.type, width: pixels.width, height: pixels.height };
      }
    }
    if (Math.max(pixels.width, pixels.height) <= 1) {
      throw new DerivativeError('it does not fit');
    }
  }
}

async function encodeOnce(canvas: OffscreenCanvas, quality: number): Promise<Blob> {
  const webp = await canvas.convertToBlob({ type: 'image/webp', quality });
  // Browsers that do not encode WebP answer with PNG, which does not fit.
  return webp.type === 'image/webp' ? webp : canvas.convertToBlob({ type: 'image/jpeg', quality });
}
