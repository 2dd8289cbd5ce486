/**
 * Reading assets, with what arrives compared with its SHA-256. Content is read as queries, whose answers are signed by the vault's nodes.
 *
 * @module
 */

import type { Memory } from './bindings/vault.did.js';
import type { Keepsake } from './client.js';
import { ContentMismatchError, ExternalContentError, KeepsakeError, NotFoundError, throwIfAborted } from './errors.js';
import { bytesEqual, toHex } from './hex.js';
import { assetKind, metadataBase, type AssetKind } from './memories/metadata.js';
import { sha256Hasher } from './sha256.js';

/** Which asset of a memory: the first of a kind, or the one with an id. */
export type AssetSelector = AssetKind | { id: string };

/** How content is read. */
export interface ReadOptions {
  signal?: AbortSignal;
}

/** Chunks read at the same time. */
const READ_AHEAD = 4;

/** An asset whose content can be read. */
export class AssetContent {
  /** The asset's id. */
  readonly id: string;
  readonly memoryId: string;
  readonly kind: AssetKind;
  readonly name: string;
  /** IANA media type. */
  readonly type: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: Uint8Array | undefined;
  readonly width: number | undefined;
  readonly height: number | undefined;
  readonly #keepsake: Keepsake;
  readonly #inline: Uint8Array<ArrayBuffer> | undefined;
  readonly #locator: string | undefined;

  /** For this package's own use; `Keepsake.asset` finds one. */
  constructor(keepsake: Keepsake, memoryId: string, found: FoundAsset) {
    this.#keepsake = keepsake;
    this.memoryId = memoryId;
    this.id = found.id;
    this.kind = found.kind;
    this.name = found.name;
    this.type = found.type;
    this.size = found.size;
    this.sha256 = found.sha256;
    this.width = found.width;
    this.height = found.height;
    this.#inline = found.inline;
    this.#locator = found.locator;
  }

  /** The whole content as a Blob, verified. */
  async blob(options: ReadOptions = {}): Promise<Blob> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const part of this.chunks(options)) {
      parts.push(part);
    }
    return new Blob(parts, { type: this.type });
  }

  /** The whole content in memory, verified. */
  async bytes(options: ReadOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const all = new Uint8Array(this.size);
    let filled = 0;
    for await (const part of this.chunks(options)) {
      all.set(part, filled);
      filled += part.length;
    }
    return all;
  }

  /** The content as a stream. It ends only if everything was right: where it is not, the stream fails with ContentMismatchError instead. */
  stream(options: ReadOptions = {}): ReadableStream<Uint8Array<ArrayBuffer>> {
    const chunks = this.chunks(options);
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        try {
          const { value, done } = await chunks.next();
          if (done) {
            controller.close();
          } else {
            controller.enqueue(value);
          }
        } catch (error) {
          controller.error(error);
        }
      },
      async cancel() {
        await chunks.return?.();
      },
    });
  }

  /** The content chunk by chunk. The last one is handed out only if the whole is right, so that no reader takes spoilt content for complete. */
  async *chunks({ signal }: ReadOptions = {}): AsyncIterableIterator<Uint8Array<ArrayBuffer>> {
    const hasher = sha256Hasher();
    let length = 0;
    let held: Uint8Array<ArrayBuffer> | undefined;
    for await (const chunk of this.#parts(signal)) {
      hasher.update(chunk);
      length += chunk.length;
      if (length > this.size) {
        break;
      }
      if (held) {
        yield held;
      }
      held = chunk;
    }
    if (length !== this.size) {
      throw new ContentMismatchError(`asset ${this.id} has ${this.size} bytes, and ${length} came`);
    }
    const digest = hasher.digest();
    if (this.sha256 && !bytesEqual(digest, this.sha256)) {
      throw new ContentMismatchError(
        `asset ${this.id} has SHA-256 ${toHex(this.sha256)}, and what came has ${toHex(digest)}`,
      );
    }
    if (held) {
      yield held;
    }
  }

  /**
   * Bytes from `start` (included) to `end` (not included; the content's end by default). What is read is signed by the vault, but a part cannot be compared
   * with the hash of the whole.
   */
  async range(start: number, end: number = this.size, { signal }: ReadOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end < start) {
      throw new RangeError(`${start} to ${end} is no range of bytes`);
    }
    const [from, to] = [Math.min(start, this.size), Math.min(end, this.size)];
    if (this.#inline) {
      return this.#inline.slice(from, to);
    }
    const range = new Uint8Array(to - from);
    if (range.length === 0) {
      return range;
    }
    const first = await this.#chunk(0, signal);
    const { chunk_count: count } = await this.#keepsake.calls.blob_get_meta(this.#blob());
    const length = first.length;
    // Chunks are of one length but for the last, as this package sends them. Others may have sent others: then it is read from the beginning.
    const uniform = length > 0 && Math.ceil(this.size / length) === count;
    let index = uniform ? Math.floor(from / length) : 0;
    let offset = index * length;
    while (offset < to) {
      throwIfAborted(signal);
      const chunk = index === 0 ? first : await this.#chunk(index, signal);
      const expected = uniform ? Math.min(length, this.size - offset) : chunk.length;
      if (chunk.length !== expected || chunk.length === 0) {
        throw new ContentMismatchError(`chunk ${index} of asset ${this.id} has ${chunk.length} bytes`);
      }
      const [a, b] = [Math.max(from, offset), Math.min(to, offset + chunk.length)];
      if (a < b) {
        range.set(chunk.subarray(a - offset, b - offset), a - from);
      }
      offset += chunk.length;
      index += 1;
    }
    return range;
  }

  /** A path on the vault's own host that opens this asset without further permission, for at most 180 seconds. */
  async link(ttlSeconds = 180): Promise<string> {
    const token = await this.#keepsake.calls.mint_http_token(this.memoryId, [this.kind], [[this.id]], ttlSeconds);
    return `/asset/${this.memoryId}/${this.kind}?token=${encodeURIComponent(token)}&id=${encodeURIComponent(this.id)}`;
  }

  async *#parts(signal: AbortSignal | undefined): AsyncIterableIterator<Uint8Array<ArrayBuffer>> {
    if (this.#inline) {
      yield this.#inline;
      return;
    }
    const { chunk_count: count } = await this.#keepsake.calls.blob_get_meta(this.#blob());
    const ahead: Promise<Uint8Array<ArrayBuffer>>[] = [];
    let next = 0;
    for (let index = 0; index < count; index += 1) {
      throwIfAborted(signal);
      while (next < count && next < index + READ_AHEAD) {
        const reading = this.#chunk(next, signal);
        // It is awaited in its turn, or not at all where an earlier one failed.
        reading.catch(() => {});
        ahead.push(reading);
        next += 1;
      }
      yield await (ahead.shift() as Promise<Uint8Array<ArrayBuffer>>);
    }
  }

  async #chunk(index: number, signal: AbortSignal | undefined): Promise<Uint8Array<ArrayBuffer>> {
    throwIfAborted(signal);
    const bytes = await this.#keepsake.calls.blob_read_chunk(this.#blob(), index);
    throwIfAborted(signal);
    return bytes instanceof Uint8Array ? (bytes as Uint8Array<ArrayBuffer>) : Uint8Array.from(bytes);
  }

  #blob(): string {
    if (this.#locator === undefined) {
      throw new KeepsakeError(`asset ${this.id} has no blob`);
    }
    return this.#locator;
  }
}

