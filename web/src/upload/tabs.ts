/**
 * What the tabs of a browser know of each other's uploads: who is there, who works on which file, and what changed. It stands on Web Locks, which end with the tab
 * that holds them, however it ends. Pages over plain HTTP from another machine have none: there each tab is alone, and the vault makes one of what two of them send.
 *
 * @module
 */

/** News for the other tabs of a person. */
export type News =
  /** Entries of the queue are new, gone or different. */
  | { kind: 'changed'; ids: string[] }
  | { kind: 'progress'; id: string; sent: number }
  /** The person stopped everything, or let it go on. */
  | { kind: 'paused'; paused: boolean };

const locks: LockManager | undefined = 'locks' in navigator ? navigator.locks : undefined;

/** Name of this tab for as long as it lives. */
export const THIS_TAB: string = String(Date.now()) + String(Math.random()).slice(1);

if (locks) {
  // Held until the tab is gone.
  void locks.request(tabLock(THIS_TAB), () => new Promise(() => {}));
}

/** Whether another tab is still there. */
export async function isThere(tab: string): Promise<boolean> {
  if (!locks || tab === THIS_TAB) {
    return false;
  }
  const { held = [] } = await locks.query();
  return held.some(({ name }) => name === tabLock(tab));
}

/** Resolves once another tab is gone. */
export async function gone(tab: string): Promise<void> {
  await locks?.request(tabLock(tab), () => {});
}

/** Does work on a file that no other tab works on; resolves to false where one does. */
export async function alone(file: string, work: () => Promise<void>): Promise<boolean> {
  if (!locks) {
    await work();
    return true;
  }
  return locks.request(fileLock(file), { ifAvailable: true }, async (lock) => {
    if (lock) {
      await work();
    }
    return lock !== null;
  });
}

/** Resolves once no tab works on a file any more. */
export async function free(file: string): Promise<void> {
  await locks?.request(fileLock(file), () => {});
}

/** Tells the other tabs of a person, and hears from them. */
export class Exchange {
  readonly #channel = new BroadcastChannel('keepsake-uploads');
  #principal: string | undefined;

  constructor(hear: (news: News) => void) {
    this.#channel.onmessage = ({ data }: MessageEvent<{ principal: string; news: News }>) => {
      if (data.principal === this.#principal) {
        hear(data.news);
      }
    };
  }

  /** Whose tabs are meant from now on. */
  follow(principal: string | undefined): void {
    this.#principal = principal;
  }

  tell(news: News): void {
    if (this.#principal !== undefined && (news.kind !== 'changed' || news.ids.length > 0)) {
      this.#channel.postMessage({ principal: this.#principal, news });
    }
  }
}

const PAUSED = 'keepsake-uploads-paused:';

/** Whether a person stopped everything, before a reload or in another tab. */
export function readPaused(principal: string): boolean {
  try {
    return localStorage.getItem(PAUSED + principal) !== null;
  } catch {
    return false;
  }
}

export function writePaused(principal: string, paused: boolean): void {
  try {
    if (paused) {
      localStorage.setItem(PAUSED + principal, '');
    } else {
      localStorage.removeItem(PAUSED + principal);
    }
  } catch {
    // Then a reload goes on.
  }
}

function tabLock(tab: string): string {
  return `keepsake-tab:${tab}`;
}

function fileLock(file: string): string {
  return `keepsake-upload:${file}`;
}
