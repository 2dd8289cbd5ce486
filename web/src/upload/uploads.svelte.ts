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

import type { Keepsake } from '@keepsake/sdk';
import { untrack } from 'svelte';

import { session } from '../session/session.svelte.ts';
import { vault } from '../vault/vault.svelte.ts';
import { Announcer } from './announcer.ts';
import type { Found, FoundFile } from './files.ts';
import { Item } from './item.svelte.ts';
import { Rate } from './rate.ts';
import { send } from './send.ts';
import { Sources } from './sources.ts';
import { QueueStore, type QueuedFile } from './store.ts';
import { mostUrgent, NOTHING, summarize, type Summary } from './summary.ts';
import { alone, Exchange, free, readPaused, THIS_TAB, writePaused, type News } from './tabs.ts';
import { fullness, OFFLINE, problemOf, type Obstacle } from './words.ts';

/** Files worked on at the same time; the SDK bounds what is on its way. */
const AT_ONCE = 6;

/** Milliseconds between two looks at whether the vault answers again. */
const LOOK_AGAIN = 10_000;

/** Milliseconds between updates of what is shown. */
const SHOW = 200;

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
  #sources: Sources | undefined;
  #running = new Set<Item>();
  #rate = new Rate();
  #order = 0;
  #showing: ReturnType<typeof setTimeout> | undefined;
  #looking: ReturnType<typeof setTimeout> | undefined;
  readonly #announcer = new Announcer();
  readonly #exchange = new Exchange((news) => void this.#hear(news));

  constructor() {
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
    addEventListener('offline', () => {
      if (this.#running.size > 0) {
        this.#hinder(OFFLINE);
      }
    });
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
    this.#exchange.follow(principal);
    if (principal === undefined) {
      return;
    }
    const store = new QueueStore(principal);
    this.#store = store;
    this.#sources = new Sources(store, (tab) => this.#takeOver(tab));
    this.paused = readPaused(principal);
    // A browser that keeps nothing still uploads; it only cannot go on after a reload.
    const left = await store.list().catch(() => []);
    if (this.#principal !== principal) {
      return;
    }
    for (const facts of left) {
      this.#adopt(facts);
    }
    this.unfolded = true;
    await this.#sources.place(this.#items.values());
    this.#pump();
    this.#show();
  }

  /** Takes files that were handed over, for a capsule. The same file again is the same entry: it goes on, or is tried again. */
  async add(found: Found, capsuleId: string): Promise<void> {
    const store = this.#store;
    const sources = this.#sources;
    if (!store || !sources) {
      return;
    }
    this.leftOut = found.leftOut;
    this.unreadable = found.unreadable;
    this.unfolded = true;
    const added: { item: Item; from: FoundFile }[] = [];
    const missed = this.#missed();
    for (const from of found.files) {
      const facts = this.#describe(from, capsuleId);
      const item = this.#items.get(facts.id) ?? missed.get(likeness(facts)) ?? this.#adopt(facts);
      if (item.state === 'running') {
        continue;
      }
      sources.take(item.id, from.file);
      if (item.state === 'elsewhere') {
        // It goes on here should that tab close.
        continue;
      }
      item.facts.tab = THIS_TAB;
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
    this.#exchange.tell({ kind: 'changed', ids: added.map(({ item }) => item.id) });
    this.#pump();
    // Copies take a while, and those that are done before need none.
    for (const { item, from } of added) {
      await sources.keep(item.id, from.file, from.handle);
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
    void this.#sources?.place([item]).then(() => this.#pump());
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
    this.#exchange.tell({ kind: 'changed', ids: items.map(({ id }) => id) });
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
    await this.#sources?.allow(this.#items.values());
    this.#pump();
    this.#show();
  }

  #stop(): void {
    for (const item of this.#items.values()) {
      item.cancel?.abort();
    }
    clearTimeout(this.#looking);
    this.#principal = undefined;
    this.#exchange.follow(undefined);
    this.#store?.close();
    this.#store = undefined;
    this.#sources = undefined;
    this.#items.clear();
    this.#running.clear();
    this.#announcer.forget();
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
    return { id, capsuleId, name, path, size, type, lastModified, order: this.#order, begun: false, paused: false, tab: THIS_TAB };
  }

  /** Entries whose files are asked for, by what they look like: chosen alone, a file that came within a folder has another path. */
  #missed(): Map<string, Item> {
    const asked = [...this.#items.values()].filter(({ state }) => state === 'needs-file' || state === 'needs-permission');
    return new Map(asked.map((item) => [likeness(item.facts), item]));
  }

  #drop(item: Item): void {
    this.#items.delete(item.id);
    this.#sources?.drop(item.id);
    this.#running.delete(item);
  }

  #note(item: Item): void {
    this.#show();
    void this.#store
      ?.put([item.facts])
      .catch(() => {})
      .then(() => this.#exchange.tell({ kind: 'changed', ids: [item.id] }));
  }

  #takeOver(tab: string): void {
    const left = [...this.#items.values()].filter(({ facts, state }) => facts.tab === tab && state !== 'done');
    void this.#reread(left.map(({ id }) => id));
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
    void alone(this.#lockOf(item), () => this.#run(item)).then((ran) => {
      if (!ran) {
        item.state = 'elsewhere';
        void free(this.#lockOf(item)).then(() => this.#reread([item.id]));
      }
      ended();
    }, ended);
  }

  #lockOf(item: Item): string {
    return `${this.#principal}:${item.id}`;
  }

  async #run(item: Item): Promise<void> {
    const store = this.#store;
    const sources = this.#sources;
    const { facts } = item;
    if (vault.state !== 'open') {
      item.state = 'waiting';
      return;
    }
    const { keepsake } = vault;
    const controller = new AbortController();
    item.cancel = controller;
    try {
      // Another tab may have ended it since this one looked.
      const noted = await store?.find(item.id).catch(() => facts);
      if (!noted && !sources?.has(item.id)) {
        this.#drop(item);
        return;
      }
      const file = await sources?.file(item.id);
      if (!file) {
        item.state = 'needs-file';
        return;
      }
      if (file.size !== facts.size || file.lastModified !== facts.lastModified) {
        throw new ChangedError();
      }
      facts.tab = THIS_TAB;
      await store?.put([facts]).catch(() => {});
      await this.#send(keepsake, item, file, controller.signal);
      await store?.remove([item.id]).catch(() => {});
      sources?.drop(item.id);
      item.state = 'done';
      this.#exchange.tell({ kind: 'changed', ids: [item.id] });
    } catch (error) {
      await this.#fail(item, keepsake, error, controller.signal);
    } finally {
      item.cancel = undefined;
      item.pause = undefined;
    }
  }

  async #send(keepsake: Keepsake, item: Item, file: File, signal: AbortSignal): Promise<void> {
    const { facts } = item;
    let begun = facts.begun;
    await send(keepsake, item, file, {
      signal,
      paused: this.paused,
      onArrival: (bytes) => {
        this.#rate.add(bytes);
        this.#exchange.tell({ kind: 'progress', id: item.id, sent: item.sent });
        if (this.obstacle?.kind === 'offline' && navigator.onLine) {
          this.tryAgain();
        }
      },
      onChange: () => {
        if (facts.begun && !begun && !signal.aborted) {
          begun = true;
          void this.#store?.put([facts]).catch(() => {});
        }
        this.#show();
      },
      onMemory: (memoryId) => {
        if (!signal.aborted) {
          this.#announcer.announce(facts.capsuleId, 'added', memoryId);
        }
      },
    });
    if (item.memoryId !== undefined && !signal.aborted) {
      this.#announcer.announce(facts.capsuleId, 'changed', item.memoryId);
    }
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
        this.#sources?.drop(item.id);
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
      writePaused(principal, paused);
      this.#exchange.tell({ kind: 'paused', paused });
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
    const store = this.#store;
    const changed: Item[] = [];
    for (const id of ids) {
      const facts = await store?.find(id).catch(() => undefined);
      const known = this.#items.get(id);
      if (store !== this.#store || known?.state === 'running' || known?.state === 'done') {
        continue;
      }
      if (!facts) {
        if (known) {
          this.#drop(known);
        }
        continue;
      }
      const item = known ?? this.#adopt(facts);
      Object.assign(item.facts, { problem: undefined }, facts);
      item.held = facts.paused;
      item.problem = facts.problem;
      item.state = facts.problem ? 'failed' : facts.paused ? 'paused' : 'waiting';
      changed.push(item);
    }
    await this.#sources?.place(changed);
    this.#pump();
    this.#show();
  }

  /** Brings what is shown up to date, a few times a second at the most. */
  #show(): void {
    this.#showing ??= setTimeout(() => {
      this.#showing = undefined;
      this.summary = summarize(this.#items.values(), this.#rate.perSecond());
      ({ rows: this.rows, more: this.more } = mostUrgent(this.#items.values()));
    }, SHOW);
  }
}

/** What a file looks like wherever it is. */
function likeness({ name, size, lastModified }: QueuedFile): string {
  return JSON.stringify([name, size, lastModified]);
}

/** The file is another one than was handed over. */
class ChangedError extends Error {
  override name = 'FileChangedError';

  constructor() {
    super('the file changed since it was handed over');
  }
}

export const uploads = new Uploads();
