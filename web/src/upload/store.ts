/**
 * The queue of uploads in IndexedDB, of one person: what is still to do outlives the page. Files themselves are kept by their handle where the browser gave one, else
 * as a copy where they are short enough; of all others only the facts are kept, by which they are known again when they are chosen again.
 *
 * @module
 */

import { queueName } from './forget.ts';

/** A file that waits, as it is kept. */
export interface QueuedFile {
  /** Names the file and the capsule: the same file handed over again is the same entry. */
  id: string;
  capsuleId: string;
  name: string;
  path: string;
  /** Bytes. */
  size: number;
  /** Media type as the browser says it. */
  type: string;
  /** Milliseconds since 1970. */
  lastModified: number;
  /** Order in which they were handed over. */
  order: number;
  /** Whether anything of it was sent before. */
  begun: boolean;
  /** The tab that has it open; see tabs.ts. */
  tab: string;
  paused: boolean;
  /** Why it ended, for one that failed. */
  problem?: { title: string; hint: string } | undefined;
}

/** Longest file, in bytes, of which a copy is kept, and all copies together. */
const LONGEST_COPY = 64 * 1024 * 1024;
const ALL_COPIES = 1024 * 1024 * 1024;

const FILES = 'files';
const SOURCES = 'sources';

/** The queue of a person. */
export class QueueStore {
  readonly #name: string;
  #database: Promise<IDBDatabase> | undefined;
  #closed = false;
  /** Sizes of the copies that this tab made. */
  readonly #copies = new Map<string, number>();

  constructor(principal: string) {
    this.#name = queueName(principal);
  }

  /** All that is still to do, in order. */
  async list(): Promise<QueuedFile[]> {
    const files = await this.#read<QueuedFile[]>(FILES, (store) => store.getAll());
    return files.sort((a, b) => a.order - b.order);
  }

  find(id: string): Promise<QueuedFile | undefined> {
    return this.#read(FILES, (store) => store.get(id));
  }

  async put(files: readonly QueuedFile[]): Promise<void> {
    await this.#write([FILES], (transaction) => {
      const store = transaction.objectStore(FILES);
      files.forEach((file) => store.put(file));
    });
  }

  async remove(ids: readonly string[]): Promise<void> {
    await this.#write([FILES, SOURCES], (transaction) => {
      for (const id of ids) {
        transaction.objectStore(FILES).delete(id);
        transaction.objectStore(SOURCES).delete(id);
      }
    });
    ids.forEach((id) => this.#copies.delete(id));
  }

  /** Keeps a handle, or a copy where that is reasonable; whether the file can be had again after a reload. */
  async keepSource(id: string, file: File, handle: FileSystemFileHandle | undefined): Promise<boolean> {
    const copied = [...this.#copies.values()].reduce((sum, size) => sum + size, 0);
    const copy = file.size <= LONGEST_COPY && copied + file.size <= ALL_COPIES;
    if (!handle && !copy) {
      return false;
    }
    try {
      await this.#write([SOURCES], (transaction) => transaction.objectStore(SOURCES).put(handle ?? file, id));
    } catch {
      // No room, or a browser that keeps neither: then it has to be chosen again.
      return false;
    }
    if (!handle) {
      this.#copies.set(id, file.size);
    }
    return true;
  }

  /** What is kept of a file. */
  source(id: string): Promise<File | FileSystemFileHandle | undefined> {
    return this.#read(SOURCES, (store) => store.get(id));
  }

  /** Nothing is read or written any more: somebody signed out, and the queue is deleted. */
  close(): void {
    this.#closed = true;
    void this.#database?.then(
      (database) => database.close(),
      () => {},
    );
  }

  #open(): Promise<IDBDatabase> {
    if (this.#closed) {
      return Promise.reject(new Error('the queue is closed'));
    }
    this.#database ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(this.#name, 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore(FILES, { keyPath: 'id' });
        request.result.createObjectStore(SOURCES);
      };
      request.onsuccess = () => {
        // Another tab signs out: it must be able to delete this.
        request.result.onversionchange = () => {
          request.result.close();
          this.#database = undefined;
        };
        resolve(request.result);
      };
      request.onerror = () => {
        this.#database = undefined;
        reject(request.error ?? new Error('IndexedDB does not open'));
      };
    });
    return this.#database;
  }

  async #read<T>(name: string, ask: (store: IDBObjectStore) => IDBRequest): Promise<T> {
    const database = await this.#open();
    const request = ask(database.transaction(name).objectStore(name));
    return new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result as T);
      request.onerror = () => reject(request.error ?? new Error('IndexedDB does not answer'));
    });
  }

  async #write(names: string[], change: (transaction: IDBTransaction) => unknown): Promise<void> {
    const database = await this.#open();
    const transaction = database.transaction(names, 'readwrite');
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error('IndexedDB gave up'));
      try {
        change(transaction);
      } catch (error) {
        transaction.abort();
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }
}
