/**
 * Names for people. The vault knows principals; who is behind one is known to whoever
 * uses this browser, and kept in it, for each vault and each person apart.
 *
 * @module
 */

import type { Somebody } from '@keepsake/sdk';

import { session } from '../session/session.svelte.ts';
import { self } from './self.svelte.ts';

/** What is known to whom: whoever signs in after somebody else does not see whom that person knows. */
const STORE = 'keepsake-names:';
/** Characters of a name. */
export const LONGEST_NAME = 60;

type Known = Readonly<Record<string, string>>;

function read(key: string): Known {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? '{}');
    return typeof kept === 'object' && kept !== null
      ? Object.fromEntries(Object.entries(kept).filter(([, name]) => typeof name === 'string'))
      : {};
  } catch {
    // Whatever else stands there, or a browser that keeps nothing: then there are no names.
    return {};
  }
}

class Names {
  /** By whose they are; read once. */
  #read = $state.raw<Readonly<Record<string, Known>>>({});
  readonly #key = $derived(STORE + (session.principal ?? ''));
  readonly #known = $derived(this.#read[this.#key] ?? read(this.#key));

  constructor() {
    addEventListener('storage', ({ key }) => {
      if (key?.startsWith(STORE)) {
        this.#read = { ...this.#read, [key]: read(key) };
      }
    });
  }

  /** The name of a principal; undefined where nobody gave it one. */
  of(principal: string): string | undefined {
    return Object.hasOwn(this.#known, principal) ? this.#known[principal] : undefined;
  }

  /** Gives a principal a name, or with an empty one takes it away. */
  give(principal: string, name: string): void {
    const trimmed = name.trim().slice(0, LONGEST_NAME);
    const rest = Object.fromEntries(Object.entries(this.#known).filter(([known]) => known !== principal));
    const known = trimmed === '' ? rest : { ...rest, [principal]: trimmed };
    this.#read = { ...this.#read, [this.#key]: known };
    try {
      localStorage.setItem(this.#key, JSON.stringify(known));
    } catch {
      // It holds until the page is left.
    }
  }

  /** Everybody who has a name, by name. */
  get all(): { principal: string; name: string }[] {
    return Object.entries(this.#known)
      .map(([principal, name]) => ({ principal, name }))
      .sort((a, b) => a.name.localeCompare(b.name));
  }

  /** How somebody is called here: by name, else by the beginning and the end of the principal. */
  call(who: Somebody | string): string {
    if (typeof who === 'object' && 'name' in who) {
      return who.name;
    }
    const principal = typeof who === 'string' ? who : who.toText();
    return self.is(principal) ? 'You' : (this.of(principal) ?? shortPrincipal(principal));
  }
}

export const names = new Names();

/** A name within a sentence. */
export function mention(name: string): string {
  return name === 'You' ? 'you' : name;
}

/** `7svxa-…-jqe`: enough to recognise, not enough to use. */
export function shortPrincipal(principal: string): string {
  const parts = principal.split('-');
  return parts.length <= 3 ? principal : `${parts[0]}-…-${parts.at(-1)}`;
}
