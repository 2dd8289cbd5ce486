/**
 * Keepsake memory vaults from TypeScript: {@link Keepsake.connect} is where to begin.
 *
 * @module
 */

export { Keepsake, type ConnectOptions, type Upload, type UploadOptions } from './client.js';
export type { Call, ValueOf, VaultCalls } from './calls.js';
export type { Source, SourceOptions } from './content/content.js';
export * from './errors.js';
export { DEFAULT_RETRY, type RetryPolicy } from './retry.js';
export { MOST_CHUNKS, type StoredBlob, type TransferOptions } from './upload/engine.js';
export { Pause } from './upload/pause.js';
export type { OnProgress, UploadPhase, UploadProgress } from './upload/progress.js';
export { MemoryQueue, type MemoryWords, type QueuedUpload, type UploadQueue } from './upload/queue.js';
export { DEFAULT_WINDOW } from './upload/window.js';
export {
  DERIVATIVE_BOUNDS,
  DERIVATIVE_KINDS,
  type Derivative,
  type DerivativeKind,
} from './derivatives/rules.js';
export {
  addAssetToMemory,
  addInlineAssetToMemory,
  createMemoryFromBlob,
  processImageDerivatives,
  uploadFileAsBlob,
  type AddAssetOptions,
} from './memories/helpers.js';
export type { ListOptions, MemorySummary, SummaryLink } from './memories/listing.js';
export {
  assetMetadata,
  memoryMetadata,
  type AssetDescription,
  type AssetKind,
  type MemoryDescription,
} from './memories/metadata.js';
export type { DerivativeOutcome, ProcessingOptions, ProcessingResult } from './memories/processing.js';
export { captureFacts, type CaptureFacts, type TimeSource } from './capture.js';
export { identify, type Media, type MediaKind } from './media.js';
export { AssetContent, type AssetSelector, type ReadOptions } from './read.js';
export type { Permission, ShareOptions } from './share.js';
export { IndexedDbQueue } from './upload/indexed-db-queue.js';
export { FileQueue } from '#platform';
