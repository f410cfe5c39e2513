/** What was dropped or chosen: files with their paths, and the directories around them. */

export interface Gift {
  /** Relative to where it goes, with slashes. */
  path: string;
  file: File;
}

export interface Haul {
  files: Gift[];
  /** All directories, also those with nothing in them, outer ones first. */
  directories: string[];
}

/**
 * What a drop holds. Call it in the event's own turn: afterwards the browser takes the items away, and what they led to
 * is all that is left.
 */
export function haulOf(transfer: DataTransfer): Promise<Haul> {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry());
  if (entries.some((entry) => entry === null)) return Promise.resolve(chosen([...transfer.files]));
  return walked(entries as FileSystemEntry[]);
}

/** What a file field holds; with `webkitdirectory` each file knows its path. */
export function chosen(files: readonly File[]): Haul {
  const gifts = files.map((file) => ({ path: file.webkitRelativePath || file.name, file }));
  return { files: gifts, directories: directoriesOf(gifts) };
}

export async function walked(entries: readonly FileSystemEntry[]): Promise<Haul> {
  const haul: Haul = { files: [], directories: [] };
  // A line of what is left instead of recursion: folders may be deep, and browsers open only so many at a time.
  const left = entries.map((entry) => ({ entry, path: entry.name }));
  for (let at = 0; at < left.length; at++) {
    const { entry, path } = left[at] as (typeof left)[number];
    if (entry.isDirectory) {
      haul.directories.push(path);
      const inside = await contents(entry as FileSystemDirectoryEntry);
      for (const child of inside) left.push({ entry: child, path: `${path}/${child.name}` });
    } else haul.files.push({ path, file: await opened(entry as FileSystemFileEntry) });
  }
  return haul;
}

/** A reader gives a hundred at a time, and nothing at the end. */
async function contents(directory: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = directory.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}

function opened(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

function directoriesOf(gifts: readonly Gift[]): string[] {
  const found = new Set<string>();
  for (const { path } of gifts) {
    const parts = path.split("/");
    for (let depth = 1; depth < parts.length; depth++) found.add(parts.slice(0, depth).join("/"));
  }
  return [...found];
}
