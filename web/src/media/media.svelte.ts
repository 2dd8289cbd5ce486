/**
 * Pictures, videos and files for the gallery's views: their addresses, whether the service worker answers them, and why one of them shows nothing.
 *
 * A view shows `<Picture>`, or sets `mediaUrl(…)` as the source of an element once `media.state` is `ready`. Where the browser offers no service worker (pages over
 * plain HTTP from another machine, some private windows), the state is `unavailable` and `readDirectly` stands in.
 *
 * @module
 */

import { session } from '../session/session.svelte.ts';
import { vault } from '../vault/vault.svelte.ts';
import { mediaPath, type MediaSelector } from './address.ts';
import { isMediaFailure, type ClaimRequest, type MediaProblem } from './messages.ts';
import { presentable } from './worker/answer.ts';

export type { MediaSelector } from './address.ts';
export type { MediaProblem } from './messages.ts';

export type MediaState = 'starting' | 'ready' | 'unavailable';

/** Milliseconds that a worker has to begin answering for this page. */
const PATIENCE = 5_000;

/** Milliseconds that the reason of a failure may arrive after the failure itself. */
const REASON_LATE = 500;

class Media {
  /** `ready`: addresses are answered. */
  state = $state<MediaState>('starting');

  #started: Promise<boolean> | undefined;
  /** The latest failure of each path. */
  readonly #failures = new Map<string, MediaProblem>();
  readonly #listeners = new Set<(path: string, problem: MediaProblem) => void>();

  /** Registers the worker; resolves to whether it answers for this page. Again: the same. */
  start(): Promise<boolean> {
    this.#started ??= this.#start().then(
      (ready) => {
        this.state = ready ? 'ready' : 'unavailable';
        return ready;
      },
      () => {
        this.state = 'unavailable';
        return false;
      },
    );
    return this.#started;
  }

  /** Why an address showed nothing. */
  async problemOf(url: string): Promise<MediaProblem> {
    const path = pathOf(url);
    if (!this.#failures.has(path)) {
      await new Promise<void>((resolve) => {
        const stop = this.onFailure((failed) => {
          if (failed === path) {
            done();
          }
        });
        const timer = setTimeout(() => done(), REASON_LATE);
        const done = () => {
          clearTimeout(timer);
          stop();
          resolve();
        };
      });
    }
    return this.#failures.get(path) ?? 'other';
  }

  /** Hears of every failure, of content that proves wrong while it is being played too; returns how to stop. */
  onFailure(listener: (path: string, problem: MediaProblem) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What went wrong before is not why something goes wrong now. */
  tryAgain(url: string): void {
    this.#failures.delete(pathOf(url));
  }

  async #start(): Promise<boolean> {
    const workers = 'serviceWorker' in navigator ? navigator.serviceWorker : undefined;
    if (!workers) {
      return false;
    }
    workers.addEventListener('message', ({ data }) => {
      if (isMediaFailure(data)) {
        this.#failures.set(data.path, data.problem);
        this.#listeners.forEach((listener) => listener(data.path, data.problem));
      }
    });
    await workers.register('/sw.js', { scope: '/', updateViaCache: 'none' });
    const { active } = await workers.ready;
    if (!workers.controller) {
      await new Promise<void>((resolve) => {
        workers.addEventListener('controllerchange', () => resolve(), { once: true });
        // A page that was reloaded past all caches belongs to no worker until one takes it.
        active?.postMessage({ kind: 'media-claim' } satisfies ClaimRequest);
        setTimeout(resolve, PATIENCE);
      });
    }
    return workers.controller !== null;
  }
}

export const media = new Media();

/** The address of an asset for who is signed in: the first of a kind (`thumbnail`, `display`, `original`, …) or the one with an id. */
export function mediaUrl(memoryId: string, selector: MediaSelector, { download = false }: { download?: boolean } = {}): string {
  void media.start();
  return mediaPath({ principal: session.principal ?? '-', memoryId, selector, download });
}

/**
 * Reads an asset without the worker, verified as a whole and held in memory; `release` lets go of it. What could run as a page has a type that cannot. Errors: those of
 * the SDK's reading.
 */
export async function readDirectly(
  memoryId: string,
  selector: MediaSelector,
  signal?: AbortSignal,
): Promise<{ url: string; release(): void }> {
  const asset = await vault.keepsake.asset(memoryId, selector);
  const bytes = await asset.blob(signal ? { signal } : {});
  const url = URL.createObjectURL(bytes.slice(0, bytes.size, presentable(asset.type, false).type));
  return { url, release: () => URL.revokeObjectURL(url) };
}

function pathOf(url: string): string {
  return new URL(url, location.href).pathname;
}
