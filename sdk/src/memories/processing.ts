/**
 * Two lanes, four assets. Lane A uploads the original and creates the memory at once; lane B makes display, thumbnail and placeholder at the same
 * time, and each is added when it and the memory are there. What is ready within a second travels together. A derivative that
 * fails is tried again alone and reported; the memory stays.
 *
 * Uploading the same file again converges on the same memory: its key is its content's hash, and only derivatives that are missing are made.
 *
 * @module
 */

import type { InlineAssetInput, InternalBlobAssetInput } from '../bindings/vault.did.js';
import { EXIF_HEAD, captureFacts, fileTime, type CaptureFacts } from '../capture.js';
import { said, type Keepsake, type UploadOptions } from '../client.js';
import type { Content, Source } from '../content/content.js';
import { DERIVATIVE_KINDS, type Derivative, type DerivativeKind } from '../derivatives/rules.js';
import { BudgetExceededError, InvalidArgumentError, isTransient, throwIfAborted } from '../errors.js';
import { MEDIA_HEAD, identify, type Media } from '../media.js';
import type { StoredBlob } from '../upload/engine.js';
import { Pause } from '../upload/pause.js';
import type { MemoryWords } from '../upload/queue.js';
import { platform } from '#platform';
import { createMemoryFromBlob } from './helpers.js';
import { assetKind, assetMetadata, metadataBase, type MemoryDescription } from './metadata.js';

/** How a file becomes a memory. The title is the file's name by default. */
export interface ProcessingOptions extends UploadOptions, MemoryWords {
  /** Told once the original is kept and the memory exists. */
  onMemory?: (memoryId: string) => void;
  /** Told of each derivative's fate. */
  onDerivative?: (outcome: DerivativeOutcome) => void;
}

/** What became of one derivative. */
export type DerivativeOutcome =
  /** It is new, or was there from an earlier run. */
  | { kind: DerivativeKind; status: 'added' | 'present'; assetId: string }
  | { kind: DerivativeKind; status: 'failed'; error: Error };

/** A file that is kept. */
export interface ProcessingResult {
  memoryId: string;
  capsuleId: string;
  /** The original. */
  blob: StoredBlob;
  media: Media;
  /** What the picture says of itself; undefined for what is no picture. */
  capture: CaptureFacts | undefined;
  /** One entry for each derivative; empty for what is no photo, or cannot be decoded here. */
  derivatives: DerivativeOutcome[];
}

/** How often a derivative is made, at the most. */
const ATTEMPTS = 2;

/**
 * Milliseconds for which a derivative that is ready waits for the others, to travel in one message with them: a message costs as much as
 * 600 bytes of it, and on the Internet Computer takes longer than this anyway.
 */
const GATHER = 1_000;

export async function processUpload(
  keepsake: Keepsake,
  source: Source,
  options: ProcessingOptions,
): Promise<ProcessingResult> {
  const { name, type, lastModified } = options;
  const content = await platform.openContent(source, said({ name, type, lastModified }));
  const capsuleId = options.capsuleId ?? (await keepsake.ownCapsule());
  const processing = new Processing(keepsake, content, capsuleId, options);
  if (content.persistent === undefined) {
    return processing.run();
  }
  // Noted from the first byte to the last derivative: whatever is interrupted between them goes on.
  const { notes } = keepsake.engine;
  const key = await keepsake.engine.keyOf(content, capsuleId);
  const { title, description, tags, people } = options;
  if (!(await notes.find(key))?.withMemory) {
    await notes.put({
      key,
      capsuleId,
      session: undefined,
      name: content.name,
      size: content.size,
      type: content.type,
      lastModified: content.lastModified,
      source: content.persistent,
      withMemory: true,
      about: { title, description, tags, people },
      queuedAt: Date.now(),
    });
  }
  try {
    const result = await processing.run();
    await notes.remove(key);
    return result;
  } catch (error) {
    if (!isTransient(error)) {
      await notes.remove(key);
    }
    throw error;
  }
}

type Ready = { kind: DerivativeKind; derivative: Derivative } | { kind: DerivativeKind; error: Error };

class Processing {
  readonly #keepsake: Keepsake;
  readonly #content: Content;
  readonly #capsuleId: string;
  readonly #options: ProcessingOptions;

  constructor(keepsake: Keepsake, content: Content, capsuleId: string, options: ProcessingOptions) {
    this.#keepsake = keepsake;
    this.#content = content;
    this.#capsuleId = capsuleId;
    this.#options = options;
  }

