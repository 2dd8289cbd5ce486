/**
 * All uploads together, and which of them are shown.
 *
 * @module
 */

import type { Item } from './item.svelte.ts';

/** All uploads together. */
export interface Summary {
  files: number;
  done: number;
  alreadyThere: number;
  failed: number;
  /** Files that need the person: to be chosen or allowed again. */
  asking: number;
  waiting: number;
  /** In this tab or another. */
  running: number;
  /** Of files that did not fail. */
  bytes: number;
  sentBytes: number;
  bytesPerSecond: number;
  /** Undefined while that is unknown. */
  remainingSeconds: number | undefined;
}

export const NOTHING: Readonly<Summary> = {
  files: 0,
  done: 0,
  alreadyThere: 0,
  failed: 0,
  asking: 0,
  waiting: 0,
  running: 0,
  bytes: 0,
  sentBytes: 0,
  bytesPerSecond: 0,
  remainingSeconds: undefined,
};

/** Rows that are shown; thousands would make the page slow. */
const ROWS = 100;

export function summarize(items: Iterable<Item>, bytesPerSecond: number): Summary {
  const summary = { ...NOTHING, bytesPerSecond };
  for (const { state, facts, sent, fate } of items) {
    summary.files += 1;
    if (state !== 'failed') {
      summary.bytes += facts.size;
      summary.sentBytes += state === 'done' ? facts.size : Math.min(sent, facts.size);
    }
    summary.done += Number(state === 'done');
    summary.alreadyThere += Number(fate === 'already there');
    summary.failed += Number(state === 'failed');
    summary.asking += Number(state === 'needs-file' || state === 'needs-permission');
    summary.waiting += Number(state === 'waiting' || state === 'paused');
    summary.running += Number(state === 'running' || state === 'elsewhere');
  }
  const left = summary.bytes - summary.sentBytes;
  summary.remainingSeconds = bytesPerSecond > 0 && left > 0 ? left / bytesPerSecond : undefined;
  return summary;
}

const URGENCY: Readonly<Record<Item['state'], number>> = {
  'needs-permission': 0,
  'needs-file': 0,
  failed: 1,
  running: 2,
  elsewhere: 2,
  paused: 3,
  waiting: 3,
  done: 4,
};

/** The first rows: what needs the person, what failed, what runs, what waits, what is done; and how many are not among them. */
export function mostUrgent(items: Iterable<Item>): { rows: Item[]; more: number } {
  const sorted = [...items].sort((a, b) => URGENCY[a.state] - URGENCY[b.state] || a.facts.order - b.facts.order);
  return { rows: sorted.slice(0, ROWS), more: Math.max(0, sorted.length - ROWS) };
}
