/**
 * What can go wrong, as classes to tell apart by `instanceof`. The vault's own answers are {@link VaultError}s; everything
 * that never reached it, or came back unusable, is a {@link ConnectionError}; what the client itself finds is the rest.
 *
 * @module
 */

import type { Error as VaultErrorVariant } from './bindings/vault.did.js';

/** The base of every error that this package throws on purpose. */
export class KeepsakeError extends Error {
  override name = 'KeepsakeError';
}

/** The vault understood the call and refused it. A refusal changes nothing. */
export class VaultError extends KeepsakeError {
  override name = 'VaultError';
  /** The vault's method that answered. */
  readonly method: string;

  constructor(method: string, message: string) {
    super(`${method}: ${message}`);
    this.method = method;
  }
}

/** There is no such thing, or the caller may not know that there is. */
export class NotFoundError extends VaultError {
  override name = 'NotFoundError';
}

/** The caller may see the thing but not do this to it, or is anonymous. */
export class UnauthorizedError extends VaultError {
  override name = 'UnauthorizedError';
}

/** A budget, quota, session limit or the canister's capacity is used up. */
export class BudgetExceededError extends VaultError {
  override name = 'BudgetExceededError';
}

/** The thing changed meanwhile, or is in use. */
export class ConflictError extends VaultError {
  override name = 'ConflictError';
}

/** The request is well formed, but this vault does not offer it. */
export class NotImplementedError extends VaultError {
  override name = 'NotImplementedError';
}

/** A bug of the vault's. */
export class InternalError extends VaultError {
  override name = 'InternalError';
}

/** An argument is malformed or out of bounds. */
export class InvalidArgumentError extends VaultError {
  override name = 'InvalidArgumentError';
  /** The fixed beginning of the vault's text: `chunk_missing`, `hash_mismatch`, `inline_too_large`, … */
  readonly argument: string;
  /** What follows it. */
  readonly detail: string;

  constructor(method: string, text: string) {
    super(method, text);
    const end = text.indexOf(':');
    this.argument = end < 0 ? text : text.slice(0, end);
    this.detail = end < 0 ? '' : text.slice(end + 1).trim();
  }
}

/** The call did not reach the vault, or its answer did not come back usable. */
export class ConnectionError extends KeepsakeError {
  override name = 'ConnectionError';
  readonly method: string;

  constructor(method: string, message: string, options?: ErrorOptions) {
    super(`${method}: ${message}`, options);
    this.method = method;
  }
}

/** Nothing answers, or the connection broke. The same call may succeed later, and is safe to repeat. */
export class UnreachableError extends ConnectionError {
  override name = 'UnreachableError';
}

/** The other end cannot take the call at this moment (HTTP 429, 5xx, a full queue, a reply lost). Safe to repeat. */
export class BusyError extends ConnectionError {
  override name = 'BusyError';
  /** The HTTP status, where there was one. */
  readonly status: number | undefined;

  constructor(method: string, message: string, status?: number, options?: ErrorOptions) {
    super(method, message, options);
    this.status = status;
  }
}

/** A certificate or signature does not verify: the answer is not the vault's. Check the host, the root key and this machine's clock. */
export class NotAuthenticError extends ConnectionError {
  override name = 'NotAuthenticError';
}

/** The canister rejected the call: it trapped, has no such method, does not exist, or refused to mint a token. */
export class RejectedError extends ConnectionError {
  override name = 'RejectedError';
}

/** The answer does not decode: client and vault are of different versions. */
export class InterfaceError extends ConnectionError {
  override name = 'InterfaceError';
}

/** The caller's AbortSignal fired. Its name is `AbortError`, as everywhere on the web. */
export class CancelledError extends KeepsakeError {
  override name = 'AbortError';

  constructor(options?: ErrorOptions) {
    super('the operation was cancelled', options);
  }
}

/** A file cannot be read. */
export class SourceError extends KeepsakeError {
  override name = 'SourceError';
}

/** A file was written to while it was being read. Upload it again when nothing writes to it. */
export class FileChangedError extends SourceError {
  override name = 'FileChangedError';
}

/** More content than one upload takes. */
export class TooLargeError extends SourceError {
  override name = 'TooLargeError';
}

/** What came back is not what was put in. */
export class ContentMismatchError extends KeepsakeError {
  override name = 'ContentMismatchError';
}

/** The asset is kept outside the vault, which cannot hand it out; `url` says where. */
export class ExternalContentError extends KeepsakeError {
  override name = 'ExternalContentError';
  readonly url: string;

  constructor(url: string) {
    super(`the content is kept outside the vault: ${url}`);
    this.url = url;
  }
}

/** Why a derivative was not made. */
export class DerivativeError extends KeepsakeError {
  override name = 'DerivativeError';
}

/** The error class of a vault's typed error. */
export function vaultError(method: string, error: VaultErrorVariant): VaultError {
  if ('NotFound' in error) {
    return new NotFoundError(method, 'not found');
  }
  if ('Unauthorized' in error) {
    return new UnauthorizedError(method, 'not allowed');
  }
  if ('ResourceExhausted' in error) {
    return new BudgetExceededError(method, 'a budget, quota or limit is used up');
  }
  if ('InvalidArgument' in error) {
    return new InvalidArgumentError(method, error.InvalidArgument);
  }
  if ('Conflict' in error) {
    return new ConflictError(method, error.Conflict);
  }
  if ('NotImplemented' in error) {
    return new NotImplementedError(method, error.NotImplemented);
  }
  return new InternalError(method, error.Internal);
}

/** Whether the same call may well succeed later, without anything else changing. */
export function isTransient(error: unknown): boolean {
  return error instanceof UnreachableError || error instanceof BusyError;
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Throws a {@link CancelledError} once the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new CancelledError({ cause: signal.reason });
  }
}
