/**
 * The queue in IndexedDB, for browsers. Files of up to a bound are kept with their entry, so that an upload goes on after a
 * reload without the person choosing the file again.
 *
 * @module
 */

import type { QueuedUpload, UploadQueue } from './queue.js';

const STORE = 'uploads';

/** Longest file, in bytes, that is kept in the browser's storage while it is being uploaded. */
const KEPT_UP_TO = 64 * 1024 * 1024;

/** Uploads on their way, in the browser's storage for this origin. */
export class IndexedDbQueue implements UploadQueue {
  readonly #name: string;
  readonly #keptUpTo: number;
  #database: Promise<IDBDatabase> | undefined;

  /** `keptUpTo`: the longest file, in bytes, that is itself kept; 0 keeps none. */
  constructor({ name = 'keepsake-uploads', keptUpTo = KEPT_UP_TO }: { name?: string; keptUpTo?: number } = {}) {
    this.#name = name;
    this.#keptUpTo = keptUpTo;
  }

  async put(entry: QueuedUpload): Promise<void> {
    const source = entry.source instanceof Blob && entry.size <= this.#keptUpTo ? entry.source : undefined;
    await this.#write((store) => store.put({ ...entry, source }));
  }

  async remove(key: string): Promise<void> {
    await this.#write((store) => store.delete(key));
  }

  async list(): Promise<QueuedUpload[]> {
    const database = await this.#open();
    const request = database.transaction(STORE).objectStore(STORE).getAll();
    const entries = await done<QueuedUpload[]>(request);
    return entries.sort((a, b) => a.queuedAt - b.queuedAt);
  }

  async #write(change: (store: IDBObjectStore) => unknown): Promise<void> {
    const database = await this.#open();
    const transaction = database.transaction(STORE, 'readwrite', { durability: 'strict' });
    change(transaction.objectStore(STORE));
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      transaction.onerror = () => reject(transaction.error);
    });
  }

  #open(): Promise<IDBDatabase> {
    this.#database ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(this.#name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'key' });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => {
        this.#database = undefined;
        reject(request.error);
      };
    });
    return this.#database;
  }
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
