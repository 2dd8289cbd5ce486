/**
 * What the service worker and its pages say to each other.
 *
 * @module
 */

/** Why an address is not answered with content. */
export type MediaProblem =
  /** What came is not what was put in: its SHA-256 is another one. */
  | 'mismatch'
  /** An answer whose signature is not the vault's. */
  | 'forged'
  /** The vault does not answer. */
  | 'offline'
  /** There is no such thing for this person. */
  | 'missing'
  /** This person may see the memory, and not this asset of it. */
  | 'denied'
  /** The content is kept outside the vault. */
  | 'elsewhere'
  /** Nobody is signed in, or somebody else than the address names. */
  | 'signed-out'
  | 'other';

/** From the worker: content under this path cannot be had, or turned out to be wrong while it was being played. */
export interface MediaFailure {
  kind: 'media-failure';
  path: string;
  problem: MediaProblem;
}

/** To the worker: forget everything of everybody. It answers on the port that comes along. */
export interface ForgetRequest {
  kind: 'media-forget';
}

/** To the worker: answer for the page that says so, too. */
export interface ClaimRequest {
  kind: 'media-claim';
}

export function isClaimRequest(message: unknown): message is ClaimRequest {
  return (message as ClaimRequest | null)?.kind === 'media-claim';
}

export function isMediaFailure(message: unknown): message is MediaFailure {
  return (message as MediaFailure | null)?.kind === 'media-failure';
}

export function isForgetRequest(message: unknown): message is ForgetRequest {
  return (message as ForgetRequest | null)?.kind === 'media-forget';
}