  async run(): Promise<ProcessingResult> {
    const content = this.#content;
    throwIfAborted(this.#options.signal);
    const head = await content.slice(0, EXIF_HEAD);
    const media = identify(head.subarray(0, MEDIA_HEAD), content.name, content.type);
    const capture = media.kind === 'Image' ? captureFacts(head, content) : undefined;
    const decodable = media.kind === 'Image' && (await platform.derivatives.decodes(media.type));

    // Lane B begins before lane A has sent a byte. Its failures are outcomes, never exceptions.
    const lane = decodable ? new DerivativeLane(content, DERIVATIVE_KINDS) : undefined;
    const { blob, memoryId } = await this.#original(media, capture);
    this.#options.onMemory?.(memoryId);
    const derivatives = lane ? await this.#addAll(lane, memoryId, blob.held) : [];
    return { memoryId, capsuleId: this.#capsuleId, blob, media, capture, derivatives };
  }

  /** Lane A. */
  async #original(media: Media, capture: CaptureFacts | undefined): Promise<{ blob: StoredBlob; memoryId: string }> {
    const { signal, onProgress, skipHeld, pause = new Pause() } = this.#options;
    const transfer = { capsuleId: this.#capsuleId, signal, onProgress, skipHeld, withMemory: true };
    const blob = await this.#keepsake.uploadContent(this.#content, transfer, pause);
    throwIfAborted(signal);
    try {
      return { blob, memoryId: await this.#create(blob, media, capture) };
    } catch (error) {
      // A blob that was held may have been deleted since: then it is sent after all.
      const gone = error instanceof InvalidArgumentError && error.argument === 'blob_mismatch' && blob.held;
      if (!gone) {
        throw error;
      }
      const sent = await this.#keepsake.uploadContent(this.#content, { ...transfer, skipHeld: 'never' }, pause);
      return { blob: sent, memoryId: await this.#create(sent, media, capture) };
    }
  }

  #create(blob: StoredBlob, media: Media, capture: CaptureFacts | undefined): Promise<string> {
    const { name, lastModified } = this.#content;
    const { title, description, tags, people } = this.#options;
    const time = capture ? capture.time : fileTime(name, lastModified);
    const about: MemoryDescription = {
      title: title ?? name,
      description,
      type: media.type,
      media: media.kind,
      date: time?.nanos,
      fileDate: lastModified === undefined ? undefined : BigInt(Math.max(0, Math.trunc(lastModified))) * 1_000_000n,
      tags,
      people,
    };
    const camera = capture?.camera;
    return createMemoryFromBlob(this.#keepsake, this.#capsuleId, blob, {
      ...about,
      name,
      original: {
        name,
        tags: time ? [`capture-time:${time.source}`] : [],
        width: capture?.dimensions?.width,
        height: capture?.dimensions?.height,
        orientation: capture?.orientation,
        exif: camera && JSON.stringify(camera),
      },
    });
  }

  /** Adds derivatives as they become ready; all that are ready at a moment in one call. */
  async #addAll(lane: DerivativeLane, memoryId: string, mayBeThere: boolean): Promise<DerivativeOutcome[]> {
    const outcomes = new Map<DerivativeKind, DerivativeOutcome>();
    const settle = (outcome: DerivativeOutcome) => {
      outcomes.set(outcome.kind, outcome);
      this.#options.onDerivative?.(outcome);
    };
    for (const [kind, assetId] of mayBeThere ? await this.#present(memoryId) : []) {
      settle({ kind, status: 'present', assetId });
    }
    for (let left = lane.kinds.length; left > 0; ) {
      const ready = await lane.take();
      left -= ready.length;
      throwIfAborted(this.#options.signal);
      const wanted = ready.filter(({ kind }) => !outcomes.has(kind));
      for (const outcome of await this.#add(memoryId, wanted)) {
        settle(outcome);
      }
    }
    return DERIVATIVE_KINDS.flatMap((kind) => outcomes.get(kind) ?? []);
  }

  /** Derivatives that the memory has from an earlier run. */
  async #present(memoryId: string): Promise<[DerivativeKind, string][]> {
    const memory = await this.#keepsake.calls.memories_read(memoryId);
    return [...memory.inline_assets, ...memory.blob_internal_assets].flatMap(({ metadata, asset_id: id }) => {
      const kind = assetKind(metadataBase(metadata).asset_type);
      return (DERIVATIVE_KINDS as readonly string[]).includes(kind) ? [[kind as DerivativeKind, id]] : [];
    });
  }

  async #add(memoryId: string, ready: readonly Ready[]): Promise<DerivativeOutcome[]> {
    const made = ready.flatMap((one) => ('derivative' in one ? [one.derivative] : []));
    const outcomes: DerivativeOutcome[] = ready.flatMap((one) =>
      'error' in one ? [{ kind: one.kind, status: 'failed', error: one.error }] : [],
    );
    if (made.length === 0) {
      return outcomes;
    }
    try {
      return outcomes.concat(await this.#addTogether(memoryId, made));
    } catch (error) {
      throwIfAborted(this.#options.signal);
      if (made.length === 1) {
        return outcomes.concat({ kind: made[0]!.kind, status: 'failed', error: asError(error) });
      }
    }
    // All or none: each is tried again alone, so that one cannot cost the others.
    for (const derivative of made) {
      outcomes.push(...(await this.#add(memoryId, [{ kind: derivative.kind, derivative }])));
    }
    return outcomes;
  }

  /** Placeholders inline while the capsule's inline budget lasts; everything else, and placeholders beyond it, as blobs. */
  async #addTogether(memoryId: string, made: readonly Derivative[]): Promise<DerivativeOutcome[]> {
    const { inline_max: inlineMax } = await this.#keepsake.config();
    const inline = made.filter(
      ({ kind, bytes }) =>
        kind === 'placeholder' && bytes.length <= inlineMax && !inlineSpent.get(this.#keepsake)?.has(this.#capsuleId),
    );
    const blobs = made.filter((derivative) => !inline.includes(derivative));
    const stored = await Promise.all(blobs.map((derivative) => this.#store(derivative)));
    try {
      const ids = await this.#keepsake.calls.memories_add_assets(
        memoryId,
        stored,
        inline.map((derivative): InlineAssetInput => ({ bytes: derivative.bytes, metadata: this.#describe(derivative) })),
        'derivative',
      );
      return [...blobs, ...inline].map(({ kind }, index) => ({ kind, status: 'added', assetId: ids[index] ?? '' }));
    } catch (error) {
      if (!(error instanceof BudgetExceededError) || inline.length === 0) {
        throw error;
      }
      const spent = inlineSpent.get(this.#keepsake) ?? new Set();
      inlineSpent.set(this.#keepsake, spent.add(this.#capsuleId));
      return this.#addTogether(memoryId, made);
    }
  }

  async #store(derivative: Derivative): Promise<InternalBlobAssetInput> {
    const content = await platform.openContent(derivative.bytes, { type: derivative.type });
    const { signal } = this.#options;
    // A derivative of a new photo is hardly ever there: a question would cost more than it saves.
    const blob = await this.#keepsake.uploadContent(content, {
      capsuleId: this.#capsuleId,
      signal,
      skipHeld: 'never',
    });
    return { blob_id: blob.id, metadata: this.#describe(derivative) };
  }

  #describe({ kind, bytes, type, width, height }: Derivative) {
    const stem = this.#content.name.replace(/\.[^.]*$/, '');
    return assetMetadata({
      kind,
      name: `${stem}.${kind}.${type.split('/')[1]}`,
      type,
      media: 'Image',
      size: bytes.length,
      width,
      height,
      // Pixels are stored upright.
      orientation: 1,
    });
  }
}

/** Capsules whose inline budget was found spent, so that not every placeholder asks again. */
const inlineSpent = new WeakMap<Keepsake, Set<string>>();

/** Lane B: makes derivatives at once, and each that fails once more, alone. */
class DerivativeLane {
  readonly kinds: readonly DerivativeKind[];
  readonly #content: Content;
  #ready: Ready[] = [];
  #taken = 0;
  #wake: (() => void) | undefined;

  constructor(content: Content, kinds: readonly DerivativeKind[]) {
    this.#content = content;
    this.kinds = kinds;
    void this.#make(kinds, 1);
  }

  /** All that became ready since the last time; waits for at least one, and a little for the others. */
  async take(): Promise<Ready[]> {
    while (this.#ready.length === 0) {
      await this.#next();
    }
    let over = false;
    const timer = setTimeout(() => {
      over = true;
      this.#awake();
    }, GATHER);
    while (!over && this.#taken + this.#ready.length < this.kinds.length) {
      await this.#next();
    }
    clearTimeout(timer);
    const ready = this.#ready;
    this.#taken += ready.length;
    this.#ready = [];
    return ready;
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #awake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  async #make(kinds: readonly DerivativeKind[], attempt: number): Promise<void> {
    const open = new Set(kinds);
    const failed: { kind: DerivativeKind; error: Error }[] = [];
    const settle = (kind: DerivativeKind, ready: Ready) => {
      open.delete(kind);
      if ('error' in ready) {
        failed.push(ready);
      } else {
        this.#hand(ready);
      }
    };
    try {
      await platform.derivatives.make(this.#content, kinds, (made) =>
        settle(made.kind, 'error' in made ? made : { kind: made.kind, derivative: made }),
      );
    } catch (error) {
      [...open].forEach((kind) => settle(kind, { kind, error: asError(error) }));
    }
    [...open].forEach((kind) => settle(kind, { kind, error: new Error('it was not made') }));
    if (attempt >= ATTEMPTS) {
      failed.forEach((ready) => this.#hand(ready));
      return;
    }
    for (const { kind } of failed) {
      await this.#make([kind], attempt + 1);
    }
  }

  #hand(ready: Ready): void {
    this.#ready.push(ready);
    this.#awake();
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
