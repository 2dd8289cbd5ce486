/**
 * The upload engine: content becomes a blob of the vault, read once, sent once, in parallel chunks, resumable.
 *
 * What fits one message travels in one. Longer content is read by a worker, which hashes each chunk as it hands it out, so that neither the
 * file nor more than a window of chunks is in memory. Its session is found again by the queue, or by an idempotency key made of
 * where the file is and how it begins; the vault is asked which chunks it lacks, and only these travel. Whether the session really held
 * the same file is decided by the hash in the end: if not, everything is sent again. So the key only saves bytes; it is never trusted.
 *
 * @module
 */

import type { UploadConfig, UploadFinishResult } from '../bindings/vault.did.js';
import type { VaultCalls } from '../calls.js';
import type { Content } from '../content/content.js';
import { ReaderClient } from '../content/protocol.js';
import {
  ConflictError,
  ContentMismatchError,
  FileChangedError,
  InvalidArgumentError,
  NotFoundError,
  TooLargeError,
  isTransient,
  throwIfAborted,
} from '../errors.js';
import { bytesEqual, toHex } from '../hex.js';
import { Limit } from '../limit.js';
import { platform } from '#platform';
import { HeldContent } from './held.js';
import { Pause } from './pause.js';
import { ProgressMeter, type OnProgress } from './progress.js';
import { Notes, type UploadQueue } from './queue.js';
import { ChunkSet } from './ranges.js';
import { AdaptiveWindow } from './window.js';

/** Most chunks of one upload (`uploads_begin`). */
export const MOST_CHUNKS = 16_384;

/** How often a session is completed with chunks that the vault says it lacks, after the first pass. */
const MOST_REPAIRS = 8;

/** Uploads of several chunks at the same time: fewer than the sessions that a caller may have open in a capsule. */
const MOST_TRANSFERS = 32;

/** How much of a file's beginning goes into the key of its session (bytes). */
const KEY_HEAD = 64 * 1024;

/** A blob in the vault. */
export interface StoredBlob {
  /** `blob_<n>`, which is also its locator. */
  id: string;
  sha256: Uint8Array;
  /** Bytes. */
  size: number;
  /** Whether the capsule held this content already, so that nothing travelled. */
  held: boolean;
}

/** How one upload is done. */
export interface TransferOptions {
  capsuleId: string;
  /** Cancels: the vault frees what it received. To stop and go on later, pause, or just stop: the session lives 7 days. */
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
  /**
   * Whether content that the capsule holds already is left unsent. `auto`: content of one message is looked up by its hash; longer content
   * is read once, hashed while it is sent. `always`: longer content is hashed first, which reads it twice. `never`: everything is sent.
   */
  skipHeld?: 'auto' | 'always' | 'never' | undefined;
  /** Whether it is the original of a memory, whose entry in the queue is its creator's; set by `uploadWithProcessing`. */
  withMemory?: boolean | undefined;
}

/** What the engine needs of its client. */
export interface EngineHost {
  readonly calls: VaultCalls;
  /** Calls whose requests end when the signal fires, and that tell of failed attempts. */
  callsFor(signal: AbortSignal | undefined, onRetry: () => void): VaultCalls;
  config(): Promise<UploadConfig>;
}

/** Uploads of one client; they share its window and its reading thread. */
export class UploadEngine {
  readonly host: EngineHost;
  readonly window: AdaptiveWindow;
  readonly queue: UploadQueue;
  readonly notes: Notes;
  readonly held: HeldContent;
  readonly readers: ReaderClient;
  readonly #chunkSize: number | undefined;
  readonly #transfers = new Limit(MOST_TRANSFERS);

  constructor(host: EngineHost, queue: UploadQueue, options: { window?: number; chunkSize?: number }) {
    this.host = host;
    this.queue = queue;
    this.notes = new Notes(queue);
    this.#chunkSize = options.chunkSize;
    this.window = new AdaptiveWindow(options.window);
    this.held = new HeldContent(host.calls);
    this.readers = new ReaderClient(() => platform.startReader());
  }

  /** The key by which an upload is found again: the same for the same file at the same place, capsule and chunk size. */
  async keyOf(content: Content, capsuleId: string): Promise<string> {
    const chunkSize = await this.#chunkLength();
    const head = await content.slice(0, KEY_HEAD);
    const place = content.place || content.name;
    const facts = [capsuleId, place, content.size, content.lastModified ?? null, chunkSize];
    const told = new TextEncoder().encode(JSON.stringify(facts));
    const all = new Uint8Array(told.length + head.length);
    all.set(told);
    all.set(head, told.length);
    return `sdk:${toHex(await platform.sha256(all))}`;
  }

