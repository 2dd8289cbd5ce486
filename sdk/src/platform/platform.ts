/**
 * What differs between Node and browsers. `#platform` in package.json chooses.
 *
 * @module
 */

import type { Content, Source, SourceOptions } from '../content/content.js';
import type { ReaderWorker } from '../content/protocol.js';
import type { DerivativeMaker } from '../derivatives/rules.js';
import type { UploadQueue } from '../upload/queue.js';

/** A home of the SDK. */
export interface Platform {
  /** Opens content. Throws SourceError where it cannot be read. */
  openContent(source: Source, options?: SourceOptions): Promise<Content>;
  /** SHA-256 of bytes in memory. */
  sha256(bytes: Uint8Array): Promise<Uint8Array>;
  /** Starts the thread that reads and hashes. */
  startReader(): ReaderWorker;
  /** The queue that persists where nothing else is said; in memory where nothing can persist. */
  defaultQueue(): UploadQueue;
  /** Makes derivatives of photos. */
  readonly derivatives: DerivativeMaker;
}
