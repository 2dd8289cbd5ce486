/**
 * Reading assets, with what arrives compared with its SHA-256. Content is read as queries, whose answers are signed by the vault's nodes.
 *
 * @module
 */

import type { Memory } from './bindings/vault.did.js';
import type { VaultCalls } from './calls.js';
import { RangeReader, type RangeReaderOptions } from './content/range-reader.js';
import { ContentMismatchError, ExternalContentError, KeepsakeError, NotFoundError, throwIfAborted } from './errors.js';
import { bytesEqual, ownBytes, toHex } from './hex.js';
import { assetKind, metadataBase, type AssetKind } from './memories/metadata.js';
import { sha256Hasher } from './sha256.js';

/** A vault that content is read from: a {@link Keepsake}, or a {@link Connection} where nothing else is needed. */
export interface ReadableVault {
  readonly calls: VaultCalls;
}

/** Which asset of a memory: the first of a kind, or the one with an id. */
export type AssetSelector = AssetKind | { id: string };

/** How content is read. */
export interface ReadOptions {
  signal?: AbortSignal;
}

/** Longest content, in bytes, that is asked for whole in one query. The vault's bound is 3,000,000; this is what comes as one chunk anyway. */
const ONE_QUERY = 1_800_000;

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
  readonly #vault: ReadableVault;
  readonly #inline: Uint8Array<ArrayBuffer> | undefined;
  readonly #locator: string | undefined;
  #ranges: RangeReader | undefined;

  /** For this package's own use; `Keepsake.asset` finds one. */
  constructor(vault: ReadableVault, memoryId: string, found: FoundAsset) {
    this.#vault = vault;
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
    const range = new Uint8Array(to - from);
    let filled = 0;
    for await (const part of (this.#ranges ??= this.open()).slices(from, to, signal)) {
      range.set(part, filled);
      filled += part.length;
    }
    return range;
  }

  /** Opens the content for many ranges, as players ask for them. What was found out about its chunks is kept, and with `keepChunks` the chunks read last. */
  open(options: RangeReaderOptions = {}): RangeReader {
    return new RangeReader(this.#vault.calls, this.#inline ?? this.#blob(), this.size, options);
  }

  /** A path on the vault's own host that opens this asset without further permission, for at most 180 seconds. */
  async link(ttlSeconds = 180): Promise<string> {
    const token = await this.#vault.calls.mint_http_token(this.memoryId, [this.kind], [[this.id]], ttlSeconds);
    return `/asset/${this.memoryId}/${this.kind}?token=${encodeURIComponent(token)}&id=${encodeURIComponent(this.id)}`;
  }

  async *#parts(signal: AbortSignal | undefined): AsyncIterableIterator<Uint8Array<ArrayBuffer>> {
    if (this.#inline) {
      yield this.#inline;
      return;
    }
    throwIfAborted(signal);
    if (this.size <= ONE_QUERY) {
      const bytes = await this.#vault.calls.blob_read(this.#blob());
      throwIfAborted(signal);
      yield ownBytes(bytes);
      return;
    }
    yield* this.open().all(signal);
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
export async function readAsset(
  vault: ReadableVault,
  memoryId: string,
  selector: AssetSelector,
): Promise<AssetContent> {
  const memory = await vault.calls.memories_read(memoryId);
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
  return assetContent(vault, memoryId, found);
}

/** Every asset of a memory whose content the vault holds itself, in one query where the memory fits into its answer. */
export async function readAssets(vault: ReadableVault, memoryId: string): Promise<AssetContent[]> {
  const memory = await vault.calls.memories_read(memoryId);
  const held = assetsOf(memory).filter(({ external }) => external === undefined);
  return Promise.all(held.map((found) => assetContent(vault, memoryId, found)));
}

async function assetContent(vault: ReadableVault, memoryId: string, found: FoundAsset): Promise<AssetContent> {
  // A memory too large for one answer comes without inline bytes.
  if (found.inline && found.inline.length < found.size) {
    const data = await vault.calls.asset_get_by_id(memoryId, found.id);
    if ('Inline' in data) {
      found.inline = Uint8Array.from(data.Inline.bytes);
    }
  }
  return new AssetContent(vault, memoryId, found);
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
