/**
 * Addresses of pictures, videos and files within the gallery: `/media/<principal>/<memory>/<asset>`, answered by the service worker and by no server. They name
 * who reads, so that no cache of the browser shows one person what another opened, and they hold no secret: without that person's key they open nothing.
 *
 * @module
 */

import type { AssetKind } from '@keepsake/sdk/reading';

/** The first asset of a kind, or the one with an id (`asset_…`). */
export type MediaSelector = AssetKind | { id: string };

/** What an address names. */
export interface MediaAddress {
  principal: string;
  memoryId: string;
  selector: MediaSelector;
  /** To be kept as a file rather than shown. */
  download: boolean;
}

const KINDS: readonly string[] = ['original', 'display', 'thumbnail', 'placeholder', 'metadata'] satisfies AssetKind[];

/** Under which path all of them are. */
export const MEDIA_PATH = '/media/';

/** The address of an asset for a person. */
export function mediaPath(address: Omit<MediaAddress, 'download'> & { download?: boolean }): string {
  const { principal, memoryId, selector, download } = address;
  const asset = typeof selector === 'string' ? selector : selector.id;
  return `${MEDIA_PATH}${[principal, memoryId, asset].map(encodeURIComponent).join('/')}${download ? '?download' : ''}`;
}

/** What an address names; undefined where it is none. */
export function parseMediaPath(url: URL): MediaAddress | undefined {
  const match = /^\/media\/([a-z0-9-]+)\/(mem_[0-9a-f]{32})\/([a-z]+|asset_[0-9a-f]{32})$/.exec(url.pathname);
  const [, principal, memoryId, asset] = match ?? [];
  if (principal === undefined || memoryId === undefined || asset === undefined) {
    return undefined;
  }
  const selector = asset.startsWith('asset_') ? { id: asset } : KINDS.includes(asset) ? (asset as AssetKind) : undefined;
  return selector && { principal, memoryId, selector, download: url.searchParams.has('download') };
}
