/**
 * The client of one vault, for one identity.
 *
 * @module
 */

import { HttpAgent, type Agent } from '@icp-sdk/core/agent';
import type { Identity } from '@icp-sdk/core/agent';
import { Principal } from '@icp-sdk/core/principal';

import type { CapsuleHeader, Memory, UploadConfig } from './bindings/vault.did.js';
import { callsOver, connectionError, type VaultCalls } from './calls.js';
import type { Content, Source, SourceOptions } from './content/content.js';
import { throwIfAborted } from './errors.js';
import { listMemories, listShared, type ListOptions, type MemorySummary } from './memories/listing.js';
import { processUpload, type ProcessingOptions, type ProcessingResult } from './memories/processing.js';
import { readAsset, type AssetContent, type AssetSelector } from './read.js';
import { grantAccess, revokeAccess, type ShareOptions } from './share.js';
import { Limit } from './limit.js';
import { DEFAULT_RETRY, sleep, withRetry, type RetryPolicy } from './retry.js';
import { UploadEngine, type StoredBlob, type TransferOptions } from './upload/engine.js';
import { Pause } from './upload/pause.js';
import type { QueuedUpload, UploadQueue } from './upload/queue.js';
import { platform } from '#platform';

/** How to reach a vault. */
export interface ConnectOptions {
  /** `http://127.0.0.1:4943`, `https://icp-api.io`, or the page's own origin. Not needed with an agent. */
  host?: string;
  /** The vault's canister id. */
  canisterId: Principal | string;
  /** Who calls; without one the caller is anonymous, who may do next to nothing. */
  identity?: Identity | Promise<Identity>;
  /**
   * Whose certificates are believed: `mainnet`, the Internet Computer's; `fetch`, what the host itself says, for a vault on a machine that is trusted; or a
   * key. By default what loopback addresses say is believed, and everywhere else the Internet Computer's key.
   */
  rootKey?: 'mainnet' | 'fetch' | Uint8Array;
  /** An agent to use instead of host, identity and rootKey. Its requests cannot be cancelled halfway. */
  agent?: Agent;
  /** How long and how often calls are repeated that time can heal. */
  retry?: Partial<RetryPolicy>;
  /** Where uploads on their way are noted: IndexedDB in browsers by default, nowhere in Node (see FileQueue). */
  queue?: UploadQueue;
  /** Chunks in flight at the most, of all uploads together; 8 by default. Each takes about 5 MB of memory. */
  window?: number;
  /**
   * Bytes of a chunk; what the vault takes at the most by default (1.8 MB). Smaller ones lose less when a slow connection breaks, and cost more messages.
   * Content of one chunk travels in one message.
   */
  chunkSize?: number;
  /** Used instead of the platform's fetch. */
  fetch?: typeof fetch;
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

/** Milliseconds that a request may take, and the rate below which a long one is given up (bytes a millisecond). */
const REQUEST_TIME = 30_000;
const SLOWEST = 16;

/** Milliseconds before a lost question is asked again; each further pause is longer. */
const QUESTION_PAUSE = 100;

/** A vault, as one identity sees it. */
export class Keepsake {
  /** Every method of the vault, typed by its interface, with typed errors and retries. */
  readonly calls: VaultCalls;
  readonly canisterId: Principal;
  readonly agent: Agent;
  /** Uploads' shared state; for this package's own use. */
  readonly engine: UploadEngine;
  readonly #retry: RetryPolicy;
  readonly #agentFor: ((signal: AbortSignal) => Agent) | undefined;
  readonly #processing = new Limit(MOST_PROCESSED);
  #config: Promise<UploadConfig> | undefined;
  #ownCapsule: Promise<string> | undefined;

