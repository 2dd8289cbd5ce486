/**
 * The part of the package that reads: for Service Workers and pages that upload nothing, which stay small without the rest. The same things are exported by the
 * package's main entry.
 *
 * @module
 */

export type { Call, ValueOf, VaultCalls } from './calls.js';
export { openConnection, type Connection, type ConnectionOptions } from './connection.js';
export { RangeReader, type RangeReaderOptions } from './content/range-reader.js';
export * from './errors.js';
export { fromHex, toHex } from './hex.js';
export { Limit } from './limit.js';
export type { AssetKind } from './memories/metadata.js';
export { AssetContent, readAsset, readAssets, type AssetSelector, type ReadableVault, type ReadOptions } from './read.js';
export { DEFAULT_RETRY, type RetryPolicy } from './retry.js';
export { sha256Hasher } from './sha256.js';
