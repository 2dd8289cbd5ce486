/**
 * Reading files, Blobs and bytes in Node, on whichever thread.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

import { FileChangedError, SourceError, messageOf } from '../errors.js';
import type { Hasher, Readable } from '../content/chunks.js';
import type { PortableSource, ReaderPlatform } from '../content/protocol.js';

export const nodeReader: ReaderPlatform = {
  open: (source) => (source.kind === 'path' ? openFile(source) : Promise.resolve(inMemory(source))),
  hasher(): Hasher {
    const hash = createHash('sha256');
    return { update: (bytes) => hash.update(bytes), digest: () => new Uint8Array(hash.digest()) };
  },
};

async function openFile({ path, size, modified }: PortableSource & { kind: 'path' }): Promise<Readable> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw new SourceError(`${path} cannot be read: ${messageOf(error)}`);
  });
  const changed = () => {
    const error = new FileChangedError(`${path} changed while it was being read`);
    return error;
  };
  return {
    size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      for (let filled = 0; filled < length; ) {
        const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) {
          throw changed();
        }
        filled += bytesRead;
      }
      return bytes;
    },
    async check() {
      const now = await file.stat();
      if (now.size !== size || now.mtimeMs !== modified) {
        throw changed();
      }
    },
    close: () => file.close(),
  };
}

function inMemory(source: PortableSource & { kind: 'blob' | 'bytes' }): Readable {
  const size = source.kind === 'blob' ? source.blob.size : source.bytes.length;
  return {
    size,
    async read(offset, length) {
      return source.kind === 'blob'
        ? new Uint8Array(await source.blob.slice(offset, offset + length).arrayBuffer())
        : source.bytes.slice(offset, offset + length) as Uint8Array<ArrayBuffer>;
    },
    async check() {},
    async close() {},
  };
}
