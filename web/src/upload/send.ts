/**
 * One file's way into the vault, by the SDK's engine.
 *
 * @module
 */

import type { Keepsake, ProcessingResult } from '@keepsake/sdk';

import type { Item } from './item.svelte.ts';

/** What happens on the way. */
export interface Sending {
  signal: AbortSignal;
  /** Whether it begins stopped. */
  paused: boolean;
  /** So many more bytes travelled. */
  onArrival(bytes: number): void;
  /** Something of the item changed. */
  onChange(): void;
  onMemory(memoryId: string): void;
}

/** Sends a file and says on its item what happens and what became of it. Errors: those of the SDK's `uploadWithProcessing`. */
export async function send(keepsake: Keepsake, item: Item, file: File, sending: Sending): Promise<void> {
  const { Pause } = await import('@keepsake/sdk');
  const { facts } = item;
  // What is found in the vault after a part of it was sent is what was sent.
  const fresh = !facts.begun;
  const pause = new Pause();
  item.pause = pause;
  if (sending.paused || item.held) {
    pause.pause();
  }
  // The first report after an interruption counts what was there before, too.
  let before = fresh ? 0 : undefined;
  const result = await keepsake.uploadWithProcessing(file, {
    capsuleId: facts.capsuleId,
    name: facts.name,
    lastModified: facts.lastModified,
    signal: sending.signal,
    pause,
    // Reading a file twice costs less than sending it for nothing.
    skipHeld: 'always',
    onProgress({ phase, sentBytes }) {
      item.phase = phase;
      item.sent = sentBytes;
      if (phase === 'uploading') {
        if (before !== undefined && sentBytes > before) {
          sending.onArrival(sentBytes - before);
        }
        before = sentBytes;
        facts.begun ||= sentBytes > 0;
      }
      sending.onChange();
    },
    onMemory(memoryId) {
      item.memoryId = memoryId;
      sending.onMemory(memoryId);
    },
  });
  item.memoryId = result.memoryId;
  item.fate = fresh && wasThere(result) ? 'already there' : 'added';
  item.note = result.derivatives.some(({ status }) => status === 'failed')
    ? 'Kept, but no preview could be made: the picture may be damaged'
    : undefined;
  item.sent = facts.size;
}

function wasThere({ blob, derivatives }: ProcessingResult): boolean {
  return blob.held && derivatives.every(({ status }) => status === 'present');
}
