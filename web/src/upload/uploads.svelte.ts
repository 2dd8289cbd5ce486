/**
 * Uploads of who is signed in, for every tab of the browser: a queue that outlives the page, worked on by whichever tab has the files.
 *
 * - A file is worked on by one tab at a time (a Web Lock of its name); the others show how far it is.
 * - What is still to do is noted before anything is sent. After a reload, files go on from what the browser kept; others are asked for again, and
 *   known again by name, size and time. Chunks that arrived are not sent again: the SDK asks the vault which ones those are.
 * - Without a connection nothing fails: everything waits. Without room the rest waits too, because it would fail for the same reason.
 *
 * @module
 */

import type { Keepsake, ProcessingResult } from '@keepsake/sdk';
import { untrack } from 'svelte';

import { session } from '../session/session.svelte.ts';
import { vault } from '../vault/vault.svelte.ts';
import type { Found, FoundFile } from './files.ts';
import { Item } from './item.svelte.ts';
import { Rate } from './rate.ts';
import { QueueStore, type QueuedFile } from './store.ts';
import { fullness, OFFLINE, problemOf, type Obstacle } from './words.ts';

/** Files worked on at the same time; the SDK bounds what is on its way. */
const AT_ONCE = 6;

/** Milliseconds between two looks at whether the vault answers again. */
const LOOK_AGAIN = 10_000;

/** Milliseconds between updates of what is shown, and between news to other tabs and views. */
const SHOW = 200;
const TELL = 1_000;

/** Rows that are shown; thousands would make the page slow. */
const ROWS = 100;

/** All uploads together. */
export interface Summary {
  files: number;
  done: number;
  alreadyThere: number;
  failed: number;
  /** Files that need the person: to be chosen or allowed again. */
  asking: number;
  waiting: number;
  running: number;
  bytes: number;
  sentBytes: number;
  bytesPerSecond: number;
  remainingSeconds: number | undefined;
}

const NOTHING: Summary = {
  files: 0,
  done: 0,
  alreadyThere: 0,
  failed: 0,
  asking: 0,
  waiting: 0,
  running: 0,
  bytes: 0,
  sentBytes: 0,
  bytesPerSecond: 0,
  remainingSeconds: undefined,
};

type News =
  | { principal: string; kind: 'changed'; ids: string[] }
  | { principal: string; kind: 'progress'; id: string; sent: number }
  | { principal: string; kind: 'paused'; paused: boolean };

class Uploads {
  summary = $state.raw<Summary>(NOTHING);
  /** The first rows: what needs the person, what runs, what failed, what waits, what is done. */
  rows = $state.raw<Item[]>([]);
  /** Rows that are not among them. */
  more = $state(0);
  /** The person stopped everything. */
  paused = $state(false);
  obstacle = $state.raw<Obstacle>();
  /** What the last files handed over left out. */
  leftOut = $state(0);
  unreadable = $state.raw<string[]>([]);
  /** Whether the list is unfolded. */
  unfolded = $state(true);

  #principal: string | undefined;
  #store: QueueStore | undefined;
  #items = new Map<string, Item>();
  /** Files that this tab can read now. */
  #files = new Map<string, File>();
  #running = new Set<Item>();
  #rate = new Rate();
  #order = 0;
  #showing: ReturnType<typeof setTimeout> | undefined;
  #looking: ReturnType<typeof setTimeout> | undefined;
  #telling: ReturnType<typeof setTimeout> | undefined;
  #news = new Map<string, { added: Set<string>; changed: Set<string> }>();
  #channel = new BroadcastChannel('keepsake-uploads');

  constructor() {
    this.#channel.onmessage = ({ data }: MessageEvent<News>) => {
      if (data.principal === this.#principal) {
        void this.#hear(data);
      }
    };
    $effect.root(() => {
      $effect(() => {
        void session.principal;
        untrack(() => void this.#follow());
      });
      // What waited for the vault goes on when it is open.
      $effect(() => {
        if (vault.state === 'open') {
          untrack(() => this.tryAgain());
        }
      });
    });
    addEventListener('online', () => this.tryAgain());
    addEventListener('beforeunload', (event) => {
      if (this.#running.size > 0 && !this.paused) {
        event.preventDefault();
      }
    });
  }

