/**
 * Small steps of bringing something into a vault, by the names and in the order of arguments that callers of the memory backend know.
 *
 * @module
 */

import type { Keepsake, UploadOptions } from '../client.js';
import type { Source, SourceOptions } from '../content/content.js';
import { MEDIA_HEAD, identify, kindOf } from '../media.js';
import { DERIVATIVE_KINDS, type Derivative, type DerivativeKind } from '../derivatives/rules.js';
import { DerivativeError } from '../errors.js';
import { toHex } from '../hex.js';
import type { StoredBlob } from '../upload/engine.js';
import { platform } from '#platform';
import { assetMetadata, memoryMetadata, type AssetDescription, type AssetKind, type MemoryDescription } from './metadata.js';

/** What is said of an asset that is added. */
export interface AddAssetOptions {
  /** `display` by default; `placeholder` for inline assets. */
  kind?: AssetKind;
  name?: string;
  /** Media type; `image/webp` by default. */
  type?: string;
  width?: number;
  height?: number;
  /** The same request with the same key has one effect. By default the key follows from the kind. */
  idempotencyKey?: string;
}

/** Uploads a file as a blob of a capsule. The same file again is not sent again. */
export function uploadFileAsBlob(
  keepsake: Keepsake,
  file: Source,
  capsuleId?: string,
  options: Omit<UploadOptions, 'capsuleId'> = {},
): Promise<StoredBlob> {
  return keepsake.upload(file, capsuleId === undefined ? options : { ...options, capsuleId }).done;
}

/** Creates a memory whose original is a blob that was uploaded before; returns its id, the same for the same blob. */
export async function createMemoryFromBlob(
  keepsake: Keepsake,
  capsuleId: string,
  blob: Pick<StoredBlob, 'id' | 'sha256' | 'size'>,
  about: { name: string; type: string } & Partial<MemoryDescription> & {
      original?: Partial<AssetDescription>;
      idempotencyKey?: string;
    },
): Promise<string> {
  const { name, type, original, idempotencyKey, ...described } = about;
  const media = described.media ?? kindOf(type);
  return keepsake.calls.memories_create_with_internal_blobs(
    capsuleId,
    memoryMetadata({ title: name, ...described, type, media }),
    [
      {
        blob_id: blob.id,
        metadata: assetMetadata({ name, type, media, ...original, kind: 'original', size: blob.size }),
      },
    ],
    // As the command line names it, so that a photo is one memory whichever client brings it.
    idempotencyKey ?? `original:${toHex(blob.sha256)}`,
  );
}

/** Adds a blob of the capsule to a memory; returns the asset's id, the same for the same request. */
export function addAssetToMemory(
  keepsake: Keepsake,
  memoryId: string,
  blob: string | Pick<StoredBlob, 'id' | 'size'>,
  options: AddAssetOptions = {},
): Promise<string> {
  const described = describe(options, 'display');
  const [id, size] = typeof blob === 'string' ? [blob, 0] : [blob.id, blob.size];
  const metadata = assetMetadata({ ...described, size });
  return keepsake.calls.memories_add_asset(memoryId, { blob_id: id, metadata }, key(options, described.kind));
}

/**
 * Adds bytes to a memory that are kept with the vault's small content, at most 32 KiB; returns the asset's id. BudgetExceededError where the capsule's inline
 * budget is spent: `uploadFileAsBlob` and `addAssetToMemory` take it then.
 */
export function addInlineAssetToMemory(
  keepsake: Keepsake,
  memoryId: string,
  bytes: Uint8Array,
  options: AddAssetOptions = {},
): Promise<string> {
  const described = describe(options, 'placeholder');
  const metadata = assetMetadata({ ...described, size: bytes.length });
  return keepsake.calls.memories_add_inline_asset(memoryId, { bytes, metadata }, key(options, described.kind));
}

/** Makes display, thumbnail and placeholder of a photo, or those that are asked for. Throws DerivativeError where one cannot be made. */
export async function processImageDerivatives(
  file: Source,
  options: SourceOptions & { kinds?: readonly DerivativeKind[] } = {},
): Promise<Derivative[]> {
  const { kinds = DERIVATIVE_KINDS, ...source } = options;
  const content = await platform.openContent(file, source);
  const { type } = identify(await content.slice(0, MEDIA_HEAD), content.name, content.type);
  if (!(await platform.derivatives.decodes(type))) {
    throw new DerivativeError(`images of type ${type} cannot be decoded here`);
  }
  const made: Derivative[] = [];
  let failure: Error | undefined;
  await platform.derivatives.make(content, kinds, (one) => {
    if ('error' in one) {
      failure ??= one.error;
    } else {
      made.push(one);
    }
  });
  if (failure) {
    throw failure;
  }
  return made;
}

function describe(options: AddAssetOptions, usual: AssetKind): AssetDescription {
  const { kind = usual, name, type = 'image/webp', width, height } = options;
  const extension = type.split('/')[1] ?? 'bin';
  return { kind, name: name ?? `${kind}.${extension}`, type, media: kindOf(type), width, height };
}

/** The vault tells assets apart by content and kind already. */
function key(options: AddAssetOptions, kind: AssetKind): string {
  return options.idempotencyKey ?? `derivative:${kind}`;
}
