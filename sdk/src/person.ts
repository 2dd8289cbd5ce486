/**
 * Who somebody is, and several principals that act as one person.
 *
 * @module
 */

import { Principal } from '@icp-sdk/core/principal';

import type { LinkOffer as OfferRecord, PersonRef } from './bindings/vault.did.js';
import type { Keepsake } from './client.js';
import { dateOf } from './time.js';

/** Somebody, as the vault says: by principal, or by a name that means something to people and nothing to the vault. */
export type Somebody = Principal | { name: string };

/** Somebody, as a program says: a principal may also be given by its text. */
export type SomebodyLike = Somebody | string;

/** A reference to somebody as the interface has it. Throws where a text is no principal. */
export function personRef(who: SomebodyLike): PersonRef {
  if (typeof who === 'string') {
    return { Principal: Principal.fromText(who) };
  }
  // A principal of another copy of the package is none of this one's class.
  return 'name' in who ? { Opaque: who.name } : { Principal: Principal.from(who) };
}

/** Who a reference is to. */
export function somebody(ref: PersonRef): Somebody {
  return 'Principal' in ref ? ref.Principal : { name: ref.Opaque };
}

/** An offer that two principals act as one person. */
export interface LinkOffer {
  /** The other side: whom it was made to, or the primary principal of who made it. */
  principal: Principal;
  /** From then on it cannot be accepted any more. */
  expiresAt: Date;
}

/** Who the caller is. */
export interface Person {
  /** The principals that act as one, at most 8. What the person writes names the first of them, the primary. */
  principals: { principal: Principal; since: Date | undefined }[];
  /** Offers that the person made and nobody accepted yet. */
  offersMade: LinkOffer[];
  /** Offers made to the principal that calls, at most 8 of them; others can be accepted all the same. */
  offersReceived: LinkOffer[];
}

/** The caller's person: which keys act for it. {@link Keepsake.people} has one. */
export class People {
  readonly #keepsake: Keepsake;

  /** For this package's own use. */
  constructor(keepsake: Keepsake) {
    this.#keepsake = keepsake;
  }

  /** The principals that act as the caller, and offers that are open. */
  async read(): Promise<Person> {
    const person = await this.#keepsake.calls.person_read();
    return {
      principals: person.principals.map(({ principal, since }) => ({
        principal,
        since: since[0] === undefined ? undefined : dateOf(since[0]),
      })),
      offersMade: person.offers_made.map(offer),
      offersReceived: person.offers_received.map(offer),
    };
  }

  /**
   * Offers that a principal acts as one person with the caller: it accepts within 24 hours, or not at all. Whoever accepts shares everything. Made again, the
   * offer begins anew. BudgetExceededError for a person of 8 principals, or with 8 open offers.
   */
  async offer(principal: Principal | string): Promise<void> {
    await this.#keepsake.calls.person_link_offer(Principal.from(principal));
  }

  /**
   * Accepts the offer of the person that a principal belongs to. NotFoundError where there is no such offer, ConflictError where the caller is linked with
   * somebody else.
   */
  async accept(principal: Principal | string): Promise<void> {
    await this.#keepsake.calls.person_link_accept(Principal.from(principal));
  }

  /**
   * Takes a principal out, such as a lost device's or the caller's own, and withdraws an open offer to it. ConflictError for the primary one, which only it
   * itself takes out. Again: nothing happens.
   */
  async unlink(principal: Principal | string): Promise<void> {
    await this.#keepsake.calls.person_unlink(Principal.from(principal));
  }
}

function offer({ principal, expires_at: expires }: OfferRecord): LinkOffer {
  return { principal, expiresAt: dateOf(expires) };
}
