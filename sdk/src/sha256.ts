/**
 * SHA-256 over a stream. WebCrypto hashes only what is in memory as a whole; the implementation here is the one that the agent brings along anyway.
 *
 * @module
 */

import { sha256 } from '@noble/hashes/sha2.js';

import type { Hasher } from './content/chunks.js';

/** A new, running SHA-256. */
export function sha256Hasher(): Hasher {
  return sha256.create();
}
