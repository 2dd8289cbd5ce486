/**
 * The views of the gallery, a line each, loaded when they are first shown. Addresses are in the fragment (`#/…`), which no server ever sees: the
 * vault serves one page.
 *
 * `:name` stands for one part of the path, which the component gets as the prop `name`. An overlay is shown above the view that was there before.
 *
 * @module
 */

import type { Component } from 'svelte';

import type { IconName } from './ui/icons.ts';

export interface Route {
  path: string;
  /** What the page is called, in the browser's title and for screen readers. */
  title: string;
  // Components get the parts of the path as props, which the table cannot know one by one.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  load: () => Promise<{ default: Component<any> }>;
  /** Shown to people who are not signed in, too. Without it they get to sign in first. */
  open?: boolean;
  /** Shown to people who have no capsule yet, too. Without it they are welcomed first. */
  newcomers?: boolean;
  /** Shown above the view before, which stays as it is. */
  overlay?: boolean;
  /** Its place in the navigation. */
  nav?: { label: string; icon: IconName };
}

export const routes: Route[] = [
  { path: '/', title: 'Timeline', load: () => import('./timeline/Timeline.svelte'), nav: { label: 'Timeline', icon: 'image' } },
  { path: '/memory/:id', title: 'Memory', load: () => import('./memory/Viewer.svelte'), overlay: true, newcomers: true },
  { path: '/account', title: 'You', load: () => import('./session/Account.svelte'), newcomers: true },
  { path: '/shared', title: 'Shared', load: () => import('./sharing/Shared.svelte'), newcomers: true, nav: { label: 'Shared', icon: 'people' } },
  { path: '/capsules', title: 'Capsules', load: () => import('./capsules/Capsules.svelte'), nav: { label: 'Capsules', icon: 'folder' } },
  { path: '/capsules/:id', title: 'Capsule', load: () => import('./capsules/Capsule.svelte') },
  { path: '/status', title: 'Status', load: () => import('./status/Status.svelte'), nav: { label: 'Status', icon: 'gauge' } },
  { path: '/trash', title: 'Trash', load: () => import('./memory/Trash.svelte'), nav: { label: 'Trash', icon: 'trash' } },
  { path: '/s/:secret', title: 'Shared with you', load: () => import('./link/LinkPage.svelte'), open: true },
];

/** Things that stand beside the view while somebody is signed in: where, and from what. */
export interface Panel {
  place: 'header' | 'floor';
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  load: () => Promise<{ default: Component<any> }>;
}

export const panels: Panel[] = [
  { place: 'header', load: () => import('./upload/AddButton.svelte') },
  { place: 'floor', load: () => import('./upload/Panel.svelte') },
  { place: 'header', load: () => import('./capsules/Switcher.svelte') },
];