  /**
   * Uploads content into a capsule.
   *
   * Errors: SourceError and its kinds from the content; the vault's typed errors; connection errors when the retries are used up, which
   * leave the session open, so that the same upload goes on where it stopped; CancelledError, after which nothing is left.
   */
  async upload(content: Content, options: TransferOptions, pause: Pause): Promise<StoredBlob> {
    throwIfAborted(options.signal);
    const chunkSize = await this.#chunkLength();
    const meter = new ProgressMeter(content.size, options.onProgress);
    const blob =
      content.size <= chunkSize
        ? await this.#small(content, options, pause, meter)
        : await this.#transfers.run(
            () => new Transfer(this, content, options, pause, meter, chunkSize).run(),
            options.signal,
          );
    meter.finish();
    return blob;
  }

  async #chunkLength(): Promise<number> {
    const { chunk_size: most } = await this.host.config();
    return Math.max(1, Math.min(Math.floor(this.#chunkSize ?? most), most));
  }

  /** One message. The bytes are in memory as a whole, so that they are hashed and sent from the same place. */
  async #small(content: Content, options: TransferOptions, pause: Pause, meter: ProgressMeter): Promise<StoredBlob> {
    const { capsuleId, signal, skipHeld = 'auto' } = options;
    await this.window.acquire(signal);
    let arrived = 0;
    try {
      const bytes = await content.slice(0, content.size + 1);
      if (bytes.length !== content.size) {
        throw new FileChangedError(`${content.name || 'the content'} changed while it was being read`);
      }
      const sha256 = await platform.sha256(bytes);
      const held = skipHeld === 'never' ? undefined : await this.held.find(capsuleId, sha256);
      if (held && Number(held.size) === content.size) {
        return { id: held.blob_id, sha256, size: content.size, held: true };
      }
      await pause.wait(signal, meter);
      const calls = this.host.callsFor(signal, () => this.window.congested());
      const result = await calls.uploads_put_blob(capsuleId, bytes, sha256, `sdk:${toHex(sha256)}`);
      arrived = content.size;
      meter.add(arrived, true);
      return checked(result, sha256, content.size);
    } finally {
      this.window.release(arrived);
    }
  }
}

/** One upload of several chunks. */
class Transfer {
  readonly #engine: UploadEngine;
  readonly #content: Content;
  readonly #options: TransferOptions;
  readonly #pause: Pause;
  readonly #meter: ProgressMeter;
  readonly #chunkSize: number;
  readonly #chunks: number;
  readonly #calls: VaultCalls;

  constructor(
    engine: UploadEngine,
    content: Content,
    options: TransferOptions,
    pause: Pause,
    meter: ProgressMeter,
    chunkSize: number,
  ) {
    this.#engine = engine;
    this.#content = content;
    this.#options = options;
    this.#pause = pause;
    this.#meter = meter;
    this.#chunkSize = chunkSize;
    this.#chunks = Math.ceil(content.size / chunkSize);
    if (this.#chunks > MOST_CHUNKS) {
      throw new TooLargeError(
        `${content.size} bytes are more than one upload takes (${MOST_CHUNKS * chunkSize} bytes)`,
      );
    }
    this.#calls = engine.host.callsFor(options.signal, () => engine.window.congested());
  }

  async run(): Promise<StoredBlob> {
    const { capsuleId, signal, skipHeld } = this.#options;
    if (skipHeld === 'always') {
      const held = await this.#findHeld();
      if (held) {
        return held;
      }
    }
    const key = await this.#engine.keyOf(this.#content, capsuleId);
    for (let restarted = false; ; restarted = true) {
      const session = await this.#session(key);
      try {
        const blob = await this.#complete(session);
        // Of what becomes a memory, the entry stays until that is there.
        if (!this.#options.withMemory) {
          await this.#engine.notes.remove(key);
        }
        return blob;
      } catch (error) {
        const sessionGone = error instanceof NotFoundError || error instanceof ConflictError;
        if (sessionGone && !restarted && !signal?.aborted) {
          // Another upload of the same content finished it or gave it up meanwhile: begin anew.
          await this.#queued(key, undefined);
          this.#meter.restart();
          continue;
        }
        if (!isTransient(error)) {
          // What cannot be resumed usefully would only take the vault's space. That it fails changes nothing: sessions expire.
          await this.#engine.host.calls.uploads_abort(session).catch(() => {});
          await this.#engine.notes.remove(key);
        }
        throw error;
      }
    }
  }

  /** The session of an earlier run where it is still open, else that of the key. */
  async #session(key: string): Promise<bigint> {
    const earlier = (await this.#engine.notes.find(key))?.session;
    if (earlier !== undefined) {
      try {
        const { state, expected_chunks: chunks } = await this.#calls.uploads_status(BigInt(earlier));
        if (!('Aborted' in state) && chunks === this.#chunks) {
          return BigInt(earlier);
        }
      } catch (error) {
        if (!(error instanceof NotFoundError)) {
          throw error;
        }
      }
    }
    // Noted before and after: wherever a run ends, the next one finds either the file or the session too.
    await this.#queued(key, undefined);
    const session = await this.#calls.uploads_begin(this.#options.capsuleId, this.#chunks, key);
    await this.#queued(key, session);
    return session;
  }