  /** Follows who is signed in, and goes on with what they left. */
  async #follow(): Promise<void> {
    const principal = session.principal;
    if (principal === this.#principal) {
      return;
    }
    this.#stop();
    this.#principal = principal;
    if (principal === undefined) {
      return;
    }
    const store = new QueueStore(principal);
    this.#store = store;
    this.paused = readFlag(principal);
    // A browser that keeps nothing still uploads; it only cannot go on after a reload.
    const left = await store.list().catch(() => []);
    if (this.#principal !== principal) {
      return;
    }
    for (const facts of left) {
      this.#adopt(facts);
    }
    this.unfolded = true;
    await this.#findSources();
    this.#pump();
    this.#show();
  }

  /** Takes files that were handed over, for a capsule. The same file again is the same entry: it goes on, or is tried again. */
  async add(found: Found, capsuleId: string): Promise<void> {
    const store = this.#store;
    if (!store) {
      return;
    }
    this.leftOut = found.leftOut;
    this.unreadable = found.unreadable;
    this.unfolded = true;
    const added: { item: Item; from: FoundFile }[] = [];
    for (const from of found.files) {
      const item = this.#known(from, capsuleId) ?? this.#adopt(this.#describe(from, capsuleId));
      if (item.state === 'running' || item.state === 'elsewhere') {
        continue;
      }
      this.#files.set(item.id, from.file);
      item.facts.problem = undefined;
      item.facts.paused = false;
      item.held = false;
      item.problem = undefined;
      item.fate = undefined;
      item.state = 'waiting';
      added.push({ item, from });
    }
    this.#show();
    await store.put(added.map(({ item }) => item.facts)).catch(() => {});
    this.#tell(added.map(({ item }) => item.id));
    this.#pump();
    // Copies take a while, and those that are done before need none.
    for (const { item, from } of added) {
      if (this.#files.has(item.id)) {
        await store.keepSource(item.id, from.file, from.handle).catch(() => false);
        if (!this.#files.has(item.id)) {
          await store.remove([item.id]).catch(() => {});
        }
      }
    }
  }

  /** Stops everything; chunks on their way arrive. */
  pauseAll(): void {
    this.#setPaused(true, true);
  }

  resumeAll(): void {
    this.obstacle = undefined;
    this.#setPaused(false, true);
  }

  /** Goes on after an obstacle. */
  tryAgain(): void {
    clearTimeout(this.#looking);
    this.obstacle = undefined;
    this.#pump();
    this.#show();
  }

  pause(item: Item): void {
    item.facts.paused = true;
    item.held = true;
    item.pause?.pause();
    if (item.state === 'waiting') {
      item.state = 'paused';
    }
    this.#note(item);
  }

  resume(item: Item): void {
    item.facts.paused = false;
    item.held = false;
    if (!this.paused) {
      item.pause?.resume();
    }
    if (item.state === 'paused') {
      item.state = 'waiting';
    }
    this.#note(item);
    this.#pump();
  }

  /** Tries one again that failed. */
  retry(item: Item): void {
    item.facts.problem = undefined;
    item.problem = undefined;
    item.state = 'waiting';
    this.#note(item);
    void this.#findSources().then(() => this.#pump());
  }

  retryFailed(): void {
    for (const item of this.#items.values()) {
      if (item.state === 'failed') {
        this.retry(item);
      }
    }
  }

  /** Takes files off the list. What the vault received of them is freed; memories that exist already stay. */
  async cancel(items: readonly Item[]): Promise<void> {
    for (const item of items) {
      item.cancel?.abort();
      this.#drop(item);
    }
    await this.#store?.remove(items.map(({ id }) => id)).catch(() => {});
    this.#tell(items.map(({ id }) => id));
    this.#show();
    this.#pump();
  }

  cancelAll(): Promise<void> {
    this.obstacle = undefined;
    return this.cancel([...this.#items.values()].filter(({ state }) => state !== 'done'));
  }

  /** Forgets what is done. */
  clear(): void {
    for (const item of this.#items.values()) {
      if (item.state === 'done') {
        this.#drop(item);
      }
    }
    this.leftOut = 0;
    this.unreadable = [];
    this.#show();
  }

  /** Asks the browser for the files that it wants to be asked for; to be called while the person presses something. */
  async allow(): Promise<void> {
    for (const item of this.#items.values()) {
      if (item.state === 'needs-permission') {
        const kept = await this.#store?.source(item.id).catch(() => undefined);
        const granted = kept && !(kept instanceof File) && (await kept.requestPermission?.({ mode: 'read' })) === 'granted';
        item.state = granted ? 'waiting' : 'needs-permission';
        if (!granted) {
          break;
        }
      }
    }
    this.#pump();
    this.#show();
  }

  #stop(): void {
    for (const item of this.#items.values()) {
      item.cancel?.abort();
    }
    clearTimeout(this.#looking);
    this.#principal = undefined;
    this.#store = undefined;
    this.#items.clear();
    this.#files.clear();
    this.#running.clear();
    this.#news.clear();
    this.#rate.rest();
    this.obstacle = undefined;
    this.paused = false;
    this.#show();
  }

  #adopt(facts: QueuedFile): Item {
    const item = new Item(facts);
    this.#order = Math.max(this.#order, facts.order + 1);
    this.#items.set(facts.id, item);
    return item;
  }

  #describe({ file, path }: FoundFile, capsuleId: string): QueuedFile {
    const { name, size, type, lastModified } = file;
    const id = JSON.stringify([capsuleId, path, size, lastModified]);
    this.#order += 1;
    return { id, capsuleId, name, path, size, type, lastModified, order: this.#order, begun: false, paused: false };
  }

  /** The entry of a file that is handed over again; also where it is chosen alone that came within a folder before. */
  #known(from: FoundFile, capsuleId: string): Item | undefined {
    const exact = this.#items.get(this.#describe(from, capsuleId).id);
    if (exact) {
      return exact;
    }
    const { name, size, lastModified } = from.file;
    return [...this.#items.values()].find(
      ({ state, facts }) =>
        (state === 'needs-file' || state === 'needs-permission') &&
        facts.name === name &&
        facts.size === size &&
        facts.lastModified === lastModified,
    );
  }

  #drop(item: Item): void {
    this.#items.delete(item.id);
    this.#files.delete(item.id);
    this.#running.delete(item);
  }

  #note(item: Item): void {
    this.#show();
    void this.#store
      ?.put([item.facts])
      .catch(() => {})
      .then(() => this.#tell([item.id]));
  }

  /** Finds out which of the waiting files can be read here. */
  async #findSources(): Promise<void> {
    for (const item of this.#items.values()) {
      if (this.#files.has(item.id) || !['waiting', 'needs-file'].includes(item.state)) {
        continue;
      }
      const kept = await this.#store?.source(item.id).catch(() => undefined);
      if (!kept) {
        item.state = 'needs-file';
      } else if (!(kept instanceof File) && (await kept.queryPermission?.({ mode: 'read' })) === 'prompt') {
        item.state = 'needs-permission';
      } else {
        item.state = 'waiting';
      }
    }
  }

  async #fileOf(item: Item): Promise<File | undefined> {
    const here = this.#files.get(item.id);
    if (here) {
      return here;
    }
    const kept = await this.#store?.source(item.id).catch(() => undefined);
    return kept instanceof File ? kept : kept?.getFile();
  }

  /** Begins as many of the waiting files as may run. */
  #pump(): void {
    if (this.paused || this.obstacle || vault.state !== 'open') {
      return;
    }
    for (const item of this.#items.values()) {
      if (this.#running.size >= AT_ONCE) {
        break;
      }
      if (item.state === 'waiting') {
        this.#begin(item);
      }
    }
    this.#show();
  }

  #begin(item: Item): void {
    const principal = this.#principal;
    this.#running.add(item);
    item.state = 'running';
    item.phase = 'uploading';
    this.#rate.begin();
    const ended = () => {
      if (this.#principal === principal) {
        this.#running.delete(item);
        if (this.#running.size === 0) {
          this.#rate.rest();
        }
        this.#pump();
        this.#show();
      }
    };
    void this.#alone(item, () => this.#run(item)).then(ended, ended);
  }

  /** Runs work on a file unless another tab is at it; then waits until that has ended. */
  async #alone(item: Item, work: () => Promise<void>): Promise<void> {
    // Pages over plain HTTP have no locks, and no other tab to lock out that could share their queue safely: the vault makes one of both.
    if (!('locks' in navigator)) {
      await work();
      return;
    }
    const name = `keepsake-upload:${this.#principal}:${item.id}`;
    const worked = await navigator.locks.request(name, { ifAvailable: true }, async (lock) => {
      if (lock) {
        await work();
      }
      return lock !== null;
    });
    if (!worked) {
      item.state = 'elsewhere';
      void navigator.locks.request(name, async () => {}).then(() => this.#reread([item.id]));
    }
  }

  async #run(item: Item): Promise<void> {
    const store = this.#store;
    const { keepsake } = vault;
    const { facts } = item;
    const controller = new AbortController();
    item.cancel = controller;
    try {
      // Another tab may have ended it since this one looked.
      const noted = await store?.find(item.id).catch(() => facts);
      if (!noted && !this.#files.has(item.id)) {
        this.#drop(item);
        return;
      }
      const file = await this.#fileOf(item);
      if (!file) {
        item.state = 'needs-file';
        return;
      }
      if (file.size !== facts.size || file.lastModified !== facts.lastModified) {
        const changed = new Error('the file changed');
        changed.name = 'FileChangedError';
        throw changed;
      }
      const result = await this.#upload(keepsake, item, file, controller.signal);
      await store?.remove([item.id]).catch(() => {});
      this.#files.delete(item.id);
      item.memoryId = result.memoryId;
      item.fate = wasThere(result, facts.begun) ? 'already there' : 'added';
      item.note = noteOn(result);
      item.sent = facts.size;
      item.state = 'done';
      this.#announce(facts.capsuleId, 'changed', result.memoryId);
      this.#tell([item.id]);
    } catch (error) {
      await this.#fail(item, keepsake, error, controller.signal);
    } finally {
      item.cancel = undefined;
      item.pause = undefined;
    }
  }

  async #upload(keepsake: Keepsake, item: Item, file: File, signal: AbortSignal): Promise<ProcessingResult> {
    const { Pause } = await import('@keepsake/sdk');
    const { facts } = item;
    const pause = new Pause();
    item.pause = pause;
    if (this.paused || facts.paused) {
      pause.pause();
    }
    let before: number | undefined;
    const result = await keepsake.uploadWithProcessing(file, {
      capsuleId: facts.capsuleId,
      name: facts.name,
      lastModified: facts.lastModified,
      signal,
      pause,
      // Reading a file twice costs less than sending it for nothing.
      skipHeld: 'always',
      onProgress: ({ phase, sentBytes }) => {
        item.phase = phase;
        if (phase === 'uploading') {
          // The first report after a resumption counts what was there before, too.
          if (before !== undefined && sentBytes > before) {
            this.#rate.add(sentBytes - before);
            this.#channel.postMessage({ principal: this.#principal ?? '', kind: 'progress', id: item.id, sent: sentBytes } satisfies News);
          }
          before = sentBytes;
          if (sentBytes > 0 && !facts.begun) {
            facts.begun = true;
            void this.#store?.put([facts]).catch(() => {});
          }
        }
        item.sent = sentBytes;
        this.#show();
      },
      onMemory: (memoryId) => {
        item.memoryId = memoryId;
        this.#announce(facts.capsuleId, 'added', memoryId);
      },
    });
    return result;
  }

  async #fail(item: Item, keepsake: Keepsake, error: unknown, signal: AbortSignal): Promise<void> {
    const name = error instanceof Error ? error.name : '';
    if (signal.aborted || !this.#items.has(item.id)) {
      return;
    }
    if (name === 'UnreachableError' || name === 'BusyError') {
      item.state = 'waiting';
      this.#hinder(OFFLINE);
    } else if (name === 'BudgetExceededError') {
      item.state = 'waiting';
      this.#hinder(await fullness(keepsake, item.facts.capsuleId));
    } else {
      item.problem = problemOf(error);
      item.facts.problem = item.problem;
      item.state = 'failed';
      if (name === 'FileChangedError') {
        this.#files.delete(item.id);
      }
      this.#note(item);
    }
  }

  #hinder(obstacle: Obstacle): void {
    this.obstacle = obstacle;
    this.unfolded = true;
    clearTimeout(this.#looking);
    if (obstacle.kind === 'offline') {
      this.#looking = setTimeout(() => this.tryAgain(), LOOK_AGAIN);
    }
  }

  #setPaused(paused: boolean, tell: boolean): void {
    this.paused = paused;
    for (const item of this.#running) {
      if (paused) {
        item.pause?.pause();
      } else if (!item.facts.paused) {
        item.pause?.resume();
      }
    }
    if (paused) {
      this.#rate.rest();
    } else if (this.#running.size > 0) {
      this.#rate.begin();
    }
    const principal = this.#principal;
    if (tell && principal !== undefined) {
      writeFlag(principal, paused);
      this.#channel.postMessage({ principal, kind: 'paused', paused } satisfies News);
    }
    this.#pump();
    this.#show();
  }

  async #hear(news: News): Promise<void> {
    if (news.kind === 'paused') {
      this.#setPaused(news.paused, false);
    } else if (news.kind === 'progress') {
      const item = this.#items.get(news.id);
      if (item?.state === 'elsewhere') {
        item.sent = news.sent;
        this.#show();
      }
    } else {
      await this.#reread(news.ids);
    }
  }

  /** Takes over what other tabs changed. */
  async #reread(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const store = this.#store;
      const facts = await store?.find(id).catch(() => undefined);
      const item = this.#items.get(id);
      if (store !== this.#store || item?.state === 'running' || item?.state === 'done') {
        continue;
      }
      if (!facts) {
        if (item) {
          this.#drop(item);
        }
      } else if (!item) {
        // It has the file; this tab only shows it, and takes over where that one closes.
        this.#adopt(facts).state = facts.problem ? 'failed' : facts.paused ? 'paused' : 'waiting';
      } else {
        Object.assign(item.facts, facts);
        item.held = facts.paused;
        item.problem = facts.problem;
        item.state = facts.problem ? 'failed' : facts.paused ? 'paused' : 'waiting';
      }
    }
    this.#pump();
    this.#show();
  }

  #tell(ids: string[]): void {
    if (ids.length > 0 && this.#principal !== undefined) {
      this.#channel.postMessage({ principal: this.#principal, kind: 'changed', ids } satisfies News);
    }
  }

  /** Tells the views of new memories, many at a time. */
  #announce(capsuleId: string, kind: 'added' | 'changed', memoryId: string): void {
    const news = this.#news.get(capsuleId) ?? { added: new Set(), changed: new Set() };
    this.#news.set(capsuleId, news);
    news[kind].add(memoryId);
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      for (const [capsule, { added, changed }] of this.#news) {
        if (added.size > 0) {
          vault.announce({ capsuleId: capsule, kind: 'added', memoryIds: [...added] });
        }
        const only = [...changed].filter((id) => !added.has(id));
        if (only.length > 0) {
          vault.announce({ capsuleId: capsule, kind: 'changed', memoryIds: only });
        }
      }
      this.#news.clear();
    }, TELL);
  }

  /** Brings what is shown up to date, a few times a second at the most. */
  #show(): void {
    this.#showing ??= setTimeout(() => {
      this.#showing = undefined;
      const summary = { ...NOTHING };
      for (const item of this.#items.values()) {
        summary.files += 1;
        if (item.state !== 'failed') {
          summary.bytes += item.facts.size;
          summary.sentBytes += item.state === 'done' ? item.facts.size : Math.min(item.sent, item.facts.size);
        }
        summary.done += Number(item.state === 'done');
        summary.alreadyThere += Number(item.fate === 'already there');
        summary.failed += Number(item.state === 'failed');
        summary.asking += Number(item.state === 'needs-file' || item.state === 'needs-permission');
        summary.waiting += Number(item.state === 'waiting' || item.state === 'paused');
        summary.running += Number(item.state === 'running' || item.state === 'elsewhere');
      }
      summary.bytesPerSecond = this.#rate.perSecond();
      const left = summary.bytes - summary.sentBytes;
      summary.remainingSeconds = summary.bytesPerSecond > 0 && left > 0 ? left / summary.bytesPerSecond : undefined;
      this.summary = summary;
      const sorted = [...this.#items.values()].sort((a, b) => URGENCY[a.state] - URGENCY[b.state] || a.facts.order - b.facts.order);
      this.rows = sorted.slice(0, ROWS);
      this.more = sorted.length - this.rows.length;
    }, SHOW);
  }
}

const URGENCY: Readonly<Record<Item['state'], number>> = {
  'needs-permission': 0,
  'needs-file': 0,
  failed: 1,
  running: 2,
  elsewhere: 2,
  paused: 3,
  waiting: 3,
  done: 4,
};

/** Whether the file was in the vault before this upload of it began. */
function wasThere({ blob, derivatives }: ProcessingResult, begun: boolean): boolean {
  return blob.held && !begun && derivatives.every(({ status }) => status === 'present');
}

function noteOn({ derivatives }: ProcessingResult): string | undefined {
  return derivatives.some(({ status }) => status === 'failed')
    ? 'Kept, but no preview could be made: the picture may be damaged'
    : undefined;
}

const PAUSED = 'keepsake-uploads-paused:';

function readFlag(principal: string): boolean {
  try {
    return localStorage.getItem(PAUSED + principal) !== null;
  } catch {
    return false;
  }
}

function writeFlag(principal: string, paused: boolean): void {
  try {
    if (paused) {
      localStorage.setItem(PAUSED + principal, '');
    } else {
      localStorage.removeItem(PAUSED + principal);
    }
  } catch {
    // Then a reload goes on.
  }
}

export const uploads = new Uploads();
