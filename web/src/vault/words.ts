/**
 * What went wrong, in words for people: what it is, and what to do next.
 *
 * @module
 */

/** A problem to be shown. */
export interface Words {
  title: string;
  /** What to do next. */
  hint: string;
  /** Whether trying again may help. */
  retry: boolean;
  /** Of the kind that a state of its own is shown for. */
  kind: 'offline' | 'busy' | 'missing' | 'forbidden' | 'full' | 'conflict' | 'content' | 'cancelled' | 'other';
}

// Told apart by name, so that the client's code need not be loaded to say that it could not be.
const BY_NAME: Readonly<Record<string, Words>> = {
  UnreachableError: {
    title: 'The vault cannot be reached',
    hint: 'Check your connection and whether the vault is running. Nothing is lost.',
    retry: true,
    kind: 'offline',
  },
  BusyError: {
    title: 'The vault is busy',
    hint: 'Wait a moment and try again.',
    retry: true,
    kind: 'busy',
  },
  NotAuthenticError: {
    title: 'The answer did not come from your vault',
    hint: 'Its signature does not verify. Check this device’s clock, then reload the page. If it goes on, do not trust this connection.',
    retry: true,
    kind: 'other',
  },
  NotFoundError: {
    title: 'It is not there',
    hint: 'It was deleted, or it is not shared with you.',
    retry: false,
    kind: 'missing',
  },
  UnauthorizedError: {
    title: 'You are not allowed to do this',
    hint: 'Ask an owner of the capsule.',
    retry: false,
    kind: 'forbidden',
  },
  BudgetExceededError: {
    title: 'The vault is full',
    hint: 'A limit is reached. See Status for what uses it, and empty the trash.',
    retry: true,
    kind: 'full',
  },
  ConflictError: {
    title: 'It was changed meanwhile',
    hint: 'Look at how it is now, then try again.',
    retry: true,
    kind: 'conflict',
  },
  ContentMismatchError: {
    title: 'The content is damaged',
    hint: 'What came is not what was kept, so it is not shown. Try again; if it stays so, check the vault with the keepsake command.',
    retry: true,
    kind: 'content',
  },
  ExternalContentError: {
    title: 'The content is kept elsewhere',
    hint: 'The vault knows where, and cannot hand it out itself.',
    retry: false,
    kind: 'content',
  },
  InterfaceError: {
    title: 'This page does not fit the vault',
    hint: 'The vault was updated. Reload the page.',
    retry: true,
    kind: 'other',
  },
  AbortError: { title: 'Cancelled', hint: '', retry: true, kind: 'cancelled' },
};

/** Says what went wrong. */
export function inWords(error: unknown): Words {
  const name = error instanceof Error ? error.name : '';
  const known = BY_NAME[name];
  if (known) {
    return known;
  }
  const message = error instanceof Error ? error.message : String(error);
  if (/dynamically imported module|module script failed/i.test(message)) {
    return {
      title: 'A part of the page did not load',
      hint: 'Check your connection and reload the page.',
      retry: true,
      kind: 'offline',
    };
  }
  return { title: 'Something went wrong', hint: message, retry: true, kind: 'other' };
}