interface FoundAsset {
  id: string;
  kind: AssetKind;
  name: string;
  type: string;
  size: number;
  sha256: Uint8Array | undefined;
  width: number | undefined;
  height: number | undefined;
  inline?: Uint8Array<ArrayBuffer>;
  locator?: string;
}

/** Finds an asset of a memory. NotFoundError where the memory has none such, ExternalContentError where it is kept elsewhere. */
export async function readAsset(keepsake: Keepsake, memoryId: string, selector: AssetSelector): Promise<AssetContent> {
  const memory = await keepsake.calls.memories_read(memoryId);
  const found = assetsOf(memory).find((asset) =>
    typeof selector === 'string' ? asset.kind === selector : asset.id === selector.id,
  );
  if (!found) {
    const wanted = typeof selector === 'string' ? selector : selector.id;
    throw new NotFoundError('memories_read', `memory ${memoryId} has no asset ${wanted}`);
  }
  if (found.external !== undefined) {
    throw new ExternalContentError(found.external);
  }
  // A memory too large for one answer comes without inline bytes.
  if (found.inline && found.inline.length < found.size) {
    const data = await keepsake.calls.asset_get_by_id(memoryId, found.id);
    if ('Inline' in data) {
      found.inline = Uint8Array.from(data.Inline.bytes);
    }
  }
  return new AssetContent(keepsake, memoryId, found);
}

function assetsOf(memory: Memory): (FoundAsset & { external?: string })[] {
  const described = (id: string, metadata: Memory['inline_assets'][number]['metadata']) => {
    const base = metadataBase(metadata);
    return {
      id,
      kind: assetKind(base.asset_type),
      name: base.name,
      type: base.mime_type,
      size: Number(base.bytes),
      sha256: base.sha256[0] && Uint8Array.from(base.sha256[0]),
      width: base.width[0],
      height: base.height[0],
    };
  };
  return [
    ...memory.inline_assets.map((asset) => ({
      ...described(asset.asset_id, asset.metadata),
      inline: Uint8Array.from(asset.bytes),
    })),
    ...memory.blob_internal_assets.map((asset) => ({
      ...described(asset.asset_id, asset.metadata),
      size: Number(asset.blob_ref.len),
      locator: asset.blob_ref.locator,
      ...(asset.blob_ref.hash[0] ? { sha256: Uint8Array.from(asset.blob_ref.hash[0]) } : {}),
    })),
    ...memory.blob_external_assets.map((asset) => ({
      ...described(asset.asset_id, asset.metadata),
      external: asset.url[0] ?? asset.storage_key,
    })),
  ];
}
