/**
 * Putting memories in the trash, and taking that back.
 *
 * @module
 */

import { count } from '../ui/format.ts';
import { toasts } from '../ui/toasts.svelte.ts';
import { vault } from '../vault/vault.svelte.ts';
import { selection } from './selection.svelte.ts';

/** Calls under way at the same time. */
const AT_ONCE = 6;

/** Puts memories in the trash and says so, with a way back. Those that it refused stay selected. */
export async function trashMemories(ids: string[]): Promise<void> {
  const { done, failure } = await each(ids, (id) => vault.keepsake.trash.put(id));
  tell('removed', done);
  selection.drop(done);
  if (done.length > 0) {
    toasts.say(`${count(done.length, 'memory', 'memories')} in the trash, for 30 days.`, {
      label: 'Undo',
      act: () => void restoreMemories(done),
    });
  }
  if (failure !== undefined) {
    toasts.problem(`${count(ids.length - done.length, 'memory', 'memories')} stayed.`, failure);
  }
}

/** Takes memories out of the trash. Returns those that are back. */
export async function restoreMemories(ids: string[]): Promise<string[]> {
  const { done, failure } = await each(ids, (id) => vault.keepsake.trash.restore(id));
  tell('added', done);
  if (failure !== undefined) {
    toasts.problem(`${count(ids.length - done.length, 'memory', 'memories')} did not come back.`, failure);
  } else {
    toasts.say(`${count(done.length, 'memory is', 'memories are')} back in the timeline.`);
  }
  return done;
}

function tell(kind: 'added' | 'removed', memoryIds: string[]) {
  const capsuleId = vault.capsuleId;
  if (capsuleId !== undefined && memoryIds.length > 0) {
    vault.announce({ capsuleId, kind, memoryIds });
  }
}

async function each(ids: string[], act: (id: string) => Promise<void>): Promise<{ done: string[]; failure: unknown }> {
  const done: string[] = [];
  let failure: unknown;
  const left = [...ids];
  const work = async () => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      try {
        await act(id);
        done.push(id);
      } catch (error) {
        failure = error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { done, failure };
}
