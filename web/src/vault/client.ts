/**
 * What the gallery needs of the SDK to open a vault, so that what only uploading needs is loaded with it.
 *
 * @module
 */

export { Keepsake, MemoryQueue, NotFoundError } from '@keepsake/sdk';
