/**
 * Keepsake memory vaults from TypeScript: {@link Keepsake.connect} is where to begin.
 *
 * @module
 */

export { Keepsake, type ConnectOptions, type Upload, type UploadOptions } from './client.js';
export {
  CapsuleHandle,
  type CapsuleInfo,
  type CapsulePeople,
  type ExternalDeletion,
  type Group,
  type GroupDescription,
} from './capsule.js';
export type { Call, ValueOf, VaultCalls } from './calls.js';
export type { Source, SourceOptions } from './content/content.js';
export { vaultEnvironment, type VaultEnvironment } from './environment.js';
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
export type { ListOptions, MemorySummary, SummaryLink, SummaryLinks } from './memories/listing.js';
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
export { People, personRef, somebody, type LinkOffer, type Person, type Somebody, type SomebodyLike } from './person.js';
export { openConnection, type Connection, type ConnectionOptions } from './connection.js';
export { RangeReader, type RangeReaderOptions } from './content/range-reader.js';
export { AssetContent, readAsset, readAssets, type AssetSelector, type ReadableVault, type ReadOptions } from './read.js';
export { accessShare, type Permission, type Share, type ShareOptions } from './share.js';
export {
  ShareLinkVisit,
  ShareLinks,
  shareLinkFragment,
  shareLinkSecret,
  visitShareLink,
  type MadeShareLink,
  type ShareLink,
  type ShareLinkOptions,
  type SharedAssetInfo,
  type SharedLink,
  type SharedMemory,
  type SharedMemorySummary,
  type VisitOptions,
} from './share-link.js';
export type { CapsuleStatus, VaultStatus } from './status.js';
export { dateOf, nanosOf } from './time.js';
export { Trash, type DeletedMany, type TrashedMemory } from './trash.js';
export { IndexedDbQueue } from './upload/indexed-db-queue.js';
export { FileQueue } from '#platform';
