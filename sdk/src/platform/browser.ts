/**
 * Keepsake in browsers: Files and Blobs, hashing and derivatives in a Worker, the queue in IndexedDB.
 *
 * @module
 */

import type { Content, Source, SourceOptions } from '../content/content.js';
import { ReaderHost, type ReaderReply } from '../content/protocol.js';
import { makeByCanvas } from '../derivatives/canvas.js';
import type { DerivativeKind, MadeDerivative } from '../derivatives/rules.js';
import { DerivativeError, SourceError } from '../errors.js';
import { sha256Hasher } from '../sha256.js';
import { IndexedDbQueue } from '../upload/indexed-db-queue.js';
import { MemoryQueue } from '../upload/queue.js';
import { browserReader } from './browser-source.js';
import type { Derived, WorkerReply, WorkerRequest } from './browser-worker.js';
import type { Platform } from './platform.js';

/** In browsers there are no files by path; the types are Node's. */
export const FileQueue = undefined;

export const platform: Platform = {
  openContent,
  async sha256(bytes) {
    // Only secure contexts have WebCrypto.
    if (globalThis.crypto?.subtle) {
      return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
    }
    const hasher = sha256Hasher();
    hasher.update(bytes);
    return hasher.digest();
  },
  startReader() {
    const worker = sharedWorker();
    if (!worker) {
      // No workers here: the page reads and hashes itself.
      const host = new ReaderHost(browserReader);
      let listener: (reply: ReaderReply) => void = () => {};
      return {
        post: (request) => void host.answer(request).then((reply) => listener(reply)),
        onReply: (given) => (listener = given),
        onFailure() {},
        keepAlive() {},
      };
    }
    return {
      post: (request) => worker.post({ reader: request }, []),
      onReply: (given) => (worker.onReader = given),
      onFailure: (given) => worker.onFailure.add(given),
      keepAlive() {},
    };
  },
  defaultQueue: () => (typeof indexedDB === 'undefined' ? new MemoryQueue() : new IndexedDbQueue()),
  derivatives: { decodes, make },
};

/** The one worker of this page. */
interface PageWorker {
  post(request: WorkerRequest, transfer: Transferable[]): void;
  onReader: (reply: ReaderReply) => void;
  onFailure: Set<(error: Error) => void>;
  onDerived: Map<number, (reply: Derived) => void>;
}

let started: PageWorker | undefined;

/** A worker ended before it said anything: its file is not there, or the page's policy forbids it. Then the page does the work itself. */
let workersFail = false;

function sharedWorker(): PageWorker | undefined {
  if (typeof Worker === 'undefined' || workersFail) {
    return undefined;
  }
  if (!started) {
    const worker = new Worker(new URL('./browser-worker.js', import.meta.url), { type: 'module' });
    const page: PageWorker = {
      post: (request, transfer) => worker.postMessage(request, transfer),
      onReader: () => {},
      onFailure: new Set(),
      onDerived: new Map(),
    };
    let heard = false;
    worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => {
      heard = true;
      if ('reader' in data) {
        page.onReader(data.reader);
      } else {
        page.onDerived.get(data.derived.id)?.(data.derived);
      }
    };
    worker.onerror = (event) => {
      started = undefined;
      workersFail = !heard;
      worker.terminate();
      const error = new Error(event.message || 'the worker cannot be loaded');
      page.onFailure.forEach((listener) => listener(error));
    };
    started = page;
  }
  return started;
}

let nextDerivation = 1;

async function make(
  content: Content,
  kinds: readonly DerivativeKind[],
  emit: (made: MadeDerivative) => void,
): Promise<void> {
  const blob =
    content.source.kind === 'blob' ? content.source.blob : new Blob([await content.slice(0, content.size)]);
  const worker = sharedWorker();
  if (!worker) {
    await makeByCanvas(blob, kinds, emit);
    return;
  }
  const id = nextDerivation;
  nextDerivation += 1;
  let failed = (_error: Error) => {};
  try {
    await new Promise<void>((resolve, reject) => {
      failed = reject;
      worker.onFailure.add(failed);
      worker.onDerived.set(id, ({ made, failed: failure, done }) => {
        if (made) {
          emit(made);
        } else if (failure) {
          emit({ kind: failure.kind, error: new DerivativeError(failure.message) });
        } else if (done) {
          resolve();
        }
      });
      worker.post({ derive: { id, blob, kinds } }, []);
    });
  } finally {
    worker.onDerived.delete(id);
    worker.onFailure.delete(failed);
  }
}

/** What every browser decodes; others are asked for. */
const ALWAYS = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'image/bmp']);
const known = new Map<string, Promise<boolean>>();

function decodes(type: string): boolean | Promise<boolean> {
  if (ALWAYS.has(type)) {
    return typeof OffscreenCanvas !== 'undefined';
  }
  if (!['image/avif', 'image/heic', 'image/heif', 'image/tiff', 'image/jxl'].includes(type)) {
    return false;
  }
  let answer = known.get(type);
  if (!answer) {
    // Safari decodes HEIC, for example.
    answer = typeof ImageDecoder === 'undefined' ? Promise.resolve(isSafari()) : ImageDecoder.isTypeSupported(type);
    known.set(type, answer);
  }
  return answer;
}

/** Safari has no ImageDecoder to ask in all its versions, but decodes what its system does; what it does not costs its derivatives only. */
function isSafari(): boolean {
  return /^((?!chrome|android|firefox).)*safari/i.test(globalThis.navigator?.userAgent ?? '');
}

async function openContent(source: Source, options: SourceOptions = {}): Promise<Content> {
  if (typeof source === 'string' || source instanceof URL) {
    throw new SourceError('browsers do not open files by path: hand over a File or a Blob');
  }
  const blob = source instanceof Blob ? source : undefined;
  const bytes = blob ? new Uint8Array() : new Uint8Array(source as ArrayBuffer | Uint8Array<ArrayBuffer>);
  const file = blob instanceof File ? blob : undefined;
  return {
    name: options.name ?? file?.name ?? '',
    size: blob ? blob.size : bytes.length,
    type: options.type ?? blob?.type ?? '',
    lastModified: options.lastModified ?? file?.lastModified,
    // A file that was kept in the queue has lost its folder, and has to be found again all the same.
    place: '',
    source: blob ? { kind: 'blob', blob } : { kind: 'bytes', bytes },
    persistent: blob,
    async slice(offset, length) {
      if (!blob) {
        return bytes.slice(offset, offset + length);
      }
      try {
        return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
      } catch (cause) {
        throw new SourceError(`${file?.name ?? 'the content'} cannot be read`, { cause });
      }
    },
  };
}
