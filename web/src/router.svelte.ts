/**
 * Which view is shown, by the address's fragment.
 *
 * @module
 */

import { routes, type Route } from './routes.ts';

export interface Match {
  route: Route;
  params: Record<string, string>;
}

class Router {
  /** Path of the fragment, without `#`. */
  path = $state(pathOf(location.hash));
  /** What follows `?` in the fragment. */
  query = $derived(new URLSearchParams(this.path.split('?')[1] ?? ''));
  match = $derived(find(this.path));
  /** The view below an overlay: the last one that was none, else the timeline. */
  base = $state.raw<Match>(find('/') as Match);
  /** How many steps back stay within the gallery; kept with the browser's history, which knows it after steps back and reloads too. */
  #depth = -1;

  constructor() {
    addEventListener('hashchange', () => this.#follow());
    this.#follow();
  }

  /** Address of a view, for `href`. */
  href(path: string): string {
    return `#${path}`;
  }

  /** Goes to a view; `replace` leaves no step to go back to. */
  go(path: string, { replace = false }: { replace?: boolean } = {}): void {
    if (replace) {
      history.replaceState({ depth: this.#depth }, '', `#${path}`);
      this.#follow();
    } else {
      location.hash = path;
    }
  }

  /** Back to where one came from, or to `otherwise` where the gallery was opened at this very view. */
  back(otherwise = '/'): void {
    if (this.#depth > 0) {
      history.back();
    } else {
      this.go(otherwise, { replace: true });
    }
  }

  #follow(): void {
    const depth = (history.state as { depth?: number } | null)?.depth;
    this.#depth = depth ?? this.#depth + 1;
    if (depth === undefined) {
      history.replaceState({ depth: this.#depth }, '');
    }
    this.path = pathOf(location.hash);
    const match = find(this.path);
    if (match && !match.route.overlay) {
      this.base = match;
    }
  }
}

function pathOf(hash: string): string {
  return hash.startsWith('#/') ? hash.slice(1) : '/';
}

function find(path: string): Match | undefined {
  const parts = (path.split('?')[0] ?? '').split('/');
  for (const route of routes) {
    const params = matchParts(route.path.split('/'), parts);
    if (params) {
      return { route, params };
    }
  }
  return undefined;
}

function matchParts(pattern: string[], parts: string[]): Record<string, string> | undefined {
  if (pattern.length !== parts.length) {
    return undefined;
  }
  const params: Record<string, string> = {};
  for (const [at, name] of pattern.entries()) {
    const part = parts[at] ?? '';
    if (!name.startsWith(':')) {
      if (name !== part) {
        return undefined;
      }
      continue;
    }
    if (part === '') {
      return undefined;
    }
    try {
      params[name.slice(1)] = decodeURIComponent(part);
    } catch {
      return undefined;
    }
  }
  return params;
}

export const router = new Router();
