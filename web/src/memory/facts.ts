/**
 * What is known of how a memory came to be, in words: when, how that is known, and with which camera.
 *
 * @module
 */

import type { Memory } from '@keepsake/sdk/bindings';

import { baseOf } from '../timeline/item.ts';
import { millis } from '../ui/format.ts';

/** Where the time of a memory comes from: what the clients put behind `capture-time:`. */
const SOURCES: Readonly<Record<string, { words: string; floating: boolean }>> = {
  exif: { words: 'from the camera', floating: false },
  'exif-gps': { words: 'from the camera and its GPS clock', floating: false },
  'exif-local': { words: 'by the camera’s clock, whose time zone is not known', floating: true },
  'before-1970': { words: 'earlier than 1970, which the vault cannot say', floating: true },
  'google-takeout': { words: 'from Google Photos', floating: false },
  xmp: { words: 'from the sidecar file', floating: false },
  'xmp-local': { words: 'from the sidecar file, whose time zone is not known', floating: true },
  'file-name': { words: 'from the file’s name', floating: true },
  'file-time': { words: 'when the file was last changed', floating: false },
};

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });
/** Times without a time zone were read as UTC: shown so, they are what the camera's clock said. */
const FLOATING = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short', timeZone: 'UTC' });

/** When it happened, and how that is known. */
export function timeOf(memory: Memory): { when: string; source: string | undefined } {
  const { date_of_memory: dated, created_at: created } = memory.metadata;
  const date = new Date(millis(dated[0] ?? created));
  if (dated[0] !== undefined && dated[0] !== created) {
    return { when: MOMENT.format(date), source: 'set by hand' };
  }
  const source = original(memory)
    ?.tags.find((tag) => tag.startsWith('capture-time:'))
    ?.slice('capture-time:'.length);
  const known = source === undefined ? undefined : SOURCES[source];
  return { when: (known?.floating ? FLOATING : MOMENT).format(date), source: known?.words };
}

/** The camera and its lens. */
export function cameraOf(memory: Memory): string | undefined {
  const found = [...memory.blob_internal_assets, ...memory.inline_assets, ...memory.blob_external_assets].find(
    ({ metadata }) => 'Image' in metadata && 'Original' in metadata.Image.base.asset_type,
  )?.metadata;
  const text = found && 'Image' in found ? found.Image.exif_data[0] : undefined;
  if (text === undefined) {
    return undefined;
  }
  try {
    const { make, model, lens } = JSON.parse(text) as Record<string, unknown>;
    const parts = [make, model, lens].filter((part) => typeof part === 'string' && part !== '') as string[];
    // Many a model begins with its maker's name.
    const named = parts.length > 1 && parts[1]?.startsWith(parts[0] as string) ? parts.slice(1) : parts;
    return named.length > 0 ? named.join(', ') : undefined;
  } catch {
    // Other clients write other things there.
    return undefined;
  }
}

function original(memory: Memory) {
  return [...memory.blob_internal_assets, ...memory.inline_assets, ...memory.blob_external_assets]
    .map(({ metadata }) => baseOf(metadata))
    .find(({ asset_type: type }) => 'Original' in type);
}
