/**
 * What has to outlive a reload or a restart, so that uploads go on: which session belongs to which content. Losing the
 * queue loses no content; an upload then begins anew, or finds its session by its idempotency key.
 *
 * @module
 */

/** An upload on its way. */
export interface QueuedUpload {
  /** Names the content and the capsule; the same for the same file at the same place. */
  key: string;
  capsuleId: string;
  /** The vault's session, where one is open (a 64-bit number in decimal). */
  session: string | undefined;
  name: string;
  size: number;
  type: string;
  lastModified: number | undefined;
  /** The path, or the Blob itself, where it could be kept: with it the upload goes on without anybody's help. */
  source: string | Blob | undefined;
  /** Whether it is an upload by `uploadWithProcessing`, which creates a memory in the end. */
  withMemory: boolean;
  /** What is said of that memory. */
  about?: MemoryWords | undefined;
  /** Milliseconds since 1970 UTC. */
  queuedAt: number;
}

/** What people say of a memory. */
export interface MemoryWords {
  title?: string | undefined;
  description?: string | undefined;
  tags?: string[] | undefined;
  people?: string[] | undefined;
}

/** Where the queue is kept. Every change is on disk when its promise resolves. */
export interface UploadQueue {
  put(entry: QueuedUpload): Promise<void>;
  remove(key: string): Promise<void>;
  /** All of them, the oldest first. */
  list(): Promise<QueuedUpload[]>;
}

/** A queue that forgets; for tests, and for scripts that start from the beginning. */
export class MemoryQueue implements UploadQueue {
  readonly #entries = new Map<string, QueuedUpload>();

  async put(entry: QueuedUpload): Promise<void> {
    this.#entries.set(entry.key, entry);
  }

  async remove(key: string): Promise<void> {
    this.#entries.delete(key);
  }

  async list(): Promise<QueuedUpload[]> {
    return [...this.#entries.values()].sort((a, b) => a.queuedAt - b.queuedAt);
  }
}

/** A queue as uploads use it: where it cannot be written, for want of space for example, they go on without. */
export class Notes {
  readonly #queue: UploadQueue;

  constructor(queue: UploadQueue) {
    this.#queue = queue;
  }

  /** The entry with this key, where there is one. */
  async find(key: string): Promise<QueuedUpload | undefined> {
    const entries = await this.#queue.list().catch(() => []);
    return entries.find((entry) => entry.key === key);
  }

  async put(entry: QueuedUpload): Promise<void> {
    try {
      await this.#queue.put(entry);
    } catch {
      // The file itself may be what does not fit.
      await this.#queue.put({ ...entry, source: undefined }).catch(() => {});
    }
  }

  async remove(key: string): Promise<void> {
    await this.#queue.remove(key).catch(() => {});
  }
}
