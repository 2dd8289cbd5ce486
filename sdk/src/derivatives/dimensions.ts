/**
 * Width and height from a file's header, without decoding it.
 *
 * @module
 */

/** As stored, before any rotation; undefined where the header does not tell, or the format is another. */
export function dimensionsOf(head: Uint8Array): { width: number; height: number } | undefined {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  try {
    return jpeg(view) ?? png(view) ?? gif(view) ?? webp(view) ?? bmp(view);
  } catch (error) {
    if (error instanceof RangeError) {
      // The header is cut short.
      return undefined;
    }
    throw error;
  }
}

type Size = { width: number; height: number } | undefined;

/** ITU T.81, B.2.2: the frame header is the first segment with a marker from C0 to CF, but for C4, C8 and CC. */
function jpeg(view: DataView): Size {
  if (view.getUint16(0) !== 0xffd8) {
    return undefined;
  }
  for (let at = 2; ; ) {
    if (view.getUint8(at) !== 0xff) {
      return undefined;
    }
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1;
    } else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    } else {
      at += 2 + view.getUint16(at + 2);
    }
  }
}

/**
 * Whether a JPEG's end marker is there. It is searched behind the first scan header, because previews in the metadata before have end markers of their own;
 * within a scan no such byte pair occurs (ITU T.81, B.1.1.5), and what phones append behind the photo does no harm.
 */
export function jpegIsComplete(bytes: Uint8Array): boolean {
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda) {
    at += bytes[at + 1] === 0xff ? 1 : 2 + (bytes[at + 2]! << 8) + bytes[at + 3]!;
  }
  for (let found = bytes.indexOf(0xd9, at); found > 0; found = bytes.indexOf(0xd9, found + 1)) {
    if (bytes[found - 1] === 0xff) {
      return true;
    }
  }
  return false;
}

/** PNG specification, 11.2.1: IHDR comes first. */
function png(view: DataView): Size {
  return view.getUint32(0) === 0x89504e47 ? { width: view.getUint32(16), height: view.getUint32(20) } : undefined;
}

function gif(view: DataView): Size {
  const isGif = view.getUint32(0) === 0x47494638;
  return isGif ? { width: view.getUint16(6, true), height: view.getUint16(8, true) } : undefined;
}

/** RFC 9649, 2.5 to 2.7: lossy, lossless, extended. */
function webp(view: DataView): Size {
  if (view.getUint32(0) !== 0x52494646 || view.getUint32(8) !== 0x57454250) {
    return undefined;
  }
  switch (view.getUint32(12)) {
    case 0x56503820:
      return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
    case 0x5650384c: {
      const bits = view.getUint32(21, true);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case 0x56503858: {
      const three = (at: number) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
      return { width: three(24) + 1, height: three(27) + 1 };
    }
    default:
      return undefined;
  }
}

function bmp(view: DataView): Size {
  const isBmp = view.getUint16(0) === 0x424d;
  return isBmp
    ? { width: Math.abs(view.getInt32(18, true)), height: Math.abs(view.getInt32(22, true)) }
    : undefined;
}
