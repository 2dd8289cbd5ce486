/**
 * The vault, for every view: one client for who is signed in, the capsule that is shown, and news of what changed, from this tab and others.
 *
 * The client's code is loaded when it is first needed, after the first paint.
 *
 * @module
 */

import type { Keepsake } from '@keepsake/sdk';
import type { CapsuleHeader } from '@keepsake/sdk/bindings';

import { session } from '../session/session.svelte.ts';
import { identityOf, readSession } from '../session/store.ts';

/** What happened to memories of a capsule. `unknown`: something, so look again. */
export interface Change {
  capsuleId: string;
  kind: 'added' | 'changed' | 'removed' | 'unknown';
  memoryIds: string[];
}

export type VaultState = 'closed' | 'opening' | 'open' | 'newcomer' | 'failed';

/** Remembers which capsule was shown last, by principal. */
const LAST_CAPSULE = 'keepsake-capsule:';
/** Tabs tell each other what changed. */
const CHANNEL = 'keepsake-changes';

class Vault {
  /** `newcomer`: signed in, and without any capsule. */
  state = $state<VaultState>('closed');
  /** Why it does not open. */
  problem = $state.raw<unknown>();
  /** Capsules that the person owns, controls or is the subject of. */
  capsules = $state.raw<CapsuleHeader[]>([]);
  /** The person's own capsule; undefined where there is none yet. */
  ownCapsuleId = $state<string>();
  /** The capsule that is shown; undefined before it is open. */
  capsuleId = $state<string>();
  /** Whether the browser believes to be online. */
  online = $state(navigator.onLine);

  #client: Keepsake | undefined;
  #opening: Promise<void> | undefined;
  /** For whom it is open, and by which session. */
  #principal: string | undefined;
  #ticket: string | undefined;
  #listeners = new Set<(change: Change) => void>();
  #closing = new Set<() => void>();
  #channel = new BroadcastChannel(CHANNEL);

  constructor() {
    this.#channel.onmessage = ({ data }: MessageEvent<Change & { principal: string }>) => {
      if (data.principal === this.#principal) {
        this.#tell(data);
      }
    };
    addEventListener('online', () => (this.online = true));
    addEventListener('offline', () => (this.online = false));
  }

  /** The client. Only views that are shown while the vault is open may ask for it. */
  get keepsake(): Keepsake {
    if (!this.#client) {
      throw new Error('the vault is not open');
    }
    return this.#client;
  }

  /** The capsule that is shown, as the list of capsules has it. */
  get capsule(): CapsuleHeader | undefined {
    return this.capsules.find(({ id }) => id === this.capsuleId);
  }

  /** Opens the vault for who is signed in. Called again for the same person, nothing happens. */
  async open(): Promise<void> {
    if (this.#ticket !== session.ticket) {
      this.close();
      this.#ticket = session.ticket;
      this.#principal = session.principal;
    }
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      this.problem = error;
      this.state = 'failed';
    });
    await this.#opening;
  }

  /** Opens it anew: what the person may see has changed. */
  async reopen(): Promise<void> {
    this.close();
    await this.open();
  }

  /** Forgets everything: somebody signed out. */
  close(): void {
    this.#client = undefined;
    this.#opening = undefined;
    this.#principal = undefined;
    this.#ticket = undefined;
    this.#closing.forEach((forget) => forget());
    this.state = 'closed';
    this.problem = undefined;
    this.capsules = [];
    this.ownCapsuleId = undefined;
    this.capsuleId = undefined;
  }

  /** Makes the person's own capsule, or finds it, and shows it. */
  async createOwnCapsule(): Promise<void> {
    this.ownCapsuleId = await this.keepsake.ownCapsule();
    await this.refreshCapsules();
    this.show(this.ownCapsuleId);
    this.state = 'open';
  }

  /** Reads the list of capsules again. */
  async refreshCapsules(): Promise<void> {
    this.capsules = await this.keepsake.capsules();
  }

  /** Shows another capsule. */
  show(capsuleId: string): void {
    this.capsuleId = capsuleId;
    try {
      localStorage.setItem(LAST_CAPSULE + this.#principal, capsuleId);
    } catch {
      // Remembering it is a convenience.
    }
  }

  /** Tells every view and tab what happened to memories. */
  announce(change: Change): void {
    this.#tell(change);
    this.#channel.postMessage({ ...change, principal: this.#principal });
  }

  /** Calls back whenever the vault is closed: what was kept is of somebody who may not be the next one. */
  onClose(forget: () => void): void {
    this.#closing.add(forget);
  }

  /** Hears what happens to memories; returns how to stop. */
  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) {
      listener(change);
    }
  }

  async #open(): Promise<void> {
    this.state = 'opening';
    this.problem = undefined;
    const principal = this.#principal;
    const [{ Keepsake, MemoryQueue, NotFoundError }, stored] = await Promise.all([import('./client.ts'), readSession()]);
    if (!stored || stored.principal !== principal) {
      throw new Error('nobody is signed in');
    }
    const { canisterId, host, rootKey } = stored.vault;
    const client = await Keepsake.connect({
      canisterId,
      host,
      rootKey,
      identity: await identityOf(stored),
      // upload/ has a queue of its own, of each person, with files; sessions are found again by their key.
      queue: new MemoryQueue(),
      // A person should hear of it sooner than a program.
      retry: { giveUpAfter: 20_000 },
    });
    const [own, capsules] = await Promise.all([
      client.calls.capsules_read_basic([]).catch((error: unknown) => {
        if (error instanceof NotFoundError) {
          return undefined;
        }
        throw error;
      }),
      client.capsules(),
    ]);
    if (this.#principal !== principal) {
      return;
    }
    this.#client = client;
    this.ownCapsuleId = own?.capsule_id;
    this.capsules = capsules;
    const shown = [this.#lastCapsule(), own?.capsule_id, capsules[0]?.id].find((id) =>
      capsules.some((capsule) => capsule.id === id),
    );
    this.capsuleId = shown;
    this.state = shown === undefined ? 'newcomer' : 'open';
  }

  #lastCapsule(): string | undefined {
    try {
      return localStorage.getItem(LAST_CAPSULE + this.#principal) ?? undefined;
    } catch {
      return undefined;
    }
  }
}

export const vault = new Vault();
