/**
 * Metadata as the vault's interface has it, from the little that a client says. What the vault computes itself is left at zero.
 *
 * @module
 */

import type { AssetMetadata, AssetMetadataBase, AssetType, MemoryMetadata, MemoryType } from '../bindings/vault.did.js';
import type { MediaKind } from '../media.js';

/** The kind of an asset. */
export type AssetKind = 'original' | 'display' | 'thumbnail' | 'placeholder' | 'metadata';

/** What is said of an asset. */
export interface AssetDescription {
  name: string;
  kind: AssetKind;
  /** IANA media type. */
  type: string;
  /** As memories are sorted. */
  media: MediaKind;
  /** Bytes; 0: the vault fills it in. */
  size?: number;
  width?: number | undefined;
  height?: number | undefined;
  /** EXIF orientation, 1 to 8. */
  orientation?: number | undefined;
  tags?: string[];
  /** JSON of the camera. Everybody who may view the memory reads it. */
  exif?: string | undefined;
}

/** What is said of a memory. */
export interface MemoryDescription {
  title?: string | undefined;
  description?: string | undefined;
  /** IANA media type of the original. */
  type: string;
  media: MediaKind;
  /** When it happened, in nanoseconds since 1970 UTC. */
  date?: bigint | undefined;
  /** When the file was last written, in nanoseconds since 1970 UTC. */
  fileDate?: bigint | undefined;
  tags?: string[] | undefined;
  people?: string[] | undefined;
  /** Everybody who may view the memory reads it. */
  location?: string | undefined;
  notes?: string | undefined;
}

/** Candid's optional value. */
export function opt<T>(value: T | undefined): [] | [T] {
  return value === undefined ? [] : [value];
}

const ASSET_TYPES: Readonly<Record<AssetKind, AssetType>> = {
  original: { Original: null },
  display: { Display: null },
  thumbnail: { Thumbnail: null },
  placeholder: { Placeholder: null },
  metadata: { Metadata: null },
};

/** The kind that an asset's type is. */
export function assetKind(type: AssetType): AssetKind {
  const [name = 'Original'] = Object.keys(type);
  return name.toLowerCase() as AssetKind;
}

const MEMORY_TYPES: Readonly<Record<MediaKind, MemoryType>> = {
  Image: { Image: null },
  Video: { Video: null },
  Audio: { Audio: null },
  Document: { Document: null },
  Note: { Note: null },
};

/** Metadata of an asset. */
export function assetMetadata(about: AssetDescription): AssetMetadata {
  const base: AssetMetadataBase = {
    name: about.name,
    description: [],
    tags: about.tags ?? [],
    asset_type: ASSET_TYPES[about.kind],
    bytes: BigInt(about.size ?? 0),
    mime_type: about.type,
    sha256: [],
    width: opt(about.width),
    height: opt(about.height),
    url: [],
    storage_key: [],
    bucket: [],
    asset_location: [],
    processing_status: [],
    processing_error: [],
    created_at: 0n,
    updated_at: 0n,
    deleted_at: [],
  };
  switch (about.media) {
    case 'Image':
      return {
        Image: {
          base,
          color_space: [],
          exif_data: opt(about.exif),
          compression_ratio: [],
          dpi: [],
          orientation: opt(about.orientation),
        },
      };
    case 'Video':
      return {
        Video: {
          base,
          duration: [],
          frame_rate: [],
          codec: [],
          bitrate: [],
          resolution: [],
          aspect_ratio: [],
        },
      };
    case 'Audio':
      return {
        Audio: { base, duration: [], sample_rate: [], channels: [], bitrate: [], codec: [], bit_depth: [] },
      };
    case 'Document':
      return { Document: { base, page_count: [], document_type: [], language: [], word_count: [] } };
    case 'Note':
      return { Note: { base, word_count: [], language: [], format: [] } };
  }
}

/** The part that all kinds of asset metadata share. */
export function metadataBase(metadata: AssetMetadata): AssetMetadataBase {
  // Every variant has it.
  return (Object.values(metadata) as { base: AssetMetadataBase }[])[0]!.base;
}

/** Metadata of a memory. `created_at` is when it happened: listings carry no other date. */
export function memoryMetadata(about: MemoryDescription): MemoryMetadata {
  return {
    memory_type: MEMORY_TYPES[about.media],
    title: opt(about.title),
    description: opt(about.description),
    content_type: about.type,
    created_at: about.date ?? 0n,
    updated_at: 0n,
    uploaded_at: 0n,
    date_of_memory: opt(about.date),
    file_created_at: opt(about.fileDate),
    parent_folder_id: [],
    tags: about.tags ?? [],
    deleted_at: [],
    people_in_memory: opt(about.people),
    location: opt(about.location),
    memory_notes: opt(about.notes),
    created_by: [],
    database_storage_edges: [],
    shared_count: 0,
    sharing_status: { Private: null },
    total_size: 0n,
    asset_count: 0,
  };
}
