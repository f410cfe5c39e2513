/**
 * The files of one workspace as rows, one below the other.
 *
 * A directory is listed when it is opened, a page at a time, and listed again when somebody has changed something in it.
 */

import { batch, signal } from "@preact/signals";
import { isDirectory, isMissing, PAGE, type Entry, type Listing } from "./calls";
import { nameOf, parentOf, within, type Place } from "./places";
import type { Hear, Watcher } from "./watches";

/** How long a directory that keeps changing is left alone between two looks. */
const CALM_MS = 300;

export interface Row {
  kind: "entry" | "more" | "problem" | "empty";
  /** Of the entry; of the directory for all other rows. */
  place: Place;
  entry: Entry | null;
  level: number;
  /** Null for what cannot be opened. */
  open: boolean | null;
  busy: boolean;
  /** Which of how many beside it; 0 of 0 for rows that are no entries. */
  position: number;
  count: number;
  text: string;
}

export interface Source {
  list(place: Place, hidden: boolean, after: string | null, limit: number): Promise<Listing>;
  watch(place: Place, hear: Hear): Watcher;
}

interface Folder {
  place: Place;
  entries: Entry[];
  next: string | null;
  problem: string | null;
  /** Whether it has been listed once. */
  known: boolean;
  busy: boolean;
  /** Whether something changed while it was being listed. */
  stale: boolean;
  watcher: Watcher;
  calm?: ReturnType<typeof setTimeout>;
}

export class Tree {
  readonly rows = signal<readonly Row[]>([]);
  /** The row that keys are for. */
  readonly current = signal<Place | null>(null);
  readonly hidden = signal(false);
  private readonly folders = new Map<Place, Folder>();

  constructor(private readonly source: Source) {
    void this.open("");
  }

  /** Open a directory; resolves when its first page is there. */
  async open(place: Place): Promise<void> {
    if (this.folders.has(place)) return;
    const watcher = this.source.watch(place, () => this.changed(place));
    const folder: Folder = {
      place, entries: [], next: null, problem: null, known: false, busy: true, stale: false, watcher,
    };
    this.folders.set(place, folder);
    this.draw();
    await watcher.begun;
    await this.list(folder);
  }

  /** Close a directory and all beneath it. */
  close(place: Place): void {
    for (const folder of [...this.folders.values()]) if (within(folder.place, place)) this.drop(folder);
    if (this.current.value !== null && within(this.current.value, place)) this.current.value = place;
    this.draw();
  }

  toggle(place: Place): void {
    if (this.folders.has(place)) this.close(place);
    else void this.open(place);
  }

  isOpen(place: Place): boolean {
    return this.folders.has(place);
  }

  async more(place: Place): Promise<void> {
    const folder = this.folders.get(place);
    if (!folder || folder.busy || folder.next === null) return;
    folder.busy = true;
    this.draw();
    await this.load(folder, folder.next, PAGE);
  }

  /** Look at a directory anew, if it is open. */
  async refresh(place: Place): Promise<void> {
    const folder = this.folders.get(place);
    if (!folder) return;
    if (folder.busy) folder.stale = true;
    else await this.list(folder);
  }

  refreshAll(): void {
    for (const place of this.folders.keys()) void this.refresh(place);
  }

  showHidden(on: boolean): void {
    this.hidden.value = on;
    this.refreshAll();
  }

  /** Open what is above a file, and make it the current row. */
  async reveal(place: Place): Promise<void> {
    const parts = place.split("/");
    for (let depth = 1; depth < parts.length; depth++) await this.open(parts.slice(0, depth).join("/"));
    this.current.value = place;
  }

  entry(place: Place): Entry | null {
    return this.folders.get(parentOf(place))?.entries.find((entry) => entry.place === place) ?? null;
  }

  /** The names in a directory, as far as they are known. */
  names(place: Place): Set<string> {
    return new Set(this.folders.get(place)?.entries.map(({ name }) => name));
  }

  dispose(): void {
    for (const folder of [...this.folders.values()]) this.drop(folder);
    this.rows.value = [];
  }

  private changed(place: Place): void {
    const folder = this.folders.get(place);
    if (!folder) return;
    if (folder.calm !== undefined) folder.stale = true;
    else void this.refresh(place);
  }

