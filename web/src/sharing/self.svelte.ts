/**
 * Which principals are the person who is signed in. What somebody with several keys owns or shares is named after the first of them, whichever acts.
 *
 * @module
 */

import { session } from '../session/session.svelte.ts';
import { vault } from '../vault/vault.svelte.ts';

class Self {
  #principals = $state.raw<ReadonlySet<string>>(new Set());

  /** Whether a principal acts as the person; before `read` only the one that is signed in is known. */
  is(principal: string): boolean {
    return principal === session.principal || this.#principals.has(principal);
  }

  /** Asks the vault for all of them. Where it does not answer, the one that is signed in has to do. */
  async read(): Promise<void> {
    const asker = session.principal;
    const principals = await vault.keepsake.people.read().then(
      (person) => person.principals.map(({ principal }) => principal.toText()),
      () => [],
    );
    if (asker === session.principal) {
      this.#principals = new Set(principals);
    }
  }
}

export const self = new Self();