  async #queued(key: string, session: bigint | undefined): Promise<void> {
    const content = this.#content;
    const known = await this.#engine.notes.find(key);
    await this.#engine.notes.put({
      key,
      capsuleId: this.#options.capsuleId,
      session: session?.toString(),
      name: content.name,
      size: content.size,
      type: content.type,
      lastModified: content.lastModified,
      source: content.persistent,
      withMemory: this.#options.withMemory ?? false,
      about: known?.about,
      queuedAt: known?.queuedAt ?? Date.now(),
    });
  }

  async #complete(session: bigint): Promise<StoredBlob> {
    const all = ChunkSet.all(this.#chunks);
    const status = await this.#calls.uploads_status(session);
    let wanted = new ChunkSet(status.missing);
    let completePass = wanted.size === this.#chunks;
    for (let repairs = 0; ; repairs += 1) {
      const sha256 = await this.#pass(session, wanted);
      this.#meter.phase = 'finishing';
      try {
        const result = await this.#calls.uploads_finish(session, sha256, BigInt(this.#content.size));
        return checked(result, sha256, this.#content.size);
      } catch (error) {
        if (!(error instanceof InvalidArgumentError)) {
          throw error;
        }
        const lacking =
          error.argument === 'chunk_missing' ? ChunkSet.parse(error.detail, this.#chunks) : undefined;
        if (lacking && repairs < MOST_REPAIRS) {
          wanted = lacking;
        } else if (!completePass && ['hash_mismatch', 'size_mismatch'].includes(error.argument)) {
          // The session held other bytes than this file: everything again, once.
          completePass = true;
          wanted = all;
        } else {
          throw error;
        }
        this.#meter.restart();
      }
    }
  }

  /** Reads the content from beginning to end, sends the chunks wanted, and returns the SHA-256 of all. */
  async #pass(session: bigint, wanted: ChunkSet): Promise<Uint8Array> {
    // Ends the chunks on their way when one of them failed for good.
    const failures: unknown[] = [];
    const inFlight = new Set<Promise<void>>();
    const reader = await this.#engine.readers.open(this.#content.source, this.#chunkSize);
    try {
      for (let index = 0; index < this.#chunks; index += 1) {
        const send = wanted.has(index);
        if (send) {
          await this.#pause.wait(this.#options.signal, this.#meter);
          // Taken before the chunk is read, so that the window bounds what is in memory.
          await this.#engine.window.acquire(this.#options.signal);
        }
        let chunk;
        try {
          throwIfAborted(this.#options.signal);
          if (failures.length > 0) {
            throw failures[0];
          }
          chunk = await reader.next(send);
        } catch (error) {
          if (send) {
            this.#engine.window.release(0);
          }
          throw error;
        }
        if (chunk.bytes) {
          const sending = this.#put(session, index, chunk.bytes).catch((error: unknown) => {
            failures.push(error);
          });
          inFlight.add(sending);
          void sending.then(() => inFlight.delete(sending));
        } else {
          this.#meter.add(chunk.length, false);
        }
        if (chunk.sha256) {
          await Promise.all(inFlight);
          if (failures.length > 0) {
            throw failures[0];
          }
          return chunk.sha256;
        }
      }
      throw new FileChangedError(`${this.#content.name || 'the content'} changed while it was being read`);
    } finally {
      // Chunks on their way end before anybody decides what becomes of the session.
      await Promise.all(inFlight);
      await reader.close().catch(() => {});
    }
  }

  async #put(session: bigint, index: number, bytes: Uint8Array): Promise<void> {
    let arrived = 0;
    try {
      await this.#calls.uploads_put_chunk(session, index, bytes);
      arrived = bytes.length;
      this.#meter.add(arrived, true);
    } finally {
      this.#engine.window.release(arrived);
    }
  }

  /** A blob of the capsule with this content, found by reading it once without sending. */
  async #findHeld(): Promise<StoredBlob | undefined> {
    this.#meter.phase = 'hashing';
    const reader = await this.#engine.readers.open(this.#content.source, this.#chunkSize);
    try {
      for (;;) {
        throwIfAborted(this.#options.signal);
        const { sha256 } = await reader.next(false);
        if (sha256) {
          const held = await this.#engine.held.find(this.#options.capsuleId, sha256);
          this.#meter.phase = 'uploading';
          const { size } = this.#content;
          return held && Number(held.size) === size ? { id: held.blob_id, sha256, size, held: true } : undefined;
        }
      }
    } finally {
      await reader.close().catch(() => {});
    }
  }
}

/** What the vault says it stored must be what was sent. */
function checked(result: UploadFinishResult, sha256: Uint8Array, size: number): StoredBlob {
  const stored = result.checksum_sha256[0];
  if (Number(result.size) !== size || (stored && !bytesEqual(Uint8Array.from(stored), sha256))) {
    throw new ContentMismatchError(
      `sent ${size} bytes with SHA-256 ${toHex(sha256)}, and the vault confirms ${result.size} bytes` +
        (stored ? ` with ${toHex(Uint8Array.from(stored))}` : ''),
    );
  }
  return { id: result.blob_id, sha256, size, held: false };
}
