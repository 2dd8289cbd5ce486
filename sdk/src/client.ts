/**
 * The client of one vault, for one identity.
 *
 * @module
 */

import type { Agent } from '@icp-sdk/core/agent';
import type { Principal } from '@icp-sdk/core/principal';

import type { CapsuleHeader, Memory, UploadConfig } from './bindings/vault.did.js';
import type { VaultCalls } from './calls.js';
import { CapsuleHandle } from './capsule.js';
import { openConnection, type Connection, type ConnectionOptions } from './connection.js';
import type { Content, Source, SourceOptions } from './content/content.js';
import { vaultEnvironment } from './environment.js';
import { throwIfAborted } from './errors.js';
import { listMemories, listShared, type ListOptions, type MemorySummary } from './memories/listing.js';
import type { ProcessingOptions, ProcessingResult } from './memories/processing.js';
import { People, personRef, type SomebodyLike } from './person.js';
import { readAsset, readAssets, type AssetContent, type AssetSelector } from './read.js';
import { grantAccess, listAccess, revokeAccess, type Share, type ShareOptions } from './share.js';
import { ShareLinks } from './share-link.js';
import { readVaultStatus, type VaultStatus } from './status.js';
import { Trash } from './trash.js';
import { Limit } from './limit.js';
import { UploadEngine, type StoredBlob, type TransferOptions } from './upload/engine.js';
import { Pause } from './upload/pause.js';
import type { QueuedUpload, UploadQueue } from './upload/queue.js';
import { platform } from '#platform';

/** How to reach a vault, and how to bring something into it. */
export interface ConnectOptions extends ConnectionOptions {
  /** Where uploads on their way are noted: IndexedDB in browsers by default, nowhere in Node (see FileQueue). */
  queue?: UploadQueue;
  /** Chunks in flight at the most, of all uploads together; 8 by default. Each takes about 5 MB of memory. */
  window?: number;
  /**
   * Bytes of a chunk; what the vault takes at the most by default (1.8 MB). Smaller ones lose less when a slow connection breaks, and cost more messages.
   * Content of one chunk travels in one message.
   */
  chunkSize?: number;
}

/** How something is uploaded. */
export interface UploadOptions extends SourceOptions, Omit<TransferOptions, 'capsuleId' | 'withMemory'> {
  /** The caller's own capsule where none is named; it is made at the first use. */
  capsuleId?: string;
  /** Stops the upload and lets it go on. The same for many uploads stops them together. */
  pause?: Pause;
}

/** An upload on its way. */
export interface Upload {
  /** Resolves once the blob is stored and verified. */
  readonly done: Promise<StoredBlob>;
  /** Sends nothing more until `resume`; chunks on their way arrive. */
  pause(): void;
  resume(): void;
  readonly paused: boolean;
}

/** Files that are made memories side by side: each holds its beginning and its derivatives in memory. */
const MOST_PROCESSED = 8;

/** A vault, as one identity sees it. */
export class Keepsake {
  /** Every method of the vault, typed by its interface, with typed errors and retries. */
  readonly calls: VaultCalls;
  readonly canisterId: Principal;
  readonly agent: Agent;
  /** Deletions that can be undone for 30 days. */
  readonly trash: Trash;
  /** Which principals act as the caller. */
  readonly people: People;
  /** Links that show memories without signing in. */
  readonly links: ShareLinks;
  /** Uploads' shared state; for this package's own use. */
  readonly engine: UploadEngine;
  readonly #processing = new Limit(MOST_PROCESSED);
  #config: Promise<UploadConfig> | undefined;
  #ownCapsule: Promise<string> | undefined;

  private constructor(options: ConnectOptions, connection: Connection) {
    this.canisterId = connection.canisterId;
    this.agent = connection.agent;
    this.calls = connection.calls;
    const queue = options.queue ?? platform.defaultQueue();
    const host = {
      calls: this.calls,
      callsFor: connection.callsFor,
      config: () => this.config(),
    };
    this.engine = new UploadEngine(host, queue, options);
    this.trash = new Trash(this);
    this.people = new People(this);
    this.links = new ShareLinks(this);
  }

