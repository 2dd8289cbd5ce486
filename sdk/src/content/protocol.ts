/**
 * What the main thread and the worker that reads and hashes say to each other.
 *
 * @module
 */

import { FileChangedError, SourceError, messageOf } from '../errors.js';
import { ChunkReader, type Chunk, type Hasher, type Readable } from './chunks.js';

/** Content as it travels to a worker: by reference, without its bytes. */
export type PortableSource =
  | { kind: 'path'; path: string; size: number; modified: number }
  | { kind: 'blob'; blob: Blob }
  | { kind: 'bytes'; bytes: Uint8Array };

/** What the worker is asked. `reader` is a number that the main thread chooses, new for each content. */
export type ReaderRequest =
  | { id: number; reader: number; op: 'open'; source: PortableSource; chunkSize: number }
  | { id: number; reader: number; op: 'next'; send: boolean }
  | { id: number; reader: number; op: 'close' };

/** What the worker answers. */
export type ReaderReply =
  | { id: number; chunk: Chunk | null }
  | { id: number; error: { name: string; message: string } };

/** How a platform opens content and hashes it. */
export interface ReaderPlatform {
  open(source: PortableSource): Promise<Readable>;
  hasher(): Hasher;
}

/** The worker's side: answers requests, each reader's in order. */
export class ReaderHost {
  readonly #platform: ReaderPlatform;
  readonly #readers = new Map<number, { readable: Readable; chunks: ChunkReader }>();

  constructor(platform: ReaderPlatform) {
    this.#platform = platform;
  }

  async answer(request: ReaderRequest): Promise<ReaderReply> {
    try {
      return { id: request.id, chunk: await this.#run(request) };
    } catch (error) {
      const name = error instanceof Error ? error.name : 'Error';
      return { id: request.id, error: { name, message: messageOf(error) } };
    }
  }

  async #run(request: ReaderRequest): Promise<Chunk | null> {
    if (request.op === 'open') {
      const readable = await this.#platform.open(request.source);
      const chunks = new ChunkReader(readable, request.chunkSize, this.#platform.hasher());
      this.#readers.set(request.reader, { readable, chunks });
      return null;
    }
    const reader = this.#readers.get(request.reader);
    if (request.op === 'close') {
      this.#readers.delete(request.reader);
      await reader?.readable.close();
      return null;
    }
    if (!reader) {
      throw new SourceError('the content was closed');
    }
    return reader.chunks.next(request.send);
  }
}

/** A worker, seen from the main thread. */
export interface ReaderWorker {
  post(request: ReaderRequest): void;
  /** At most one listener of each kind. */
  onReply(listener: (reply: ReaderReply) => void): void;
  onFailure(listener: (error: Error) => void): void;
  /** Whether the process may not end meanwhile; Node only. */
  keepAlive(needed: boolean): void;
}

/** The worker ended, or could not be started. */
class ThreadFailedError extends SourceError {}

/** The main thread's side: one worker for all uploads, started when the first needs it. */
export class ReaderClient {
  readonly #start: () => ReaderWorker;
  #worker: ReaderWorker | undefined;
  #next = 1;
  readonly #waiting = new Map<number, { resolve(chunk: Chunk | null): void; reject(error: Error): void }>();

  constructor(start: () => ReaderWorker) {
    this.#start = start;
  }

  /** Opens content for one pass. */
  async open(source: PortableSource, chunkSize: number): Promise<ContentPass> {
    const reader = this.#next;
    this.#next += 1;
    const request = { id: 0, reader, op: 'open', source, chunkSize } as const;
    await this.#ask(request).catch((error: unknown) => {
      if (!(error instanceof ThreadFailedError)) {
        throw error;
      }
      // Nothing was read yet: another thread, or none where none can be started.
      return this.#ask(request);
    });
    return {
      next: async (send) => {
        const chunk = await this.#ask({ id: 0, reader, op: 'next', send });
        if (!chunk) {
          throw new SourceError('the reader answered without a chunk');
        }
        return chunk;
      },
      close: async () => {
        await this.#ask({ id: 0, reader, op: 'close' });
      },
    };
  }

  #ask(request: ReaderRequest): Promise<Chunk | null> {
    const worker = (this.#worker ??= this.#begin());
    const id = this.#next;
    this.#next += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.keepAlive(true);
      worker.post({ ...request, id });
    });
  }

  #begin(): ReaderWorker {
    const worker = this.#start();
    worker.onReply((reply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (this.#waiting.size === 0) {
        worker.keepAlive(false);
      }
      if ('error' in reply) {
        waiting?.reject(sourceError(reply.error));
      } else {
        waiting?.resolve(reply.chunk);
      }
    });
    worker.onFailure((error) => {
      // The next request starts another one.
      this.#worker = undefined;
      for (const waiting of this.#waiting.values()) {
        waiting.reject(new ThreadFailedError(`the reading thread failed: ${error.message}`, { cause: error }));
      }
      this.#waiting.clear();
    });
    return worker;
  }
}

/** One reading of a content, from beginning to end. */
export interface ContentPass {
  /** The next chunk; without bytes where `send` is false. */
  next(send: boolean): Promise<Chunk>;
  /** To be called in the end, whatever happened. */
  close(): Promise<void>;
}

function sourceError({ name, message }: { name: string; message: string }): Error {
  // Browsers answer NotReadableError where a file changed after it was chosen.
  return name === 'FileChangedError' || name === 'NotReadableError'
    ? new FileChangedError(message)
    : new SourceError(message);
}
