/**
 * What the person who is signed in may read, as content to answer with. Asks the vault by signed queries with the session's own key, verifies, and remembers.
 *
 * What is guaranteed:
 * - every answer of the vault carries a signature of one of its nodes, verified against the root key of the session;
 * - content of up to 8 MiB (32 MiB where it is neither video nor sound) is compared with its SHA-256 before its first byte is handed out, from the vault and from the
 *   browser's cache alike;
 * - longer content is handed out in the ranges that a player asks for. A range cannot be compared with the hash of the whole; but what comes without a gap from the
 *   beginning is hashed on the way, so that whoever reads to the end gets the last chunk only if all of it is right, and a content that
 *   proved wrong is not handed out again;
 * - nothing is answered for anybody but who is signed in at that moment, and what is under way ends when they sign out.
 *
 * @module
 */

import {
  ConnectionError,
  ContentMismatchError,
  ExternalContentError,
  Limit,
  NotAuthenticError,
  NotFoundError,
  openConnection,
  readAssets,
  toHex,
  UnauthorizedError,
  type AssetContent,
  type Connection,
  type RangeReader,
} from '@keepsake/sdk/reading';

import { identityFrom } from '../../session/identity.ts';
import { readSession, type StoredSession } from '../../session/store.ts';
import type { MediaAddress, MediaSelector } from '../address.ts';
import type { MediaProblem } from '../messages.ts';
import type { Servable } from './answer.ts';
import { forgetContents, hexDigest, VerifiedContents, type AssetFacts, type KnownMemory } from './verified.ts';
import { Witness } from './witness.ts';

/** Longest content, in bytes, that is read and compared as a whole before it is handed out. */
const WHOLE_PLAYED = 8 * 1024 * 1024;
const WHOLE = 32 * 1024 * 1024;

/** Milliseconds for which what the vault said of a memory is not asked again: so long somebody whose access ended may still see what this browser holds. */
const TRUSTED = 10 * 60_000;

/** Contents read whole at the same time; others wait, and those whose page has moved on meanwhile are never asked for. */
const MOST_AT_ONCE = 8;

/** Long contents that stay open, and chunks of each that stay in memory (1.8 MB each). */
const MOST_PLAYING = 3;
const CHUNKS_KEPT = 8;

/** A picture that does not come soon is better shown as missing, with a way to try again. */
const RETRY = { firstPause: 200, longestPause: 2_000, giveUpAfter: 10_000 };

/** Nobody is signed in, or another person than the address names. */
export class SignedOutError extends Error {
  override name = 'SignedOutError';
}

/** What an error means for who looks at a picture. */
export function problemOf(error: unknown): MediaProblem {
  if (error instanceof SignedOutError) return 'signed-out';
  if (error instanceof ContentMismatchError) return 'mismatch';
  if (error instanceof NotAuthenticError) return 'forged';
  if (error instanceof NotFoundError) return 'missing';
  if (error instanceof UnauthorizedError) return 'denied';
  if (error instanceof ExternalContentError) return 'elsewhere';
  return error instanceof ConnectionError ? 'offline' : 'other';
}

/** All that is read for one person. */
class Shelf {
  readonly principal: string;
  /** Tells this session from the next one of the same person. */
  readonly token: string;
  readonly verified: VerifiedContents;
  readonly #ended = new AbortController();
  readonly #connection: Promise<Connection>;
  readonly #limit = new Limit(MOST_AT_ONCE);
  readonly #memories = new Map<string, Promise<AssetContent[]>>();
  readonly #playing = new Map<string, { reader: RangeReader; witness: Witness }>();

  constructor(session: StoredSession) {
    this.principal = session.principal;
    this.token = tokenOf(session);
    this.verified = new VerifiedContents(session.principal);
    const { canisterId, host, rootKey } = session.vault;
    this.#connection = identityFrom(session).then((identity) =>
      openConnection({ canisterId, host, rootKey, identity, retry: RETRY }),
    );
    this.#connection.catch(() => {});
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  end(): void {
    this.#ended.abort();
  }

