/**
 * A file on its way into a capsule, as it is shown.
 *
 * @module
 */

import type { QueuedFile } from './store.ts';

/**
 * - `waiting`: its turn comes; `running`: here; `elsewhere`: in another tab; `paused`: by the person
 * - `needs-file`: the browser could not keep it, so it has to be chosen again; `needs-permission`: the browser wants to be asked again
 * - `done`, `failed`
 */
export type ItemState =
  | 'waiting'
  | 'running'
  | 'elsewhere'
  | 'paused'
  | 'needs-file'
  | 'needs-permission'
  | 'done'
  | 'failed';

/** What became of a file that is done. */
export type Fate = 'added' | 'already there';

export interface ItemProblem {
  title: string;
  hint: string;
}

export class Item {
  readonly facts: QueuedFile;
  state = $state<ItemState>('waiting');
  /** The person stopped this one. */
  held = $state(false);
  /** Bytes that the vault has. */
  sent = $state(0);
  /** What is happening, while it runs. */
  phase = $state<'hashing' | 'uploading' | 'paused' | 'finishing' | 'done'>('uploading');
  fate = $state<Fate>();
  /** It is kept, but something about it is worth knowing. */
  note = $state<string>();
  problem = $state.raw<ItemProblem>();
  memoryId = $state<string>();

  /** Ends the upload and frees what the vault received. */
  cancel: AbortController | undefined;
  /** Stops the upload and lets it go on. */
  pause: { pause(): void; resume(): void } | undefined;

  constructor(facts: QueuedFile) {
    this.facts = facts;
    this.held = facts.paused;
    this.state = facts.problem ? 'failed' : facts.paused ? 'paused' : 'waiting';
    this.problem = facts.problem;
  }

  get id(): string {
    return this.facts.id;
  }

  /** Whether anything is still to do without the person. */
  get open(): boolean {
    return this.state === 'waiting' || this.state === 'running' || this.state === 'elsewhere';
  }
}
