/**
 * Short notes of what was done, with a way to undo it where there is one. They go by themselves, but not while somebody reads them.
 *
 * @module
 */

import { inWords } from '../vault/words.ts';

export interface Toast {
  id: number;
  text: string;
  look: 'calm' | 'problem';
  action?: { label: string; act: () => void };
}

/** Milliseconds that a note stays; one with something to do stays longer. */
const STAY = 6_000;
const STAY_WITH_ACTION = 12_000;

class Toasts {
  list = $state.raw<Toast[]>([]);
  #last = 0;
  #timers = new Map<number, ReturnType<typeof setTimeout>>();

  /** Says what was done. */
  say(text: string, action?: Toast['action']): void {
    this.#add({ text, look: 'calm', ...(action ? { action } : {}) });
  }

  /** Says what went wrong; `what` is what did not happen. */
  problem(what: string, error: unknown, action?: Toast['action']): void {
    const words = inWords(error);
    if (words.kind !== 'cancelled') {
      this.#add({ text: `${what} ${words.title}. ${words.hint}`.trim(), look: 'problem', ...(action ? { action } : {}) });
    }
  }

  drop(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.list = this.list.filter((toast) => toast.id !== id);
  }

  /** Nothing goes while somebody points at the notes or is in them. */
  hold(): void {
    for (const timer of this.#timers.values()) {
      clearTimeout(timer);
    }
  }

  release(): void {
    for (const toast of this.list) {
      this.#wait(toast);
    }
  }

  #add(toast: Omit<Toast, 'id'>): void {
    this.#last += 1;
    const added = { ...toast, id: this.#last };
    this.list = [...this.list.slice(-2), added];
    this.#wait(added);
  }

  #wait(toast: Toast): void {
    clearTimeout(this.#timers.get(toast.id));
    this.#timers.set(toast.id, setTimeout(() => this.drop(toast.id), toast.action ? STAY_WITH_ACTION : STAY));
  }
}

export const toasts = new Toasts();
