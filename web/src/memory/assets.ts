/**
 * The assets of a memory in plain values.
 *
 * @module
 */

import type { Memory } from '@keepsake/sdk/bindings';

import { baseOf } from '../timeline/item.ts';
import { hex } from '../ui/format.ts';

export type Kind = 'original' | 'display' | 'thumbnail' | 'placeholder' | 'metadata';

export interface Asset {
  id: string;
  kind: Kind;
  name: string;
  /** IANA media type. */
  type: string;
  /** Bytes. */
  size: number;
  width: number | undefined;
  height: number | undefined;
  /** SHA-256 in hexadecimal. */
  sha256: string | undefined;
  /** Where the content is, for what the vault does not hold itself. */
  elsewhere: string | undefined;
}

const ORDER: readonly Kind[] = ['original', 'display', 'thumbnail', 'placeholder', 'metadata'];

/** All assets of a memory, the original first. */
export function assetsOf(memory: Memory): Asset[] {
  const plain = (id: string, metadata: Memory['inline_assets'][number]['metadata']): Asset => {
    const base = baseOf(metadata);
    return {
      id,
      kind: (Object.keys(base.asset_type)[0] ?? 'Original').toLowerCase() as Kind,
      name: base.name,
      type: base.mime_type,
      size: Number(base.bytes),
      width: base.width[0],
      height: base.height[0],
      sha256: base.sha256[0] && hex(base.sha256[0]),
      elsewhere: undefined,
    };
  };
  return [
    ...memory.inline_assets.map((asset) => plain(asset.asset_id, asset.metadata)),
    ...memory.blob_internal_assets.map((asset) => ({
      ...plain(asset.asset_id, asset.metadata),
      size: Number(asset.blob_ref.len),
      ...(asset.blob_ref.hash[0] ? { sha256: hex(asset.blob_ref.hash[0]) } : {}),
    })),
    ...memory.blob_external_assets.map((asset) => ({
      ...plain(asset.asset_id, asset.metadata),
      elsewhere: asset.url[0] ?? asset.storage_key,
    })),
  ].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
}

/** What is best to look at: the display version, else the original where browsers show its type, else the thumbnail. */
export function bestPicture(assets: readonly Asset[]): Asset | undefined {
  const of = (kind: Kind) => assets.find((asset) => asset.kind === kind && asset.elsewhere === undefined);
  const original = of('original');
  return of('display') ?? (original && isShown(original.type) ? original : undefined) ?? of('thumbnail');
}

/** Picture types that every browser in use shows. SVG is not among them: it can be a page. */
export function isShown(type: string): boolean {
  return /^image\/(?:jpeg|png|webp|gif|avif|bmp)$/.test(type);
}
