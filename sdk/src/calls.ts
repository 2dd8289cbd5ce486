/**
 * The vault's methods, typed by the generated bindings, with results as values or typed errors.
 *
 * Every answer is verified by the agent: certificates of updates, node signatures of queries. What time can heal is
 * repeated, because every call of the vault is idempotent.
 *
 * @module
 */

import {
  Actor,
  AgentError,
  CertifiedRejectErrorCode,
  HttpErrorCode,
  IngressExpiryInvalidErrorCode,
  RequestStatusDoneNoReplyErrorCode,
  TimeoutWaitingForResponseErrorCode,
  UncertifiedRejectErrorCode,
  UncertifiedRejectUpdateErrorCode,
  type ActorMethod,
  type Agent,
} from '@icp-sdk/core/agent';
import type { Principal } from '@icp-sdk/core/principal';

import { idlFactory, type _SERVICE, type Error as VaultErrorVariant } from './bindings/vault.did.js';
import {
  BusyError,
  InterfaceError,
  KeepsakeError,
  NotAuthenticError,
  RejectedError,
  UnreachableError,
  messageOf,
  vaultError,
} from './errors.js';
import { withRetry, type OnRetry, type RetryPolicy } from './retry.js';

/** What a method answers once its `Err` has been thrown. */
export type ValueOf<Answer> = [Extract<Answer, { Ok: unknown }>] extends [never]
  ? Answer
  : Extract<Answer, { Ok: unknown }>['Ok'];

/** A method of the vault that resolves to its value and throws typed errors. */
export type Call<Method> =
  Method extends ActorMethod<infer Args, infer Answer> ? (...args: Args) => Promise<ValueOf<Answer>> : never;

/** Every method of the vault. Optional values are `[]` or `[value]`, 64-bit numbers are bigints, as Candid has it. */
export type VaultCalls = { readonly [Name in keyof _SERVICE]: Call<_SERVICE[Name]> };

/** What `callsOver` needs. */
export interface CallsOptions {
  agent: Agent;
  canisterId: Principal | string;
  retry: RetryPolicy;
  signal?: AbortSignal;
  onRetry?: OnRetry;
}

/** The vault's methods over an agent. */
export function callsOver({ agent, canisterId, retry, signal, onRetry }: CallsOptions): VaultCalls {
  const actor = Actor.createActor<_SERVICE>(idlFactory, { agent, canisterId });
  const calls: Partial<Record<keyof _SERVICE, unknown>> = {};
  for (const method of Object.keys(actor) as (keyof _SERVICE)[]) {
    const send = actor[method] as (...args: unknown[]) => Promise<unknown>;
    calls[method] = (...args: unknown[]) =>
      withRetry(retry, () => once(method, send, args), { signal, onRetry });
  }
  return calls as VaultCalls;
}

async function once(method: string, send: (...args: unknown[]) => Promise<unknown>, args: unknown[]): Promise<unknown> {
  let answer;
  try {
    answer = await send(...args);
  } catch (error) {
    throw connectionError(method, error);
  }
  if (typeof answer === 'object' && answer !== null) {
    if ('Err' in answer) {
      throw vaultError(method, answer.Err as VaultErrorVariant);
    }
    if ('Ok' in answer) {
      return answer.Ok;
    }
  }
  return answer;
}

// IC interface specification, "Reject codes": by these the same request may succeed later.
const SYS_TRANSIENT = 2;
const SYS_UNKNOWN = 6;

/** Sorts an agent's error into what it means for the caller. */
export function connectionError(method: string, error: unknown): Error {
  if (error instanceof KeepsakeError) {
    return error;
  }
  const options = { cause: error };
  if (!(error instanceof AgentError)) {
    // Arguments that do not fit the interface are thrown by the encoder as plain errors.
    return new InterfaceError(method, messageOf(error), options);
  }
  const code = error.code;
  if (
    code instanceof CertifiedRejectErrorCode ||
    code instanceof UncertifiedRejectErrorCode ||
    code instanceof UncertifiedRejectUpdateErrorCode
  ) {
    const rejectCode: number = code.rejectCode;
    return rejectCode === SYS_TRANSIENT || rejectCode === SYS_UNKNOWN
      ? new BusyError(method, code.rejectMessage, undefined, options)
      : new RejectedError(method, code.rejectMessage, options);
  }
  if (code instanceof HttpErrorCode) {
    const text = `HTTP status ${code.status}: ${(code.bodyText ?? '').slice(0, 200).trim()}`;
    // 408, 429 and 5xx are the statuses by which a replica or a gateway sheds load.
    return code.status === 408 || code.status === 429 || code.status >= 500
      ? new BusyError(method, text, code.status, options)
      : new RejectedError(method, text, options);
  }
  if (
    code instanceof TimeoutWaitingForResponseErrorCode ||
    // The reply was dropped before it was read: the effect is there, and asking again shows it.
    code instanceof RequestStatusDoneNoReplyErrorCode ||
    // The request was too long on its way; a new attempt is signed anew.
    code instanceof IngressExpiryInvalidErrorCode
  ) {
    return new BusyError(method, error.message, undefined, options);
  }
  switch (error.kind as string) {
    case 'Transport':
      return new UnreachableError(method, error.message, options);
    case 'Trust':
      return new NotAuthenticError(method, error.message, options);
    case 'Limit':
      return new BusyError(method, error.message, undefined, options);
    case 'Protocol':
    case 'Unknown':
      // An answer that is no CBOR, or none of the protocol's: cut short, or a gateway's page.
      return new UnreachableError(method, `the answer is unusable: ${error.message}`, options);
    default:
      return new InterfaceError(method, error.message, options);
  }
}
