/**
 * Bytes as text, comparing them, and having them to oneself.
 *
 * @module
 */

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    text += byte.toString(16).padStart(2, '0');
  }
  return text;
}

/** Bytes of hexadecimal; undefined where it is none. */
export function fromHex(text: string): Uint8Array | undefined {
  if (!/^(?:[0-9a-f]{2})*$/i.test(text)) {
    return undefined;
  }
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Bytes as an array of their own kind, whatever the decoder of an answer made of them. */
export function ownBytes(bytes: Uint8Array | number[]): Uint8Array<ArrayBuffer> {
  return bytes instanceof Uint8Array ? (bytes as Uint8Array<ArrayBuffer>) : Uint8Array.from(bytes);
}

/** Whether both are the same bytes. */
export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
