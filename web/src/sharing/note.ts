/**
 * The note that goes with a time capsule: a memory of the kind Note, recognised by its tag and dated with the day of opening. See time-capsule.ts.
 *
 * @module
 */

import type { MemorySummary } from '@keepsake/sdk';
import type { Memory } from '@keepsake/sdk/bindings';

/** Tag by which a note is recognised. */
export const TAG = 'time-capsule';

/** A time capsule as its note tells it. */
export interface SealedNote {
  id: string;
  title: string;
  message: string | undefined;
  opens: Date;
  open: boolean;
}

/** The time capsule that a listed memory is the note of; undefined for everything else. */
export function sealedNote(summary: MemorySummary, now = Date.now()): SealedNote | undefined {
  return summary.kind === 'Note' && summary.tags.includes(TAG)
    ? note(summary.id, summary.title, summary.header.description[0], summary.date, now)
    : undefined;
}

/** The same for a memory that was read. */
export function sealedMemory({ id, metadata }: Memory, now = Date.now()): SealedNote | undefined {
  const opens = metadata.date_of_memory[0];
  return opens !== undefined && 'Note' in metadata.memory_type && metadata.tags.includes(TAG)
    ? note(id, metadata.title[0], metadata.description[0], new Date(Number(opens / 1_000_000n)), now)
    : undefined;
}

function note(id: string, title: string | undefined, message: string | undefined, opens: Date, now: number): SealedNote {
  return { id, title: title ?? 'Time capsule', message, opens, open: opens.getTime() <= now };
}