  private async list(folder: Folder): Promise<void> {
    folder.busy = true;
    folder.stale = false;
    clearTimeout(folder.calm);
    folder.calm = setTimeout(() => {
      folder.calm = undefined;
      if (folder.stale) void this.refresh(folder.place);
    }, CALM_MS);
    await this.load(folder, null, Math.max(PAGE, folder.entries.length));
  }

  private async load(folder: Folder, after: string | null, limit: number): Promise<void> {
    try {
      let listing = await this.source.list(folder.place, this.hidden.value, after, Math.min(limit, PAGE));
      let items = after === null ? listing.items : [...folder.entries, ...listing.items];
      while (items.length < limit && listing.next !== null && after === null) {
        listing = await this.source.list(folder.place, this.hidden.value, listing.next, PAGE);
        items = [...items, ...listing.items];
      }
      const whole = listing.next === null && items.length <= PAGE;
      Object.assign(folder, { entries: whole ? sorted(items) : items, next: listing.next, problem: null, known: true });
      if (folder.place === "" && this.current.value === null) this.current.value = folder.entries[0]?.place ?? null;
    } catch (error) {
      if (this.folders.get(folder.place) !== folder) return;
      if (isMissing(error) && folder.place !== "") return this.close(folder.place);
      folder.problem = error instanceof Error ? error.message : String(error);
    }
    if (this.folders.get(folder.place) !== folder) return;
    folder.busy = false;
    this.forgetMissing(folder);
    this.draw();
    if (folder.stale && folder.calm === undefined) void this.list(folder);
  }

  /** Directories that were open and are no longer there. */
  private forgetMissing(folder: Folder): void {
    if (folder.next !== null || folder.problem !== null) return;
    const there = new Set(folder.entries.map(({ place }) => place));
    for (const child of [...this.folders.values()]) {
      if (child.place !== "" && parentOf(child.place) === folder.place && !there.has(child.place)) {
        for (const one of [...this.folders.values()]) if (within(one.place, child.place)) this.drop(one);
      }
    }
    const current = this.current.value;
    if (current === null || current === folder.place || !within(current, folder.place)) return;
    const depth = folder.place === "" ? 0 : folder.place.split("/").length;
    const top = current.split("/").slice(0, depth + 1).join("/");
    if (!there.has(top)) this.current.value = this.neighbour(top);
  }

  /** The row that takes the place of one that has gone. */
  private neighbour(place: Place): Place | null {
    const shown = this.rows.value.filter((row) => row.kind === "entry").map((row) => row.place);
    const at = shown.indexOf(place);
    const staying = (one: Place | undefined): one is Place => one !== undefined && !within(one, place);
    return [...shown.slice(at + 1), ...shown.slice(0, Math.max(0, at)).reverse()].find(staying) ?? null;
  }

  private drop(folder: Folder): void {
    clearTimeout(folder.calm);
    folder.watcher.stop();
    this.folders.delete(folder.place);
  }

  private draw(): void {
    const rows: Row[] = [];
    const root = this.folders.get("");
    if (root) this.fill(rows, root, 1);
    batch(() => (this.rows.value = rows));
  }

  private fill(rows: Row[], folder: Folder, level: number): void {
    const count = folder.entries.length;
    const none = { entry: null, level, open: null, position: 0, count: 0, place: folder.place };
    folder.entries.forEach((entry, at) => {
      const inside = this.folders.get(entry.place);
      const open = isDirectory(entry) ? inside !== undefined : null;
      const busy = inside?.known === false && inside.problem === null;
      rows.push({ kind: "entry", place: entry.place, entry, level, open, busy, position: at + 1, count, text: entry.name });
      if (inside) this.fill(rows, inside, level + 1);
    });
    if (folder.problem) rows.push({ ...none, kind: "problem", busy: false, text: folder.problem });
    else if (folder.next !== null) rows.push({ ...none, kind: "more", busy: folder.busy, text: "More…" });
    else if (folder.known && count === 0 && folder.place !== "") rows.push({ ...none, kind: "empty", busy: false, text: "Nothing in here" });
  }
}

/** Directories first, then by name as people count: `2` before `10`. */
function sorted(entries: Entry[]): Entry[] {
  const order = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const rank = (entry: Entry): number => (isDirectory(entry) ? 0 : 1);
  return entries.sort(
    (one, other) => rank(one) - rank(other) || order.compare(one.name, other.name) || (nameOf(one.place) < nameOf(other.place) ? -1 : 1),
  );
}
