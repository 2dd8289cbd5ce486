/**
 * Reading Blobs and bytes in browsers, on whichever thread.
 *
 * @module
 */

import { SourceError } from '../errors.js';
import type { Readable } from '../content/chunks.js';
import type { PortableSource, ReaderPlatform } from '../content/protocol.js';
import { sha256Hasher } from '../sha256.js';

export const browserReader: ReaderPlatform = {
  open: async (source) => readable(source),
  hasher: sha256Hasher,
};

function readable(source: PortableSource): Readable {
  if (source.kind === 'path') {
    throw new SourceError('browsers do not open files by path');
  }
  const whole = source.kind === 'blob' ? source.blob : undefined;
  const bytes = source.kind === 'bytes' ? source.bytes : new Uint8Array();
  return {
    size: whole ? whole.size : bytes.length,
    async read(offset, length) {
      // A file that changed since it was chosen is refused by the browser here.
      return whole
        ? new Uint8Array(await whole.slice(offset, offset + length).arrayBuffer())
        : new Uint8Array(bytes.slice(offset, offset + length));
    },
    async check() {},
    async close() {},
  };
}
