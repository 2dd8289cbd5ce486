/**
 * A memory as the timeline keeps it: little enough that a hundred thousand of them fit.
 *
 * @module
 */

import type { AssetMetadataBase, AssetLink, Memory, MemoryHeader } from '@keepsake/sdk/bindings';

import { TAG as TIME_CAPSULE } from '../sharing/note.ts';

export type ItemKind = 'Image' | 'Video' | 'Audio' | 'Document' | 'Note';

export interface TimelineItem {
  id: string;
  /** Milliseconds since 1970: when it happened. */
  time: number;
  title: string;
  kind: ItemKind;
  /** Width by height; 1 where it is not known. */
  ratio: number;
  /** A tiny picture as base64. */
  placeholder: string | undefined;
  /** Whether there is a thumbnail to show. */
  thumbnail: boolean;
  /** Others may see it. */
  shared: boolean;
  /** The note of a time capsule. */
  sealed: boolean;
}

// Panoramas and strips are cut to these in the timeline; the viewer shows them whole.
const NARROWEST = 0.5;
const WIDEST = 3;

/** From a listing. */
export function fromHeader(header: MemoryHeader): TimelineItem {
  const { thumbnail, display, original } = header.assets;
  // An original may lie on its side; what was made from it stands upright.
  const sized = [thumbnail, display, original].map(([link]) => link).find((link) => link?.width[0] && link.height[0]);
  return {
    id: header.id,
    time: Number(header.created_at / 1_000_000n),
    title: header.name,
    kind: Object.keys(header.memory_type)[0] as ItemKind,
    ratio: ratioOf(sized?.width[0], sized?.height[0]),
    placeholder: header.placeholder_data[0],
    thumbnail: isPicture(thumbnail[0]),
    shared: !('Private' in header.sharing_status),
    sealed: header.tags.includes(TIME_CAPSULE),
  };
}

function isPicture(link: AssetLink | undefined): boolean {
  return link?.content_type.startsWith('image/') ?? false;
}

/** From the memory itself, after it was added or changed. */
export function fromMemory(memory: Memory): TimelineItem {
  const { metadata } = memory;
  const assets = [
    ...memory.inline_assets.map((asset) => ({ base: baseOf(asset.metadata), bytes: asset.bytes })),
    ...memory.blob_internal_assets.map((asset) => ({ base: baseOf(asset.metadata), bytes: undefined })),
  ];
  const find = (kind: string) => assets.find(({ base }) => kind in base.asset_type);
  const [thumbnail, display, original] = ['Thumbnail', 'Display', 'Original'].map(find);
  const sized = [thumbnail, display, original].find((asset) => asset?.base.width[0] && asset.base.height[0])?.base;
  const placeholder = find('Placeholder')?.bytes;
  return {
    id: memory.id,
    time: Number((metadata.date_of_memory[0] ?? metadata.created_at) / 1_000_000n),
    title: metadata.title[0] ?? assets[0]?.base.name ?? '',
    kind: Object.keys(metadata.memory_type)[0] as ItemKind,
    ratio: ratioOf(sized?.width[0], sized?.height[0]),
    placeholder: placeholder && placeholder.length < 1000 ? btoa(String.fromCharCode(...placeholder)) : undefined,
    thumbnail: thumbnail?.base.mime_type.startsWith('image/') ?? false,
    shared: !('Private' in metadata.sharing_status),
    sealed: metadata.tags.includes(TIME_CAPSULE),
  };
}

/** What all kinds of asset metadata share. */
export function baseOf(metadata: Memory['inline_assets'][number]['metadata']): AssetMetadataBase {
  return (Object.values(metadata) as [{ base: AssetMetadataBase }])[0].base;
}

function ratioOf(width: number | undefined, height: number | undefined): number {
  return width && height ? Math.min(Math.max(width / height, NARROWEST), WIDEST) : 1;
}

/**
 * Puts times in order from the item `from` on. Lists come in the order of when things happened, and headers say when they were created, which differs once somebody
 * has changed the date: an item whose time does not fit between its neighbours takes a neighbour's. Returns the first item that changed.
 */
export function settleTimes(items: readonly TimelineItem[], from: number): number {
  let changed = from;
  for (let at = Math.max(from, 1); at < items.length; at += 1) {
    const [before, item, after] = [items[at - 1] as TimelineItem, items[at] as TimelineItem, items[at + 1]];
    if (item.time <= before.time) {
      continue;
    }
    if (after && after.time > before.time) {
      // Two rise above the one before: it is that one which was moved up here from the past.
      for (let up = at - 1; up >= 0 && (items[up] as TimelineItem).time < item.time; up -= 1) {
        (items[up] as TimelineItem).time = item.time;
        changed = Math.min(changed, up);
      }
    } else {
      item.time = before.time;
    }
  }
  return changed;
}
