/** What one can do with the files of the workspace that is shown. */

import { signal } from "@preact/signals";
import { type Api } from "../api";
import { routeOf, type Entry, type FileCalls } from "./calls";
import type { Haul } from "./dropping";
import { joined, moved, parentOf, type Place } from "./places";
import { Tree } from "./tree";
import type { Transfers } from "./transfers";
import { topNames, worksFor, type Notebook } from "./uploads";
import type { Watches } from "./watches";

export interface Around {
  calls: FileCalls;
  api: Api;
  watches: Watches;
  transfers: Transfers;
  notes: Notebook;
  /** A file has another name. */
  renamed(source: Place, target: Place): void;
}

export class Shelf {
  readonly tree: Tree;
  readonly searching = signal(false);

  constructor(
    readonly workspace: string,
    private readonly around: Around,
  ) {
    const { calls, watches } = around;
    this.tree = new Tree({
      list: (place, hidden, after, limit) => calls.list(workspace, place, hidden, after, limit),
      watch: (place, hear) => watches.watch(workspace, place, hear),
    });
  }

  async makeFile(directory: Place, name: string): Promise<Place> {
    const place = joined(directory, name);
    await this.around.calls.write(this.workspace, place, new Uint8Array(), null);
    await this.show(place);
    return place;
  }

  async makeDirectory(directory: Place, name: string): Promise<void> {
    const place = joined(directory, name);
    await this.around.calls.makeDirectory(this.workspace, place);
    await this.show(place);
  }

  /** Move or rename. Throws `already_exists`, unless it may be replaced. */
  async move(source: Place, target: Place, overwrite = false): Promise<void> {
    if (source === target) return;
    await this.around.calls.move(this.workspace, source, target, overwrite);
    const wasOpen = this.tree.isOpen(source);
    this.tree.close(source);
    this.around.renamed(source, target);
    await this.tree.refresh(parentOf(source));
    await this.show(target);
    if (wasOpen) await this.tree.open(target);
  }

  moveInto(source: Place, directory: Place): Promise<void> {
    return this.move(source, moved(source, directory));
  }

  /** A copy beside it, under a name that is free. */
  async duplicate(entry: Entry): Promise<void> {
    const directory = parentOf(entry.place);
    const target = joined(directory, freeName(entry.name, this.tree.names(directory)));
    await this.around.calls.copy(this.workspace, entry.place, target);
    await this.show(target);
  }

  async setExecutable(entry: Entry, executable: boolean): Promise<void> {
    await this.around.calls.setExecutable(this.workspace, entry.place, executable);
    await this.tree.refresh(parentOf(entry.place));
  }

  async remove(place: Place): Promise<void> {
    await this.around.calls.remove(this.workspace, place);
    await this.tree.refresh(parentOf(place));
  }

  search(query: string, content: boolean) {
    return this.around.calls.search(this.workspace, "", query, content, this.tree.hidden.value);
  }

  /** Which names of what is to be uploaded are there already. */
  async clashes(directory: Place, haul: Haul): Promise<string[]> {
    const names = topNames(haul);
    const found = await Promise.all(
      names.slice(0, MOST_ASKED).map((name) => this.around.calls.stat(this.workspace, joined(directory, name)).then(
        () => name,
        () => null,
      )),
    );
    return found.filter((name) => name !== null);
  }

  /** Send what was dropped. Directories are merged with those that are there. */
  async upload(directory: Place, haul: Haul, overwrite: boolean): Promise<void> {
    const { api, transfers, notes, calls } = this.around;
    const target = { workspace: this.workspace, directory, overwrite };
    const seen = (): void => void this.tree.refresh(directory);
    for (const work of worksFor(api, target, haul.files, notes)) transfers.add(work, seen);
    const full = new Set(haul.files.flatMap(({ path }) => parents(path)));
    for (const path of haul.directories) {
      if (full.has(path)) continue; // made with its files
      await calls.makeDirectory(this.workspace, path.split("/").reduce(joined, directory), true);
    }
    await this.tree.open(directory);
    seen();
  }

  /** Where a file, or a directory as a zip, can be had. */
  source(entry: Pick<Entry, "place" | "kind"> | null): string {
    const file = entry !== null && entry.kind !== "directory";
    return routeOf(this.workspace, file ? "files" : "archive", entry?.place ?? "");
  }

  dispose(): void {
    this.tree.dispose();
  }

  private async show(place: Place): Promise<void> {
    await this.tree.refresh(parentOf(place));
    await this.tree.reveal(place);
  }
}

/** More names than that are not looked for; the server refuses what is there. */
const MOST_ASKED = 200;

/** `a.txt` becomes `a copy.txt`, and `a copy 2.txt` where that is taken. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  const dot = name.lastIndexOf(".");
  const [stem, ending] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  for (let number = 1; ; number++) {
    const free = `${stem} copy${number === 1 ? "" : ` ${number}`}${ending}`;
    if (!taken.has(free)) return free;
  }
}

function parents(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, depth) => parts.slice(0, depth + 1).join("/"));
}
