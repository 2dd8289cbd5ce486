/**
 * Share links: memories shown to whoever holds a secret, without signing in.
 *
 * The secret travels in the fragment of an address, which no browser sends to any server, and in the arguments of the visitor's calls. The vault keeps its hash alone:
 * whoever lost a link makes another one.
 *
 * @module
 */

import type { ShareLink as LinkRecord, SharedAsset as AssetRecord, SharedHeader, SharedLink as SharedRecord } from './bindings/vault.did.js';
import type { Keepsake } from './client.js';
import { openConnection, type Connection, type ConnectionOptions } from './connection.js';
import { ContentMismatchError, throwIfAborted } from './errors.js';
import { bytesEqual, ownBytes, toHex } from './hex.js';
import type { MediaKind } from './media.js';
import { placeholderUrl, summaryLinks, type ListOptions, type SummaryLinks } from './memories/listing.js';
import { assetKind, opt, type AssetKind } from './memories/metadata.js';
import { somebody, type Somebody } from './person.js';
import { sha256Hasher } from './sha256.js';
import { dateOf, nanosOf } from './time.js';

/** Bytes of a link's secret. */
const SECRET_BYTES = 32;
/** Bytes of the number by which one visit is told from the next. */
const NONCE_BYTES = 16;
/** Bytes asked for at a time. */
const PIECE = 1_800_000;
/** Pieces read at the same time. */
const READ_AHEAD = 3;

/** What a link shows, for how long, and how far. */
export interface ShareLinkOptions {
  /** The caller's own capsule where none is named. */
  capsuleId?: string;
  /** 1 to 1,000 memories of the capsule, in this order; whatever is in the capsule when the link is used, where none are named. */
  memories?: readonly string[];
  /** From then on it opens nothing; 30 days from now by default, 5 years at the most. */
  until?: Date;
  /** Whether originals are given too; they are not by default. */
  download?: boolean;
  /** Shown on the link's page; at most 256 bytes. */
  title?: string;
  /** 32 random bytes, for a creation that may have to be sent again after a restart; new ones by default. */
  secret?: Uint8Array;
}

/** A link, as whoever manages it sees it. */
export interface ShareLink {
  id: string;
  capsuleId: string;
  title: string | undefined;
  /** How many memories were selected; undefined: the whole capsule. */
  selected: number | undefined;
  download: boolean;
  /** Who made it: it shows nothing that this person may not share any more. */
  by: Somebody;
  createdAt: Date;
  until: Date;
  /** How often it was opened. */
  uses: number;
  lastUsedAt: Date | undefined;
}

/** A link that was just made. */
export interface MadeShareLink extends ShareLink {
  /** Keep or hand on what {@link shareLinkFragment} makes of it: the vault cannot tell it again. */
  secret: Uint8Array;
}

/** The links of a vault's capsules. {@link Keepsake.links} has them. */
export class ShareLinks {
  readonly #keepsake: Keepsake;

  /** For this package's own use. */
  constructor(keepsake: Keepsake) {
    this.#keepsake = keepsake;
  }

  /**
   * Makes a link. UnauthorizedError for who may not share all of it, or gives downloads without having them; BudgetExceededError where the capsule has 200 links, or 100
   * and the caller has no part in it.
   */
  async create(options: ShareLinkOptions = {}): Promise<MadeShareLink> {
    const { memories, until, download = false, title, secret = randomBytes(SECRET_BYTES) } = options;
    const capsuleId = options.capsuleId ?? (await this.#keepsake.ownCapsule());
    const record = await this.#keepsake.calls.share_links_create({
      capsule_id: capsuleId,
      secret_sha256: sha256(secret),
      selection: memories === undefined ? { Capsule: null } : { Memories: [...memories] },
      expires_at: opt(until && nanosOf(until)),
      allow_download: download,
      title: opt(title),
    });
    return { ...shareLink(record), secret };
  }

  /** A capsule's links that have not ended; the caller's own capsule by default. */
  async list(capsuleId?: string): Promise<ShareLink[]> {
    const records = await this.#keepsake.calls.share_links_list(capsuleId ?? (await this.#keepsake.ownCapsule()));
    return records.map(shareLink);
  }

  /** Ends a link: its page and every picture under it. Again: nothing happens. */
  async revoke(link: Pick<ShareLink, 'id' | 'capsuleId'>): Promise<void> {
    await this.#keepsake.calls.share_links_revoke(link.capsuleId, link.id);
  }
}

