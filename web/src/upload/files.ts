/**
 * Files that people hand over: dropped (folders too), pasted, or chosen. Where the browser gives a handle of a file, that comes along, because it finds the
 * file again after a reload.
 *
 * @module
 */

/** A file with where it was within what was handed over. */
export interface FoundFile {
  file: File;
  /** `Holiday/IMG_0001.jpg`; the name alone where it came alone. */
  path: string;
  handle?: FileSystemFileHandle;
}

/** What was found. */
export interface Found {
  files: FoundFile[];
  /** Files that systems leave in folders, and that nobody wants to keep. */
  leftOut: number;
  /** Paths that could not be read. */
  unreadable: string[];
}

/** Files of systems and programs: `.DS_Store`, `Thumbs.db`, AppleDouble's `._…`. */
const LEAVINGS = /^(?:\.DS_Store|\.localized|Thumbs\.db|ehthumbs\.db|desktop\.ini|\.picasa\.ini|\.nomedia|\._.*)$/i;

/** Whether the browser lets pages choose files by handles (File System Access). */
export function picksHandles(): boolean {
  return typeof window.showOpenFilePicker === 'function' && typeof window.showDirectoryPicker === 'function';
}

/** Lets the person choose files, with handles. Nothing where they change their mind. */
export async function pickFiles(): Promise<Found> {
  return collect(async (found) => {
    for (const handle of (await unlessCancelled(() => window.showOpenFilePicker?.({ multiple: true }))) ?? []) {
      await takeHandle(found, handle, handle.name);
    }
  });
}

/** Lets the person choose a folder, with handles. Nothing where they change their mind. */
export async function pickFolder(): Promise<Found> {
  return collect(async (found) => {
    const folder = await unlessCancelled(() => window.showDirectoryPicker?.());
    if (folder) {
      await takeFolder(found, folder, folder.name);
    }
  });
}

/** Files of an `<input type="file">`, of a folder too. */
export function fromInput(input: HTMLInputElement): Found {
  const found = nothing();
  for (const file of input.files ?? []) {
    take(found, { file, path: file.webkitRelativePath || file.name });
  }
  return found;
}

/** Files that were dropped. To be called while the event is handled: later the browser has forgotten them. */
export function fromDrop(data: DataTransfer): Promise<Found> {
  const taken = Array.from(data.items)
    .filter(({ kind }) => kind === 'file')
    .map((item) => ({
      handle: item.getAsFileSystemHandle?.().catch(() => null) ?? Promise.resolve(null),
      entry: item.webkitGetAsEntry?.() ?? null,
      file: item.getAsFile(),
    }));
  return collect(async (found) => {
    for (const { handle, entry, file } of taken) {
      const known = await handle;
      if (known?.kind === 'directory') {
        await takeFolder(found, known as FileSystemDirectoryHandle, known.name);
      } else if (known) {
        await takeHandle(found, known as FileSystemFileHandle, known.name);
      } else if (entry) {
        await takeEntry(found, entry);
      } else if (file) {
        take(found, { file, path: file.name });
      }
    }
  });
}

/** Files that were pasted. A picture from the clipboard has no name of its own, and gets the time. */
export function fromPaste(data: DataTransfer): Found {
  const found = nothing();
  for (const file of data.files) {
    const unnamed = /^image\.\w+$/.test(file.name);
    const name = unnamed ? `Pasted ${stamp(new Date())}${/\.\w+$/.exec(file.name)?.[0] ?? ''}` : file.name;
    const named = unnamed ? new File([file], name, { type: file.type, lastModified: file.lastModified }) : file;
    take(found, { file: named, path: name });
  }
  return found;
}

function nothing(): Found {
  return { files: [], leftOut: 0, unreadable: [] };
}

async function collect(work: (found: Found) => Promise<void>): Promise<Found> {
  const found = nothing();
  await work(found);
  return found;
}

function take(found: Found, one: FoundFile): void {
  if (LEAVINGS.test(one.file.name)) {
    found.leftOut += 1;
  } else {
    found.files.push(one);
  }
}

async function takeHandle(found: Found, handle: FileSystemFileHandle, path: string): Promise<void> {
  try {
    take(found, { file: await handle.getFile(), path, handle });
  } catch {
    found.unreadable.push(path);
  }
}

async function takeFolder(found: Found, folder: FileSystemDirectoryHandle, path: string): Promise<void> {
  try {
    for await (const [name, child] of folder.entries()) {
      const at = `${path}/${name}`;
      if (child.kind === 'directory') {
        await takeFolder(found, child as FileSystemDirectoryHandle, at);
      } else {
        await takeHandle(found, child as FileSystemFileHandle, at);
      }
    }
  } catch {
    found.unreadable.push(path);
  }
}

/** As browsers without handles give dropped folders. */
async function takeEntry(found: Found, entry: FileSystemEntry): Promise<void> {
  const path = entry.fullPath.replace(/^\//, '');
  try {
    if (entry.isFile) {
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      take(found, { file, path });
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
      // A reader gives some entries at a time, and none in the end.
      const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (entries.length === 0) {
        return;
      }
      for (const child of entries) {
        await takeEntry(found, child);
      }
    }
  } catch {
    found.unreadable.push(path);
  }
}

async function unlessCancelled<T>(pick: () => Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await pick();
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') {
      return undefined;
    }
    throw error;
  }
}

/** `2026-11-22 02.30.15`, in local time. */
function stamp(at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}.${two(at.getMinutes())}.${two(at.getSeconds())}`;
}
