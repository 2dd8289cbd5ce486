/**
 * Sharing in words: what somebody may do, and when.
 *
 * @module
 */

import type { Permission, Share, ShareOptions } from '@keepsake/sdk';

import { day, moment as exactMoment } from '../ui/format.ts';

export { day };

/** What can be given to a person or a group, the least first. */
export const PERMISSIONS: readonly { value: Permission; label: string; hint: string }[] = [
  { value: 'view', label: 'Look', hint: 'See the pictures in screen size' },
  { value: 'download', label: 'Look and download', hint: 'Also keep the original files' },
  { value: 'share', label: 'Share on', hint: 'Also let others see them' },
  { value: 'manage', label: 'Edit', hint: 'Also change titles and files' },
];

/** What somebody may do, in a few words. */
export function mayDo(permission: Permission | undefined): string {
  if (permission === 'own') {
    return 'Everything, deleting too';
  }
  return PERMISSIONS.find(({ value }) => value === permission)?.label ?? 'Nothing yet';
}

/** What can be waited for. */
export type CapsuleEvent = NonNullable<ShareOptions['after']>;

/** Events that can be chosen. Others are told in words, too. */
export const EVENTS: readonly { value: string; label: string; event: CapsuleEvent }[] = [
  { value: 'wedding', label: 'A wedding', event: { Wedding: null } },
  { value: 'graduation', label: 'A graduation', event: { Graduation: null } },
  { value: 'after-death', label: 'A death', event: { AfterDeath: null } },
];

/** An event in words, to stand behind "after". */
export function eventWords(event: CapsuleEvent): string {
  if ('Custom' in event) {
    return `“${event.Custom}”`;
  }
  if ('Birthday' in event) {
    return `birthday ${event.Birthday}`;
  }
  if ('Anniversary' in event) {
    return `anniversary ${event.Anniversary}`;
  }
  if ('CapsuleMaturity' in event) {
    return `${event.CapsuleMaturity} years of the capsule`;
  }
  if ('ConnectionCount' in event) {
    return `${event.ConnectionCount} connections`;
  }
  if ('Wedding' in event) {
    return 'the wedding';
  }
  return 'Graduation' in event ? 'the graduation' : 'the death';
}

/** A moment: the day alone where it is the day's very beginning here. */
export function moment(date: Date): string {
  return date.getHours() === 0 && date.getMinutes() === 0 ? day(date) : exactMoment(date);
}

/** The last day before a moment: what ends with a day ends at the next one's beginning. */
export function lastDay(end: Date): string {
  return day(new Date(end.getTime() - 1));
}

/** Until when something counts. */
function until(end: Date): string {
  return end.getHours() === 0 && end.getMinutes() === 0 ? lastDay(end) : exactMoment(end);
}

/** How a share stands at a moment. */
export function standing(share: Pick<Share, 'from' | 'until' | 'after'>, now = Date.now()): 'open' | 'sealed' | 'over' {
  if (share.from) {
    return share.from.getTime() > now ? 'sealed' : 'open';
  }
  if (share.until) {
    return share.until.getTime() > now ? 'open' : 'over';
  }
  // Whether an event has been recorded only shows by what opens.
  return share.after ? 'sealed' : 'open';
}

/** When a share counts, in words; empty for one that always does. */
export function whenWords(share: Pick<Share, 'from' | 'until' | 'after'>, now = Date.now()): string {
  if (share.from) {
    return share.from.getTime() > now ? `Sealed until ${moment(share.from)}` : `Open since ${moment(share.from)}`;
  }
  if (share.until) {
    return share.until.getTime() > now ? `Until ${until(share.until)}` : `Ended ${until(share.until)}`;
  }
  return share.after ? `Opens after ${eventWords(share.after)}` : '';
}

/** The moment that a date field stands for: the day's beginning here, or its end. Undefined for what is no date. */
export function dateOfField(value: string, end = false): Date | undefined {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(value);
  if (!parts) {
    return undefined;
  }
  const [year, month, dayOfMonth] = parts.slice(1).map(Number) as [number, number, number];
  const date = new Date(year, month - 1, dayOfMonth + (end ? 1 : 0));
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** A date as a date field takes it, by the calendar here. */
export function fieldOfDate(date: Date): string {
  const two = (part: number) => String(part).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** Tomorrow, the first day that something can be sealed until. */
export function tomorrow(now = new Date()): Date {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1);
}

/** How far away a moment is: `in 3 years`, `2 days ago`. */
export function distance(date: Date, now = Date.now()): string {
  const format = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });
  const days = (date.getTime() - now) / 86_400_000;
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [
    ['year', 365.25],
    ['month', 30.44],
    ['day', 1],
    ['hour', 1 / 24],
  ];
  for (const [unit, length] of steps) {
    if (Math.abs(days) >= length) {
      return format.format(Math.trunc(days / length), unit);
    }
  }
  return format.format(Math.trunc(days * 24 * 60), 'minute');
}
