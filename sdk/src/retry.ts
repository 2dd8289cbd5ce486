/**
 * When to send a call again: exponential backoff with jitter, for a bounded time, and only for errors that time can heal. Safe because
 * every call of the vault can be sent again with the same answer and no second effect.
 *
 * @module
 */

import { CancelledError, isTransient, throwIfAborted } from './errors.js';

/** How long and how often a call is repeated. All in milliseconds. */
export interface RetryPolicy {
  /** Upper bound of the first pause; it doubles with every further one. */
  firstPause: number;
  /** Upper bound of any pause. */
  longestPause: number;
  /** No new attempt starts later than this after the first one. 0: never retry. */
  giveUpAfter: number;
}

/** Pauses of up to 0.2 s growing to 4 s, for at most a minute: long enough for a host that is being restarted. */
export const DEFAULT_RETRY: RetryPolicy = { firstPause: 200, longestPause: 4_000, giveUpAfter: 60_000 };

/** Told of each failed attempt that will be repeated. */
export type OnRetry = (error: unknown, attempt: number) => void;

/** Runs `attempt` until it succeeds, fails for good, or the policy's time is over; then its last error is thrown. */
export async function withRetry<T>(
  policy: RetryPolicy,
  attempt: () => Promise<T>,
  { signal, onRetry }: { signal?: AbortSignal | undefined; onRetry?: OnRetry | undefined } = {},
): Promise<T> {
  const started = Date.now();
  let bound = policy.firstPause;
  for (let attempts = 1; ; attempts += 1) {
    throwIfAborted(signal);
    try {
      return await attempt();
    } catch (error) {
      throwIfAborted(signal);
      // Half of the bound is fixed, so that repeated attempts never become a busy loop.
      const pause = (bound / 2) * (1 + Math.random());
      if (!isTransient(error) || Date.now() - started + pause >= policy.giveUpAfter) {
        throw error;
      }
      onRetry?.(error, attempts);
      await sleep(pause, signal);
      bound = Math.min(bound * 2, policy.longestPause);
    }
  }
}

/** Waits; ends at once with a {@link CancelledError} when the signal fires. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancelled = () => {
      clearTimeout(timer);
      reject(new CancelledError({ cause: signal?.reason }));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', cancelled);
      resolve();
    }, milliseconds);
    if (signal?.aborted) {
      cancelled();
    } else {
      signal?.addEventListener('abort', cancelled, { once: true });
    }
  });
}
