/**
 * A memory with all that is known of it, kept for a while: going on to the next one and back asks for nothing twice.
 *
 * @module
 */

import type { Memory } from '@keepsake/sdk/bindings';

import { vault } from '../vault/vault.svelte.ts';

/** Memories that are kept. */
const MOST = 40;

const kept = new Map<string, Promise<Memory>>();

vault.onChange(({ memoryIds, kind }) => {
  if (kind === 'unknown') {
    kept.clear();
  }
  memoryIds.forEach((id) => kept.delete(id));
});

vault.onClose(() => kept.clear());

/** Reads a memory. What failed is asked for again the next time. */
export function loadMemory(id: string): Promise<Memory> {
  const held = kept.get(id);
  if (held) {
    return held;
  }
  const reading = vault.keepsake.memory(id);
  kept.set(id, reading);
  reading.catch(() => kept.delete(id));
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST) {
      break;
    }
    kept.delete(oldest);
  }
  return reading;
}
