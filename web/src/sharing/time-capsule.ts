/**
 * Time capsules: memories that open for somebody on a day.
 *
 * What is shared from a day on does not exist before it for those it is for: the vault answers as if there were nothing. So that there is something to look forward
 * to, a note goes with them. It says when they open and what the giver wrote, and nothing of what is inside; it is dated with the day of opening, so that it comes first in
 * every listing until then, and it can be shared at once.
 *
 * @module
 */

import { NotFoundError, assetMetadata, memoryMetadata, nanosOf, type Keepsake, type Permission, type Share } from '@keepsake/sdk';

import { TAG, type SealedNote } from './note.ts';
import { forEach } from './several.ts';

/** What is put away. */
export interface TimeCapsule {
  capsuleId: string;
  memories: readonly string[];
  /** Principals, and groups of the capsule. */
  holders: readonly (string | { group: string })[];
  opens: Date;
  permission: Permission;
  title: string;
  /** Everybody who gets the note reads it. */
  message?: string;
  /** Whether those it is for see that something waits for them. */
  announced: boolean;
}

/** Shares each memory from the day on and writes the note; its id. Done again with the same content and day, it has no second effect. */
export async function seal(keepsake: Keepsake, capsule: TimeCapsule, onDone: (memories: number) => void = () => {}): Promise<string> {
  const { memories, holders, opens, permission } = capsule;
  // The note first: without it nobody would find again what was sealed before something failed.
  const noteId = await writeNote(keepsake, capsule);
  await forEach(
    memories,
    async (memoryId) => {
      for (const holder of holders) {
        await keepsake.share(memoryId, { with: holder, permission, from: opens, id: sealId(holder, opens) });
      }
    },
    onDone,
  );
  for (const holder of holders) {
    // As long as an entry waits, links to the whole capsule leave a memory out: the note too is for those it is for.
    await keepsake.share(noteId, { with: holder, permission: 'view', from: opens, id: sealId(holder, opens) });
    if (capsule.announced) {
      await keepsake.share(noteId, { with: holder, permission: 'view' });
    }
  }
  return noteId;
}

/** An entry of its own, so that what somebody may see before stays. */
function sealId(holder: string | { group: string }, opens: Date): string {
  const whom = typeof holder === 'string' ? `person:${holder}` : `group:${holder.group}`;
  return `sealed:${opens.getTime()}:${whom}`;
}

async function writeNote(keepsake: Keepsake, capsule: TimeCapsule): Promise<string> {
  const { capsuleId, memories, opens, title, message } = capsule;
  // For the giver: who only gets to see the note does not get to read this.
  const content = new TextEncoder().encode(JSON.stringify({ opens: opens.toISOString(), memories }));
  const blob = await keepsake.upload(content, { capsuleId, name: 'time-capsule.json', type: 'application/json' }).done;
  const about = {
    title,
    type: 'application/json',
    media: 'Note' as const,
    date: nanosOf(opens),
    tags: [TAG],
    ...(message === undefined || message === '' ? {} : { description: message }),
  };
  const original = assetMetadata({
    kind: 'original',
    name: 'time-capsule.json',
    type: 'application/json',
    media: 'Note',
    size: blob.size,
  });
  return keepsake.calls.memories_create_with_internal_blobs(
    capsuleId,
    memoryMetadata(about),
    [{ blob_id: blob.id, metadata: original }],
    `time-capsule:${opens.getTime()}:${title}`.slice(0, 200),
  );
}

/** The memories that a time capsule of the caller's own has. */
async function contentsOf(keepsake: Keepsake, noteId: string): Promise<string[]> {
  const asset = await keepsake.asset(noteId);
  const told: unknown = JSON.parse(new TextDecoder().decode(await asset.bytes()));
  const memories = typeof told === 'object' && told !== null && 'memories' in told ? told.memories : undefined;
  return Array.isArray(memories) ? memories.filter((id): id is string => typeof id === 'string') : [];
}

/** Takes a time capsule back: nobody gets in on its day, and the note goes to the trash. */
export async function unseal(keepsake: Keepsake, note: SealedNote): Promise<void> {
  const prefix = `sealed:${note.opens.getTime()}:`;
  await forEach(await contentsOf(keepsake, note.id), async (memoryId) => {
    const shares = await keepsake.shares(memoryId).catch((error: unknown): Share[] => {
      if (error instanceof NotFoundError) {
        // It is gone itself, in the trash for instance.
        return [];
      }
      throw error;
    });
    for (const share of shares.filter(({ id }) => id.startsWith(prefix))) {
      await keepsake.revoke(memoryId, share.id);
    }
  });
  await keepsake.trash.put(note.id);
}
