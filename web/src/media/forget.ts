/**
 * Forgets pictures when somebody signs out. Small, because signing out has to work without loading anything.
 *
 * @module
 */

import type { ForgetRequest } from './messages.ts';
import { forgetContents } from './worker/verified.ts';

/** Milliseconds that the worker has to say that it forgot. */
const PATIENCE = 3_000;

/** Forgets every picture of everybody, in the worker and in the browser's storage. It never fails: what the browser does not let go of, it did not keep. */
export async function forgetMedia(): Promise<void> {
  const worker = navigator.serviceWorker?.controller;
  if (worker) {
    await new Promise<void>((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => resolve();
      worker.postMessage({ kind: 'media-forget' } satisfies ForgetRequest, [port2]);
      setTimeout(resolve, PATIENCE);
    });
  }
  if ('caches' in globalThis) {
    await forgetContents().catch(() => {});
  }
}