  /** Connects. Fetches the host's root key where that is to be believed; else nothing is sent yet. */
  static async connect(options: ConnectOptions): Promise<Keepsake> {
    return new Keepsake(options, await openConnection(options));
  }

  /**
   * Connects a page with the vault that served it, whose address, id and root key it has from there; see {@link vaultEnvironment}. Throws KeepsakeError on
   * any other page.
   */
  static async fromEnvironment(options: Omit<ConnectOptions, 'host' | 'canisterId' | 'rootKey' | 'agent'> = {}): Promise<Keepsake> {
    const { canisterId, host, rootKey } = vaultEnvironment();
    return Keepsake.connect({ ...options, canisterId, host, rootKey });
  }

  /** The vault's limits; asked once. */
  config(): Promise<UploadConfig> {
    this.#config ??= this.calls.upload_config().catch((error: unknown) => {
      this.#config = undefined;
      throw error;
    });
    return this.#config;
  }

  /** The id of the caller's own capsule, which is made at the first use. */
  ownCapsule(): Promise<string> {
    this.#ownCapsule ??= this.calls.capsules_create([]).then(
      ({ id }) => id,
      (error: unknown) => {
        this.#ownCapsule = undefined;
        throw error;
      },
    );
    return this.#ownCapsule;
  }

  /** Every capsule that the caller owns, controls or is the subject of. */
  capsules(): Promise<CapsuleHeader[]> {
    return this.calls.capsules_list();
  }

  /** One capsule, to see and change who has a part in it; asks nothing yet. */
  capsule(id: string): CapsuleHandle {
    return new CapsuleHandle(this, id);
  }

  /** Makes a new capsule about somebody, whose owner is the caller. Each call makes another one. BudgetExceededError where the caller has made 1,000. */
  async createCapsule(subject: SomebodyLike): Promise<CapsuleHandle> {
    const { id } = await this.calls.capsules_create([personRef(subject)]);
    return this.capsule(id);
  }

  /** State of the vault, cycles among it. For whoever owns or controls a capsule, and for the canister's controllers. */
  status(): Promise<VaultStatus> {
    return readVaultStatus(this);
  }

  /** Uploads content as a blob, which becomes part of a memory by `createMemoryFromBlob` or `addAssetToMemory`. Unreferenced, it goes after a day. */
  upload(source: Source, options: UploadOptions = {}): Upload {
    const pause = options.pause ?? new Pause();
    return handle(this.#upload(source, options, pause), pause);
  }

  /**
   * Keeps a file as a memory with four assets: lane A uploads the original and creates the memory at once, lane B makes display, thumbnail and
   * placeholder meanwhile, and each is added when it is ready. A derivative that fails is tried again alone and reported; the memory stays. Any number of files
   * may be handed over at once: some at a time are worked on.
   */
  uploadWithProcessing(source: Source, options: ProcessingOptions = {}): Promise<ProcessingResult> {
    return this.#processing.run(async () => {
      // Loaded when the first file comes: who only looks at pictures needs none of it.
      const { processUpload } = await import('./memories/processing.js');
      return processUpload(this, source, options);
    }, options.signal);
  }

  /** Uploads that were interrupted, the oldest first. Uploading the same file again goes on where it stopped. */
  pendingUploads(): Promise<QueuedUpload[]> {
    return this.engine.queue.list();
  }

  /**
   * Goes on with interrupted uploads whose file can still be read: by its path in Node, in browsers where it was short enough to be kept. What fails is told to
   * `onError`, or thrown together in the end where nobody listens; it stays in the queue as long as time can heal it.
   */
  async resumeUploads(
    options: Omit<ProcessingOptions, 'capsuleId' | 'name' | 'type' | 'lastModified'> & {
      onError?: (entry: QueuedUpload, error: unknown) => void;
    } = {},
  ): Promise<(StoredBlob | ProcessingResult)[]> {
    const results: (StoredBlob | ProcessingResult)[] = [];
    const failures: unknown[] = [];
    for (const entry of await this.pendingUploads()) {
      throwIfAborted(options.signal);
      if (entry.source === undefined) {
        continue;
      }
      const { capsuleId, name, type, about } = entry;
      // A path says its time itself; what is kept as a Blob may have lost it.
      const known = {
        ...options,
        capsuleId,
        name,
        type,
        ...(entry.lastModified === undefined ? {} : { lastModified: entry.lastModified }),
      };
      try {
        results.push(
          entry.withMemory
            ? await this.uploadWithProcessing(entry.source, { ...known, ...about })
            : await this.upload(entry.source, known).done,
        );
      } catch (error) {
        throwIfAborted(options.signal);
        if (options.onError) {
          options.onError(entry, error);
        } else {
          failures.push(error);
        }
      }
    }
    if (failures.length > 0) {
      throw new AggregateError(failures, `${failures.length} interrupted uploads did not go on`);
    }
    return results;
  }

  /** A capsule's memories, newest first, page by page as they are asked for. */
  memories(options: ListOptions & { capsuleId?: string } = {}): AsyncIterableIterator<MemorySummary> {
    return listMemories(this, options);
  }

  /** What others share with the caller. */
  sharedWithMe(options: ListOptions = {}): AsyncIterableIterator<MemorySummary> {
    return listShared(this, options);
  }

  /** A memory with all its assets, as the interface has it. */
  memory(id: string): Promise<Memory> {
    return this.calls.memories_read(id);
  }

  /** Finds an asset of a memory: by its kind (the original where nothing is said) or by its id. Its content is read when it is asked for. */
  asset(memoryId: string, selector: AssetSelector = 'original'): Promise<AssetContent> {
    return readAsset(this, memoryId, selector);
  }

  /** Every asset of a memory whose content the vault holds itself, as `asset` finds one. */
  assets(memoryId: string): Promise<AssetContent[]> {
    return readAssets(this, memoryId);
  }

  /** Shares a memory with somebody or with everybody; returns the id by which it is revoked. Shared again with the same id, it is replaced. */
  share(memoryId: string, options: ShareOptions): Promise<string> {
    return grantAccess(this, memoryId, options);
  }

  /** With whom a memory is shared: all of it for who may share it, otherwise what concerns the caller. */
  shares(memoryId: string): Promise<Share[]> {
    return listAccess(this, memoryId);
  }

  /** Takes back what `share` gave. Again: nothing happens. */
  revoke(memoryId: string, shareId: string): Promise<void> {
    return revokeAccess(this, memoryId, shareId);
  }

  async #upload(source: Source, options: UploadOptions, pause: Pause): Promise<StoredBlob> {
    const { capsuleId, name, type, lastModified, pause: _, ...transfer } = options;
    const content = await platform.openContent(source, said({ name, type, lastModified }));
    return this.uploadContent(content, { ...transfer, capsuleId: capsuleId ?? (await this.ownCapsule()) }, pause);
  }

  /** Uploads content that is open already. */
  uploadContent(content: Content, options: TransferOptions, pause = new Pause()): Promise<StoredBlob> {
    return this.engine.upload(content, options, pause);
  }
}

function handle(done: Promise<StoredBlob>, pause: Pause): Upload {
  // Whoever only pauses and resumes has not asked to hear of failures; whoever awaits `done` hears of them.
  done.catch(() => {});
  return {
    done,
    pause: () => pause.pause(),
    resume: () => pause.resume(),
    get paused() {
      return pause.paused;
    },
  };
}

/** Without what was not said. */
export function said(options: {
  name?: string | undefined;
  type?: string | undefined;
  lastModified?: number | undefined;
}): SourceOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
