/**
 * Uploads in words: how long, how many, and why not.
 *
 * @module
 */

import type { Keepsake } from '@keepsake/sdk';

import { inWords } from '../vault/words.ts';
import type { ItemProblem } from './item.svelte.ts';

/** Why nothing goes on at all for now, and what to do. */
export interface Obstacle {
  kind: 'offline' | 'full' | 'low-cycles';
  title: string;
  hint: string;
}

export const OFFLINE: Obstacle = {
  kind: 'offline',
  title: 'Waiting for the connection',
  hint: 'Uploads go on by themselves as soon as the vault can be reached. Nothing that arrived is sent again.',
};

/** Why one file failed, where others may not. */
export function problemOf(error: unknown): ItemProblem {
  const name = error instanceof Error ? error.name : '';
  switch (name) {
    case 'FileChangedError':
      return { title: 'The file changed while it was being read', hint: 'Choose it again when nothing writes to it.' };
    case 'SourceError':
    case 'NotReadableError':
      return { title: 'The file cannot be read', hint: 'It may have been moved, deleted, or its disk removed. Choose it again.' };
    case 'TooLargeError':
      return { title: 'The file is too large', hint: 'One file can have 29 GB at the most.' };
    case 'UnauthorizedError':
    case 'NotFoundError':
      return { title: 'You may not add to this capsule', hint: 'Ask an owner, or choose another capsule.' };
    default: {
      const { title, hint } = inWords(error);
      return { title, hint };
    }
  }
}

/** What a refusal for want of room means: which limit, and what to do. Asks the vault; where that fails too, it says the little that is known. */
export async function fullness(keepsake: Keepsake, capsuleId: string): Promise<Obstacle> {
  try {
    const status = await keepsake.calls.capsule_status(capsuleId);
    if (status.refuses_content) {
      return {
        kind: 'low-cycles',
        title: 'The vault takes nothing new now',
        hint: 'Its cycles, the fuel it runs on, are low. What is kept stays safe and readable. Its operator tops it up; see Status.',
      };
    }
    const [most] = status.memories_max;
    if (most !== undefined && status.memories >= most) {
      return full('This capsule holds as many memories as it may', 'Delete some and empty the trash, or ask the operator for more.');
    }
    if (status.uploads_open >= status.uploads_open_max) {
      return full('Too many uploads are open in this capsule', 'Wait for those of other devices to finish. Abandoned ones end after 7 days.');
    }
  } catch {
    // Then the general words have to do.
  }
  return full('There is no room left', 'The rest of the files waits. Empty the trash, delete what you do not need, or ask the operator for more room; then try again.');
}

function full(title: string, hint: string): Obstacle {
  return { kind: 'full', title, hint };
}

/** `about 3 minutes left`; empty while that is unknown. */
export function remaining(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds)) {
    return '';
  }
  if (seconds < 5) {
    return 'a few seconds left';
  }
  if (seconds < 60) {
    return `about ${Math.ceil(seconds / 5) * 5} seconds left`;
  }
  if (seconds < 90) {
    return 'about a minute left';
  }
  if (seconds < 3_600) {
    return `about ${Math.round(seconds / 60)} minutes left`;
  }
  const hours = seconds / 3_600;
  if (hours < 24) {
    return hours < 1.5 ? 'about an hour left' : `about ${Math.round(hours)} hours left`;
  }
  return hours < 36 ? 'about a day left' : `about ${Math.round(hours / 24)} days left`;
}
