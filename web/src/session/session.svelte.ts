/**
 * Who is signed in, for every view. Tabs of the same browser follow each other.
 *
 * @module
 */

import { forgetMedia } from '../media/forget.ts';
import { forgetQueue } from '../upload/forget.ts';
import { EnvironmentError, environment, type Environment } from './environment.ts';
import { SESSION_CHANNEL, clearSession, forgetBrowserKey, readSession, type SignInMethod, type StoredSession } from './store.ts';

export type SessionState = 'starting' | 'signed-out' | 'signed-in' | 'broken';

class Session {
  state = $state<SessionState>('starting');
  /** Text form of the principal that acts; undefined while nobody is signed in. */
  principal = $state<string>();
  /** Another one for each session, of the same principal too; undefined while nobody is signed in. */
  ticket = $state<string>();
  method = $state<SignInMethod>();
  /** When signing in again will be necessary; undefined for never. */
  expiresAt = $state<Date>();
  /** Why the page cannot work at all, for the state `broken`. */
  problem = $state<string>();
  /** Somebody was signed in, and the time for which that held is over. */
  ranOut = $state(false);
  /** The vault that served this page; undefined before `start`, and where it is not known. */
  environment = $state.raw<Environment>();

  #channel = new BroadcastChannel(SESSION_CHANNEL);
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Finds out which vault this is and who is signed in. */
  async start(): Promise<void> {
    try {
      this.environment = environment();
      this.#channel.onmessage = () => void this.#follow();
      this.#take(await readSession());
    } catch (error) {
      this.state = 'broken';
      this.problem =
        error instanceof EnvironmentError
          ? error.message
          : 'This browser does not let the page keep anything. Private windows of some browsers do not: use a usual one.';
    }
  }

  /** A new session is in the store: for signing in, see sign-in.ts. */
  async entered(stored: StoredSession): Promise<void> {
    this.#take(stored);
    this.#channel.postMessage(stored.principal);
  }

  /**
   * Signs out, here and in every tab. The key of this browser is kept for the next time unless `forgetKey` says otherwise: a forgotten key that is not linked
   * with another one never opens its capsule again.
   */
  async signOut({ forgetKey = false }: { forgetKey?: boolean } = {}): Promise<void> {
    await clearSession();
    if (forgetKey) {
      await forgetBrowserKey();
    }
    const { principal } = this;
    this.#take(undefined);
    this.#channel.postMessage(null);
    // What this browser kept for speed, and for uploads that were to go on.
    await Promise.all([forgetMedia(), principal === undefined ? undefined : forgetQueue(principal)]);
  }

  async #follow(): Promise<void> {
    const stored = await readSession();
    if (ticketOf(stored) !== this.ticket) {
      this.#take(stored);
    }
  }

  #take(stored: StoredSession | undefined): void {
    clearTimeout(this.#timer);
    this.principal = stored?.principal;
    this.ticket = ticketOf(stored);
    this.method = stored?.method;
    this.expiresAt = stored?.expiresAt === undefined ? undefined : new Date(stored.expiresAt);
    this.state = stored ? 'signed-in' : 'signed-out';
    if (stored) {
      this.ranOut = false;
    }
    if (stored?.expiresAt !== undefined) {
      this.#waitForEnd(stored.expiresAt);
    }
  }

  #waitForEnd(expiresAt: number): void {
    // Timers hold 24.8 days at the most.
    const rest = Math.min(expiresAt - Date.now(), 2 ** 31 - 1);
    this.#timer = setTimeout(() => {
      if (Date.now() < expiresAt) {
        this.#waitForEnd(expiresAt);
      } else {
        void this.#end();
      }
    }, Math.max(rest, 0));
  }

  async #end(): Promise<void> {
    // Another tab may have signed in again meanwhile.
    const stored = await readSession();
    if (stored) {
      this.#take(stored);
    } else {
      this.ranOut = true;
      await this.signOut();
    }
  }
}

function ticketOf(stored: StoredSession | undefined): string | undefined {
  return stored && `${stored.principal} ${stored.expiresAt ?? ''}`;
}

export const session = new Session();
