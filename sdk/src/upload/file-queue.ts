/**
 * The queue as a JSON file, for Node. It is replaced as a whole by renaming, so that it is never half written; one process at a time writes it.
 *
 * @module
 */

import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

import { SourceError, messageOf } from '../errors.js';
import type { QueuedUpload, UploadQueue } from './queue.js';

/** Uploads on their way, in a file; Node only. */
export class FileQueue implements UploadQueue {
  readonly #path: string;
  #entries: Map<string, QueuedUpload> | undefined;
  /** Writes, one after the other. */
  #last: Promise<void> = Promise.resolve();

  /** The file is made with the first entry. */
  constructor(path: string) {
    this.#path = path;
  }

  async put(entry: QueuedUpload): Promise<void> {
    // Bytes in memory cannot be found again by another process.
    const source = typeof entry.source === 'string' ? entry.source : undefined;
    await this.#change((entries) => entries.set(entry.key, { ...entry, source }));
  }

  async remove(key: string): Promise<void> {
    await this.#change((entries) => entries.delete(key));
  }

  async list(): Promise<QueuedUpload[]> {
    await this.#last.catch(() => {});
    return [...(await this.#load()).values()].sort((a, b) => a.queuedAt - b.queuedAt);
  }

  #change(change: (entries: Map<string, QueuedUpload>) => unknown): Promise<void> {
    const run = async () => {
      const entries = await this.#load();
      change(entries);
      await this.#save([...entries.values()]);
    };
    this.#last = this.#last.then(run, run);
    return this.#last;
  }

  async #load(): Promise<Map<string, QueuedUpload>> {
    if (!this.#entries) {
      let text;
      try {
        text = await readFile(this.#path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
          throw new SourceError(`the upload queue cannot be read: ${messageOf(error)}`, { cause: error });
        }
      }
      this.#entries ??= new Map(parse(text).map((entry) => [entry.key, entry]));
    }
    return this.#entries;
  }

  async #save(entries: QueuedUpload[]): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true });
    const fresh = `${this.#path}.${process.pid}.new`;
    const file = await open(fresh, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify({ version: 1, uploads: entries }));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, this.#path);
  }
}

/** A file that is damaged is an empty queue: what it held is found again by idempotency keys. */
function parse(text: string | undefined): QueuedUpload[] {
  if (text === undefined) {
    return [];
  }
  try {
    const { version, uploads } = JSON.parse(text);
    return version === 1 && Array.isArray(uploads) ? uploads.filter((entry) => typeof entry?.key === 'string') : [];
  } catch {
    return [];
  }
}
