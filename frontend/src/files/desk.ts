/** The files that are open for editing, and which of them is in front of the terminals. */

import { batch, computed, signal, type ReadonlySignal } from "@preact/signals";
import { OpenFile, type Disk } from "./open_file";
import { within, type Place } from "./places";

export class Desk {
  readonly files = signal<readonly OpenFile[]>([]);
  /** Those of the workspace that is shown. */
  readonly shown = computed(() => this.files.value.filter(({ workspace }) => workspace === this.workspace.value));
  /** The one that lies over the terminals; null where none does. */
  readonly front = computed(() => {
    const file = this.fronts.value.get(this.workspace.value);
    return file && this.shown.value.includes(file) ? file : null;
  });
  readonly dirty = computed(() => this.files.value.some((file) => file.dirty.value));
  private readonly fronts = signal<ReadonlyMap<string | null, OpenFile | null>>(new Map());

  constructor(
    private readonly workspace: ReadonlySignal<string | null>,
    private readonly disk: (workspace: string) => Disk,
  ) {}

  /** Open a file of the workspace that is shown, or take it to the front if it is open. `line` counts from 1. */
  open(place: Place, line: number | null = null): OpenFile | null {
    const { value: workspace } = this.workspace;
    if (workspace === null) return null;
    let file = this.shown.value.find((one) => one.place.value === place);
    if (!file) {
      file = new OpenFile(workspace, place, this.disk(workspace));
      this.files.value = [...this.files.value, file];
      void file.load();
    }
    file.goal.value = line;
    this.show(file);
    return file;
  }

  /** Take a file to the front; null shows the terminals. */
  show(file: OpenFile | null): void {
    this.fronts.value = new Map(this.fronts.value).set(this.workspace.value, file);
  }

  /** Close it, with all changes that are not saved. */
  close(file: OpenFile): void {
    const shown = this.shown.value;
    const at = shown.indexOf(file);
    batch(() => {
      if (this.front.value === file) this.show(shown[at + 1] ?? shown[at - 1] ?? null);
      this.files.value = this.files.value.filter((one) => one !== file);
    });
    file.close();
  }

  /** A file, or a directory with files in it, has another name. */
  moved(workspace: string, source: Place, target: Place): void {
    for (const file of this.files.value) {
      const place = file.place.value;
      if (file.workspace === workspace && within(place, source)) file.renamed(target + place.slice(source.length));
    }
  }

  forget(): void {
    const files = this.files.value;
    batch(() => {
      this.files.value = [];
      this.fronts.value = new Map();
    });
    for (const file of files) file.close();
  }
}
