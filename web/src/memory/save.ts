/**
 * Files of memories on this device.
 *
 * @module
 */

import { media, mediaUrl, readDirectly, type MediaProblem, type MediaSelector } from '../media/media.svelte.ts';
import { problemWords } from '../media/words.ts';
import { toasts } from '../ui/toasts.svelte.ts';

/** More than these come better from the command, as one export. */
const MANY = 50;
/** Milliseconds between two files: browsers take many at once for a mistake. */
const BETWEEN = 400;
/** Bytes up to which a file is read whole before the browser is given it, so that what is damaged never becomes a file. */
const READ_WHOLE = 512_000_000;
/** Milliseconds for which the browser may take its time to write a file. */
const PATIENCE = 60_000;

/** A file that is to be saved. */
export interface Savable {
  memoryId: string;
  asset: MediaSelector;
  /** What it is called; the vault's own name where nothing is said. */
  name?: string | undefined;
  /** Bytes, where they are known. */
  size?: number | undefined;
}

/** It cannot be saved; the message says why, for people. */
class SaveError extends Error {
  override name = 'SaveError';
}

/** Saves a file. The browser asks where, or puts it with its downloads. */
export async function saveFile({ memoryId, asset, name, size = 0 }: Savable): Promise<void> {
  if (!(await media.start())) {
    const { url, release } = await readDirectly(memoryId, asset);
    follow(url, name ?? '');
    setTimeout(release, PATIENCE);
    return;
  }
  const address = mediaUrl(memoryId, asset, { download: true });
  const answer = await fetch(address, { method: size > READ_WHOLE ? 'HEAD' : 'GET' });
  if (!answer.ok) {
    const { title, hint } = problemWords((answer.headers.get('x-keepsake-problem') ?? 'other') as MediaProblem);
    throw new SaveError(`${title}. ${hint}`);
  }
  if (size > READ_WHOLE) {
    // Browsers save links by themselves, past the service worker; a page of its own that turns out to be a file closes at once.
    follow(address);
    return;
  }
  const url = URL.createObjectURL(await answer.blob());
  follow(url, name ?? nameOf(answer));
  setTimeout(() => URL.revokeObjectURL(url), PATIENCE);
}

/** Saves the originals of several memories, one after the other. */
export async function saveFiles(memoryIds: string[]): Promise<void> {
  if (memoryIds.length > MANY) {
    toasts.say(`That is a lot for a browser: for more than ${MANY} use “keepsake export” in a terminal.`);
    return;
  }
  for (const [at, memoryId] of memoryIds.entries()) {
    if (at > 0) {
      await new Promise((resolve) => setTimeout(resolve, BETWEEN));
    }
    await save({ memoryId, asset: 'original' });
  }
}

/** Saves a file, or says why not. */
export async function save(what: Savable): Promise<void> {
  try {
    await saveFile(what);
  } catch (error) {
    if (error instanceof SaveError) {
      toasts.say(`It was not saved. ${error.message}`);
    } else {
      toasts.problem('It was not saved.', error);
    }
  }
}

/** RFC 6266: the name in UTF-8. */
function nameOf(answer: Response): string {
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(answer.headers.get('content-disposition') ?? '')?.[1];
  try {
    return decodeURIComponent(encoded ?? '');
  } catch {
    return '';
  }
}

function follow(href: string, name?: string) {
  const link = document.createElement('a');
  link.href = href;
  if (name === undefined) {
    link.target = '_blank';
    link.rel = 'noopener';
  } else {
    link.download = name;
  }
  document.body.append(link);
  link.click();
  link.remove();
}
