/**
 * Memories, listed page by page.
 *
 * @module
 */

import type { AssetLink, AssetLinks, MemoryHeader, Page } from '../bindings/vault.did.js';
import type { Keepsake } from '../client.js';
import { throwIfAborted } from '../errors.js';
import type { MediaKind } from '../media.js';

/** How memories are listed. */
export interface ListOptions {
  /** Memories asked for at a time: 1 to 100; 50 by default. */
  pageSize?: number;
  signal?: AbortSignal;
}

/** Where an asset is served over HTTP. */
export interface SummaryLink {
  /** Path and query on the vault's own host, with a token that is good until `expiresAt`. */
  path: string;
  assetId: string;
  type: string;
  /** Bytes. */
  size: number | undefined;
  width: number | undefined;
  height: number | undefined;
  expiresAt: Date;
}

/** The assets of a listed memory that are served over HTTP. */
export interface SummaryLinks {
  original?: SummaryLink;
  display?: SummaryLink;
  thumbnail?: SummaryLink;
}

/** A memory in a listing. */
export interface MemorySummary {
  id: string;
  capsuleId: string;
  title: string | undefined;
  kind: MediaKind;
  /** When it happened; in nanoseconds it is `header.created_at`. */
  date: Date;
  tags: string[];
  /** Bytes of all assets. */
  size: bigint;
  assetCount: number;
  sharing: 'Private' | 'Shared' | 'Public';
  links: SummaryLinks;
  /** The placeholder as a data URL, where it is inline and small. */
  placeholder: string | undefined;
  /** As the interface has it. */
  header: MemoryHeader;
}

export async function* listMemories(
  keepsake: Keepsake,
  { capsuleId, ...options }: ListOptions & { capsuleId?: string },
): AsyncIterableIterator<MemorySummary> {
  const capsule = capsuleId ?? (await keepsake.ownCapsule());
  yield* pages((cursor, limit) => keepsake.calls.memories_list(capsule, cursor, limit), options);
}

export async function* listShared(keepsake: Keepsake, options: ListOptions): AsyncIterableIterator<MemorySummary> {
  yield* pages((cursor, limit) => keepsake.calls.memories_shared_with_me(cursor, limit), options);
}

async function* pages(
  read: (cursor: [] | [string], limit: [] | [number]) => Promise<Page>,
  { pageSize, signal }: ListOptions,
): AsyncIterableIterator<MemorySummary> {
  let cursor: [] | [string] = [];
  do {
    throwIfAborted(signal);
    const page: Page = await read(cursor, pageSize === undefined ? [] : [pageSize]);
    for (const header of page.items) {
      yield summary(header);
    }
    cursor = page.next_cursor;
  } while (cursor.length > 0);
}

/** A header in plain values. */
export function summary(header: MemoryHeader): MemorySummary {
  return {
    id: header.id,
    capsuleId: header.capsule_id,
    title: header.title[0],
    kind: Object.keys(header.memory_type)[0] as MediaKind,
    date: new Date(Number(header.created_at / 1_000_000n)),
    tags: header.tags,
    size: header.size,
    assetCount: header.asset_count,
    sharing: Object.keys(header.sharing_status)[0] as MemorySummary['sharing'],
    links: summaryLinks(header.assets),
    placeholder: placeholderUrl(header.placeholder_data),
    header,
  };
}

/** Links in plain values. */
export function summaryLinks(assets: AssetLinks): SummaryLinks {
  const links: SummaryLinks = {};
  for (const kind of ['original', 'display', 'thumbnail'] as const) {
    const [link] = assets[kind];
    if (link) {
      links[kind] = summaryLink(link);
    }
  }
  return links;
}

/** A placeholder as a data URL. */
export function placeholderUrl([data]: [] | [string]): string | undefined {
  return data === undefined ? undefined : `data:image/webp;base64,${data}`;
}

function summaryLink(link: AssetLink): SummaryLink {
  const query = link.path.includes('?') ? '&' : '?';
  const path = link.path.includes('token=') ? link.path : `${link.path}${query}token=${encodeURIComponent(link.token)}`;
  return {
    path,
    assetId: link.asset_id,
    type: link.content_type,
    size: link.bytes[0] === undefined ? undefined : Number(link.bytes[0]),
    width: link.width[0],
    height: link.height[0],
    expiresAt: new Date(Number(link.expires_at_ns / 1_000_000n)),
  };
}
