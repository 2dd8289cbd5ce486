/**
 * Originals as files on this device.
 *
 * @module
 */

import { mediaUrl, media } from '../media/media.svelte.ts';
import { readDirectly, type MediaSelector } from '../media/media.svelte.ts';
import { toasts } from '../ui/toasts.svelte.ts';

/** More than these come better from the command, as one export. */
const MANY = 50;
/** Milliseconds between two files: browsers take many at once for a mistake. */
const BETWEEN = 400;

/** Saves an asset; the original where none is named. The browser asks where, or puts it with its downloads. */
export async function saveFile(memoryId: string, asset: MediaSelector = 'original', name = ''): Promise<void> {
  if (await media.start()) {
    follow(mediaUrl(memoryId, asset, { download: true }), name);
    return;
  }
  const { url, release } = await readDirectly(memoryId, asset);
  follow(url, name);
  setTimeout(release, 60_000);
}

/** Saves the originals of several memories, one after the other. */
export async function saveFiles(memoryIds: string[]): Promise<void> {
  if (memoryIds.length > MANY) {
    toasts.say(`That is a lot for a browser: for more than ${MANY} use “keepsake export” in a terminal.`);
    return;
  }
  for (const [at, id] of memoryIds.entries()) {
    if (at > 0) {
      await new Promise((resolve) => setTimeout(resolve, BETWEEN));
    }
    try {
      await saveFile(id);
    } catch (error) {
      toasts.problem('A file was not saved.', error);
    }
  }
}

function follow(href: string, name: string) {
  const link = document.createElement('a');
  link.href = href;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}
