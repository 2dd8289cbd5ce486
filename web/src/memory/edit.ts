/**
 * Changing what is said of a memory.
 *
 * @module
 */

import type { Memory } from '@keepsake/sdk/bindings';

import { vault } from '../vault/vault.svelte.ts';

/** What a person may change. */
export interface Words {
  title: string;
  description: string;
  /** Local time as `YYYY-MM-DDTHH:MM`. */
  date: string;
  tags: string[];
  people: string[];
  place: string;
  notes: string;
}

/** Somebody else changed the memory since it was read. Named like the vault's own, so that the words fit. */
export class ChangedMeanwhileError extends Error {
  override name = 'ConflictError';
}

/** Characters of a title, and of longer texts. */
export const LONGEST = { title: 200, text: 4_000 } as const;

/** What is said of a memory now. */
export function wordsOf(memory: Memory): Words {
  const { metadata } = memory;
  return {
    title: metadata.title[0] ?? '',
    description: metadata.description[0] ?? '',
    date: local(metadata.date_of_memory[0] ?? metadata.created_at),
    tags: metadata.tags,
    people: metadata.people_in_memory[0] ?? [],
    place: metadata.location[0] ?? '',
    notes: metadata.memory_notes[0] ?? '',
  };
}

/**
 * Keeps what was said. `read` is the memory as it was when the change began: where it is another one by now, nothing is kept, unless `anyway`.
 * Throws ChangedMeanwhileError, and what the vault answers.
 */
export async function keepWords(read: Memory, words: Words, anyway = false): Promise<Memory> {
  const now = await vault.keepsake.memory(read.id);
  if (!anyway && now.metadata.updated_at !== read.metadata.updated_at) {
    throw new ChangedMeanwhileError('it was changed meanwhile');
  }
  const before = wordsOf(now);
  const text = (value: string): [] | [string] => (value.trim() === '' ? [] : [value.trim()]);
  const changed = await vault.keepsake.calls.memories_update(read.id, {
    name: [],
    access_entries: [],
    metadata: [
      {
        ...now.metadata,
        title: text(words.title),
        description: text(words.description),
        // Seconds are not asked for; where the minute is the same, they stay.
        date_of_memory: words.date === before.date ? now.metadata.date_of_memory : nanos(words.date),
        tags: words.tags,
        people_in_memory: words.people.length > 0 ? [words.people] : [],
        location: text(words.place),
        memory_notes: text(words.notes),
      },
    ],
  });
  vault.announce({ capsuleId: changed.capsule_id, kind: 'changed', memoryIds: [changed.id] });
  return changed;
}

/** Texts between commas, each once. */
export function listOf(text: string): string[] {
  return [...new Set(text.split(',').map((part) => part.trim()))].filter((part) => part !== '');
}

function local(nanoseconds: bigint): string {
  const date = new Date(Number(nanoseconds / 1_000_000n));
  const two = (number: number) => String(number).padStart(2, '0');
  return `${String(date.getFullYear()).padStart(4, '0')}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`;
}

function nanos(text: string): [] | [bigint] {
  const time = new Date(text).getTime();
  // The vault counts from 1970.
  return Number.isFinite(time) && time >= 0 ? [BigInt(time) * 1_000_000n] : [];
}
