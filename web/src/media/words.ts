/**
 * Why a picture is not there, in words.
 *
 * @module
 */

import type { MediaProblem } from './messages.ts';

export interface ProblemWords {
  title: string;
  hint: string;
  /** Whether trying again may help. */
  retry: boolean;
}

const WORDS: Readonly<Record<MediaProblem, ProblemWords>> = {
  mismatch: {
    title: 'This file is damaged',
    hint: 'What came from the vault is not what was put in, so it is not shown. Restore it from a backup or upload it again.',
    retry: true,
  },
  forged: {
    title: 'This did not come from your vault',
    hint: 'Its signature does not verify, so it is not shown. Check this device’s clock; if it goes on, do not trust this connection.',
    retry: true,
  },
  offline: { title: 'The vault cannot be reached', hint: 'Check your connection and try again.', retry: true },
  missing: { title: 'This is no longer here', hint: 'It was deleted, or is no longer shared with you.', retry: false },
  denied: { title: 'You may not open this file', hint: 'It is shared with you to look at, not to download.', retry: false },
  elsewhere: { title: 'This file is kept elsewhere', hint: 'The vault knows where it is, and does not hold it itself.', retry: false },
  'signed-out': { title: 'You are signed out', hint: 'Sign in to see this.', retry: true },
  other: { title: 'This cannot be shown', hint: 'Your browser may not know this kind of file. Download it to open it elsewhere.', retry: true },
};

export function problemWords(problem: MediaProblem): ProblemWords {
  return WORDS[problem];
}