  async open(memoryId: string, selector: MediaSelector, signal: AbortSignal): Promise<Servable> {
    const known = await this.#known(memoryId);
    const facts = known.assets.find((asset) =>
      typeof selector === 'string' ? asset.kind === selector : asset.id === selector.id,
    );
    if (!facts) {
      throw new NotFoundError('memories_read', `memory ${memoryId} has no such asset`);
    }
    const { name, type, size, sha256 } = facts;
    if (size > (/^(?:video|audio)\//.test(type) ? WHOLE_PLAYED : WHOLE)) {
      const { reader } = await this.#play(memoryId, facts);
      return { name, type, size, sha256, slices: (start, end, stop) => reader.slices(start, end, stop) };
    }
    const bytes = await this.#whole(memoryId, facts, signal);
    return {
      name,
      type,
      size: bytes.length,
      sha256: sha256 ?? (await hexDigest(bytes)),
      async *slices(start, end) {
        if (start < end) {
          yield bytes.subarray(start, end);
        }
      },
    };
  }

  /** What is known of a memory: asked of the vault now and then, and taken from the last time where the vault cannot be reached. */
  async #known(memoryId: string): Promise<KnownMemory> {
    const known = await this.verified.memory(memoryId);
    if (known && Date.now() - known.at < TRUSTED && Date.now() >= known.at) {
      return known;
    }
    try {
      const assets = (await this.#assets(memoryId)).map(factsOf);
      const learnt = { at: Date.now(), assets };
      await this.verified.learn(memoryId, learnt);
      return learnt;
    } catch (error) {
      if (error instanceof NotFoundError || error instanceof UnauthorizedError) {
        await this.verified.forget(memoryId);
      } else if (known && error instanceof ConnectionError && !(error instanceof NotAuthenticError)) {
        return known;
      }
      throw error;
    }
  }

  async #whole(memoryId: string, facts: AssetFacts, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const { sha256, size } = facts;
    const kept = sha256 === undefined ? undefined : await this.verified.content(sha256, size);
    if (kept) {
      return kept;
    }
    return this.#limit.run(async () => {
      const asset = await this.#asset(memoryId, facts);
      const bytes = await asset.bytes({ signal });
      if (sha256 !== undefined) {
        await this.verified.keep(sha256, bytes);
      }
      return bytes;
    }, signal);
  }

  async #play(memoryId: string, facts: AssetFacts): Promise<{ reader: RangeReader }> {
    const key = `${memoryId}/${facts.id}`;
    let playing = this.#playing.get(key);
    if (!playing) {
      const asset = await this.#asset(memoryId, facts);
      const witness = new Witness(asset.size, asset.sha256 && toHex(asset.sha256));
      const onChunk = (index: number, bytes: Uint8Array) => witness.saw(index, bytes);
      playing = this.#playing.get(key) ?? { reader: asset.open({ keepChunks: CHUNKS_KEPT, onChunk }), witness };
    }
    this.#playing.delete(key);
    this.#playing.set(key, playing);
    for (const oldest of this.#playing.keys()) {
      if (this.#playing.size <= MOST_PLAYING) {
        break;
      }
      this.#playing.delete(oldest);
    }
    return playing;
  }

  async #asset(memoryId: string, facts: AssetFacts): Promise<AssetContent> {
    const asset = (await this.#assets(memoryId)).find(({ id }) => id === facts.id);
    if (!asset) {
      throw new NotFoundError('memories_read', `memory ${memoryId} has no asset ${facts.id}`);
    }
    return asset;
  }

  /** One question a memory at a time, for all that ask meanwhile and for what follows at once. */
  #assets(memoryId: string): Promise<AssetContent[]> {
    let assets = this.#memories.get(memoryId);
    if (!assets) {
      assets = this.#connection.then((connection) => readAssets(connection, memoryId));
      this.#memories.set(memoryId, assets);
      const forget = () => setTimeout(() => this.#memories.delete(memoryId), 2_000);
      assets.then(forget, () => this.#memories.delete(memoryId));
    }
    return assets;
  }
}

/** The shelf of who is signed in. */
export class Library {
  #shelf: Shelf | undefined;

  /** Opens what an address names. Errors: SignedOutError, and all that reading an asset can end with. */
  async open(address: MediaAddress, signal: AbortSignal): Promise<{ content: Servable; signal: AbortSignal }> {
    const shelf = await this.#current();
    if (shelf?.principal !== address.principal) {
      throw new SignedOutError('the address is another person’s');
    }
    const both = AbortSignal.any([signal, shelf.signal]);
    const content = await shelf.open(address.memoryId, address.selector, both);
    if ((await this.#current()) !== shelf) {
      throw new SignedOutError('somebody signed out meanwhile');
    }
    return { content, signal: both };
  }

  /** Somebody signed in or out: ends what is under way for others, and forgets what was kept for them. */
  async follow(): Promise<void> {
    await this.#current();
  }

  /** Ends what is under way and forgets everything. */
  async forget(): Promise<void> {
    this.#shelf?.end();
    this.#shelf = undefined;
    await forgetContents();
  }

  async #current(): Promise<Shelf | undefined> {
    // Read each time: a worker that slept through a sign-out must not answer for who went.
    const session = await readSession();
    if (session && this.#shelf?.token === tokenOf(session)) {
      return this.#shelf;
    }
    const previous = this.#shelf;
    previous?.end();
    this.#shelf = session && new Shelf(session);
    if (previous?.principal !== session?.principal || !previous) {
      await forgetContents(session?.principal);
    }
    return this.#shelf;
  }
}

function tokenOf({ principal, delegation, vault }: StoredSession): string {
  return JSON.stringify([principal, delegation ?? '', vault.canisterId, vault.host, toHex(vault.rootKey)]);
}

function factsOf({ id, kind, name, type, size, sha256 }: AssetContent): AssetFacts {
  return { id, kind, name, type, size, sha256: sha256 && toHex(sha256) };
}