  private constructor(options: ConnectOptions, agent: Agent, agentFor: ((signal: AbortSignal) => Agent) | undefined) {
    this.canisterId = Principal.from(options.canisterId);
    this.agent = agent;
    this.#agentFor = agentFor;
    this.#retry = { ...DEFAULT_RETRY, ...options.retry };
    this.calls = callsOver({ agent, canisterId: this.canisterId, retry: this.#retry });
    const queue = options.queue ?? platform.defaultQueue();
    const host = {
      calls: this.calls,
      callsFor: (signal: AbortSignal | undefined, onRetry: () => void) => this.#callsFor(signal, onRetry),
      config: () => this.config(),
    };
    this.engine = new UploadEngine(host, queue, options);
  }

  /** Connects. Fetches the host's root key where that is to be believed; else nothing is sent yet. */
  static async connect(options: ConnectOptions): Promise<Keepsake> {
    if (options.agent) {
      return new Keepsake(options, options.agent, undefined);
    }
    const host = options.host ?? globalThis.location?.origin ?? 'https://icp-api.io';
    const rootKey = options.rootKey ?? (isLoopback(host) ? 'fetch' : 'mainnet');
    const send = options.fetch ?? globalThis.fetch.bind(globalThis);
    const settings = {
      host,
      ...(options.identity ? { identity: options.identity } : {}),
      ...(rootKey instanceof Uint8Array ? { rootKey } : {}),
      verifyQuerySignatures: true,
      // Calls are repeated here, where it is known which errors time can heal.
      retryTimes: 0,
    };
    const agent = HttpAgent.createSync({ ...settings, fetch: timed(send) });
    if (rootKey === 'fetch') {
      const ask = () =>
        agent.fetchRootKey().catch((error: unknown) => {
          throw connectionError('status', error);
        });
      await withRetry({ ...DEFAULT_RETRY, ...options.retry }, ask);
    }
    const agentFor = (signal: AbortSignal) =>
      HttpAgent.createSync({
        ...settings,
        ...(agent.rootKey ? { rootKey: agent.rootKey } : {}),
        fetch: timed(send, signal),
      });
    return new Keepsake(options, agent, agentFor);
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
    return this.#processing.run(() => processUpload(this, source, options), options.signal);
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

  /** Shares a memory with somebody or with everybody; returns the id by which it is revoked. Shared again with the same id, it is replaced. */
  share(memoryId: string, options: ShareOptions): Promise<string> {
    return grantAccess(this, memoryId, options);
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

  #callsFor(signal: AbortSignal | undefined, onRetry: () => void): VaultCalls {
    const agent = signal && this.#agentFor ? this.#agentFor(signal) : this.agent;
    return callsOver({
      agent,
      canisterId: this.canisterId,
      retry: this.#retry,
      onRetry,
      ...(signal ? { signal } : {}),
    });
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

/** A fetch whose requests end in time, and when the signal fires. */
function timed(send: typeof fetch, signal?: AbortSignal): typeof fetch {
  const once = (input: RequestInfo | URL, init: RequestInit = {}) => {
    const body = init.body;
    const length = body instanceof Uint8Array ? body.byteLength : 0;
    const limit = AbortSignal.timeout(REQUEST_TIME + Math.ceil(length / SLOWEST));
    return send(input, { ...init, signal: signal ? AbortSignal.any([signal, limit]) : limit });
  };
  return (input, init) => (String(input).endsWith('/read_state') ? patiently(() => once(input, init), signal) : once(input, init));
}

/** How often the outcome of a call is asked for where the question is lost. */
const QUESTIONS = 5;

/**
 * Asks for the outcome of a call that was taken. Where this gave up at the first question that is lost, the call, with a whole chunk in it, would be sent again.
 */
async function patiently(ask: () => Promise<Response>, signal: AbortSignal | undefined): Promise<Response> {
  for (let asked = 1; ; asked += 1) {
    try {
      const answer = await ask();
      if (answer.status === 200) {
        // Read to its end here, because it may break off.
        return new Response(await answer.arrayBuffer(), { status: 200, headers: answer.headers });
      }
      if ((answer.status !== 429 && answer.status < 500) || asked >= QUESTIONS) {
        return answer;
      }
    } catch (error) {
      if (asked >= QUESTIONS || signal?.aborted) {
        throw error;
      }
    }
    await sleep(QUESTION_PAUSE * asked * (1 + Math.random()), signal);
  }
}

function isLoopback(host: string): boolean {
  let hostname;
  try {
    ({ hostname } = new URL(host));
  } catch {
    return false;
  }
  return /^(?:localhost|.+\.localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname);
}
