/**
 * Keepsake in Node: files by path, hashing in a worker thread, derivatives by sharp.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { open, realpath, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import type { Content, Source, SourceOptions } from '../content/content.js';
import type { ReaderReply } from '../content/protocol.js';
import { SourceError, messageOf } from '../errors.js';
import { sharpDerivatives } from '../derivatives/sharp.js';
import { MemoryQueue } from '../upload/queue.js';
import { FileQueue } from '../upload/file-queue.js';
import type { Platform } from './platform.js';

export { FileQueue };

export const platform: Platform = {
  openContent,
  sha256: async (bytes) => new Uint8Array(createHash('sha256').update(bytes).digest()),
  startReader() {
    const worker = new Worker(new URL('./node-worker.js', import.meta.url));
    worker.unref();
    return {
      post: (request) => worker.postMessage(request),
      onReply: (listener) => worker.on('message', (reply: ReaderReply) => listener(reply)),
      onFailure(listener) {
        worker.on('error', listener);
        worker.on('exit', (code) => listener(new Error(`it ended with ${code}`)));
      },
      keepAlive: (needed) => (needed ? worker.ref() : worker.unref()),
    };
  },
  // Where the queue's file is, a program says; a library does not choose folders.
  defaultQueue: () => new MemoryQueue(),
  derivatives: sharpDerivatives,
};

async function openContent(source: Source, options: SourceOptions = {}): Promise<Content> {
  if (typeof source === 'string' || source instanceof URL) {
    return openPath(source instanceof URL ? fileURLToPath(source) : source, options);
  }
  const blob = source instanceof Blob ? source : undefined;
  const bytes = blob ? undefined : new Uint8Array(source as ArrayBuffer | Uint8Array<ArrayBuffer>);
  const file = blob && 'name' in blob ? (blob as File) : undefined;
  return {
    name: options.name ?? file?.name ?? '',
    size: blob ? blob.size : (bytes?.length ?? 0),
    type: options.type ?? blob?.type ?? '',
    lastModified: options.lastModified ?? file?.lastModified,
    place: '',
    source: blob ? { kind: 'blob', blob } : { kind: 'bytes', bytes: bytes ?? new Uint8Array() },
    persistent: undefined,
    async slice(offset, length) {
      return blob
        ? new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer())
        : (bytes ?? new Uint8Array()).slice(offset, offset + length);
    },
  };
}

async function openPath(path: string, options: SourceOptions): Promise<Content> {
  let place;
  let facts;
  try {
    place = await realpath(path);
    facts = await stat(place);
  } catch (error) {
    throw new SourceError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  if (!facts.isFile()) {
    throw new SourceError(`${path} is not a regular file`);
  }
  return {
    name: options.name ?? basename(path),
    size: facts.size,
    type: options.type ?? '',
    lastModified: options.lastModified ?? facts.mtimeMs,
    place,
    source: { kind: 'path', path: place, size: facts.size, modified: facts.mtimeMs },
    persistent: place,
    async slice(offset, length) {
      const file = await open(place, 'r');
      try {
        const bytes = new Uint8Array(Math.max(0, Math.min(length, facts.size - offset)));
        let filled = 0;
        while (filled < bytes.length) {
          const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, offset + filled);
          if (bytesRead === 0) {
            break;
          }
          filled += bytesRead;
        }
        return bytes.subarray(0, filled);
      } catch (error) {
        throw new SourceError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
      } finally {
        await file.close();
      }
    },
  };
}