/** The fragment of a link's address: `#/s/` and the secret in base64url. Put it behind the address of the vault's page. */
export function shareLinkFragment(secret: Uint8Array): string {
  const text = btoa(String.fromCharCode(...secret));
  return `#/s/${text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`;
}

/** The secret in an address, in its fragment, or in base64url alone; undefined where there is none, or one of another length. */
export function shareLinkSecret(text: string): Uint8Array | undefined {
  const found = /(?:^|#\/s\/)([A-Za-z0-9_-]{43})$/.exec(text)?.[1];
  if (found === undefined) {
    return undefined;
  }
  const bytes = Uint8Array.from(atob(`${found.replaceAll('-', '+').replaceAll('_', '/')}=`), (char) => char.charCodeAt(0));
  return bytes.length === SECRET_BYTES ? bytes : undefined;
}

/** What a visitor is told of a link. */
export interface SharedLink {
  title: string | undefined;
  until: Date;
  download: boolean;
  uses: number;
}

/** A memory that a link shows. */
export interface SharedMemorySummary {
  id: string;
  title: string | undefined;
  description: string | undefined;
  kind: MediaKind;
  /** When it happened. */
  date: Date;
  tags: string[];
  /** For plain `<img>` and `<a download>`, on the vault's own host: they work as long as the link does, 30 minutes at the most. */
  links: SummaryLinks;
  /** The placeholder as a data URL, where it is inline and small. */
  placeholder: string | undefined;
}

/** An asset that a link gives. */
export interface SharedAssetInfo {
  id: string;
  kind: AssetKind;
  /** Name of the file, where the link allows downloads. */
  name: string | undefined;
  /** IANA media type. */
  type: string;
  /** Bytes. */
  size: number;
  width: number | undefined;
  height: number | undefined;
  sha256: Uint8Array;
}

/** A memory that a link shows, with what it gives of it. */
export interface SharedMemory extends SharedMemorySummary {
  assets: SharedAssetInfo[];
}

/** How a visitor reaches the vault. Without an identity, a key is made for the visit and thrown away. */
export type VisitOptions = ConnectionOptions;

/**
 * Visits a share link. Nothing is counted before {@link ShareLinkVisit.open} is called. NotFoundError, there and everywhere, where the link is wrong, has expired, or was
 * revoked.
 */
export async function visitShareLink(secret: Uint8Array, options: VisitOptions): Promise<ShareLinkVisit> {
  return new ShareLinkVisit(secret, await openConnection({ ...options, identity: options.identity ?? (await passingKey()) }));
}

/** Updates must be signed by somebody: here by nobody who comes again. */
async function passingKey() {
  const { Ed25519KeyIdentity } = await import('@icp-sdk/core/identity');
  return Ed25519KeyIdentity.generate();
}

/** What whoever holds a link's secret sees. */
export class ShareLinkVisit {
  readonly #secret: Uint8Array;
  readonly #calls: Connection['calls'];
  /** One for the visit: an opening that is sent again counts once. */
  readonly #nonce = randomBytes(NONCE_BYTES);

  /** For this package's own use; {@link visitShareLink} makes one. */
  constructor(secret: Uint8Array, { calls }: Connection) {
    this.#secret = secret;
    this.#calls = calls;
  }

  /** Opens the link, which counts as one use however often it is called. */
  async open(): Promise<SharedLink> {
    return sharedLink(await this.#calls.share_links_open(this.#secret, this.#nonce));
  }

  /** What the link shows, in its order: as selected, or the newest of the capsule first. */
  async *memories({ pageSize, signal }: ListOptions = {}): AsyncIterableIterator<SharedMemorySummary> {
    let cursor: [] | [string] = [];
    do {
      throwIfAborted(signal);
      const page = await this.#calls.share_links_memories(this.#secret, cursor, opt(pageSize));
      for (const header of page.items) {
        yield sharedSummary(header);
      }
      cursor = page.next_cursor;
    } while (cursor.length > 0);
  }

  /** One memory, with the assets that the link gives. */
  async memory(id: string): Promise<SharedMemory> {
    const { header, assets } = await this.#calls.share_links_memory(this.#secret, id);
    return { ...sharedSummary(header), assets: assets.map(sharedAsset) };
  }

  /**
   * The content of an asset, verified. ContentMismatchError where what came is not what was kept; NotFoundError where the link does not give it.
   */
  async blob(memoryId: string, asset: SharedAssetInfo, { signal }: { signal?: AbortSignal } = {}): Promise<Blob> {
    const hasher = sha256Hasher();
    const parts: Uint8Array<ArrayBuffer>[] = [];
    const ahead: Promise<Uint8Array<ArrayBuffer>>[] = [];
    let asked = 0;
    for (let start = 0; start < asset.size; start += PIECE) {
      throwIfAborted(signal);
      for (; asked < asset.size && ahead.length < READ_AHEAD; asked += PIECE) {
        const reading = this.range(memoryId, asset.id, asked, Math.min(PIECE, asset.size - asked));
        // It is awaited in its turn, or not at all where an earlier one failed.
        reading.catch(() => {});
        ahead.push(reading);
      }
      // There is one for each piece, in order.
      const part = await (ahead.shift() as Promise<Uint8Array<ArrayBuffer>>);
      hasher.update(part);
      parts.push(part);
    }
    const digest = hasher.digest();
    if (!bytesEqual(digest, asset.sha256)) {
      throw new ContentMismatchError(
        `asset ${asset.id} has SHA-256 ${toHex(asset.sha256)}, and what came has ${toHex(digest)}`,
      );
    }
    return new Blob(parts, { type: asset.type });
  }

  /** Bytes of an asset from `start` on, `length` of them or as many as there are. What comes is signed by the vault, not compared with a hash. */
  async range(memoryId: string, assetId: string, start: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.#calls.share_links_asset(this.#secret, memoryId, assetId, BigInt(start), length);
    return ownBytes(bytes);
  }
}

function shareLink(record: LinkRecord): ShareLink {
  const [lastUsed] = record.last_used_at;
  return {
    id: record.id,
    capsuleId: record.capsule_id,
    title: record.title[0],
    selected: record.selected[0],
    download: record.allow_download,
    by: somebody({ Principal: record.created_by }),
    createdAt: dateOf(record.created_at),
    until: dateOf(record.expires_at),
    uses: Number(record.uses),
    lastUsedAt: lastUsed === undefined ? undefined : dateOf(lastUsed),
  };
}

function sharedLink(record: SharedRecord): SharedLink {
  return {
    title: record.title[0],
    until: dateOf(record.expires_at),
    download: record.allow_download,
    uses: Number(record.uses),
  };
}

function sharedSummary(header: SharedHeader): SharedMemorySummary {
  return {
    id: header.id,
    title: header.title[0],
    description: header.description[0],
    // A variant has one name.
    kind: Object.keys(header.memory_type)[0] as MediaKind,
    date: dateOf(header.date),
    tags: header.tags,
    links: summaryLinks(header.assets),
    placeholder: placeholderUrl(header.placeholder_data),
  };
}

function sharedAsset(record: AssetRecord): SharedAssetInfo {
  return {
    id: record.asset_id,
    kind: assetKind(record.asset_type),
    name: record.name[0],
    type: record.content_type,
    size: Number(record.bytes),
    width: record.width[0],
    height: record.height[0],
    sha256: Uint8Array.from(record.sha256),
  };
}

function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length));
}

function sha256(bytes: Uint8Array): Uint8Array {
  const hasher = sha256Hasher();
  hasher.update(bytes);
  return hasher.digest();
}
