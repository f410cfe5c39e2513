/** The workspaces that somebody sees, which of them is shown, and how their runtimes are. */

import { batch, computed, signal } from "@preact/signals";
import { Refusal } from "./api";
import type { RuntimeMessage } from "./protocol.gen";
import type { Rest, RuntimeInfo, Workspace } from "./rest";
import { told, type Runtime } from "./runtimes/states";

const MOST_PAGES = 10;

export class Workspaces {
  readonly all = signal<readonly Workspace[]>([]);
  /** Whether the list has come once. */
  readonly known = signal(false);
  /** The one that is shown; null where programs run in none. */
  readonly chosen = signal<string | null>(null);
  readonly current = computed(() => this.all.value.find(({ id }) => id === this.chosen.value) ?? null);
  /** Whether the one that was shown has been deleted, or may not be seen any more. */
  readonly lost = computed(() => this.known.value && this.chosen.value !== null && this.current.value === null);
  /** Whether one may change something in it. */
  readonly writable = computed(() => this.current.value !== null && this.current.value.role !== "read");
  readonly runtimes = signal<ReadonlyMap<string, Runtime>>(new Map());

  constructor(
    private readonly rest: Rest,
    /** A workspace that was shown is no longer there. */
    private readonly gone: (workspace: string) => void,
  ) {}

  /** Ask for the one that is shown, where it is not known. */
  async meet(): Promise<void> {
    const { value: chosen } = this.chosen;
    if (!this.known.value || chosen === null || this.current.value !== null) return;
    try {
      this.put(await this.rest.workspace(chosen));
    } catch (error) {
      if (error instanceof Refusal && error.status === 404 && this.chosen.value === chosen) this.gone(chosen);
    }
  }

  /** Ask for all of them. Throws `Refusal`. */
  async load(): Promise<void> {
    const all: Workspace[] = [];
    let after: number | null = null;
    for (let page = 0; page < MOST_PAGES; page++) {
      const slice: Awaited<ReturnType<Rest["workspaces"]>> = await this.rest.workspaces(after);
      all.push(...slice.items);
      after = slice.next;
      if (after === null) break;
    }
    batch(() => {
      this.all.value = all;
      this.known.value = true;
    });
  }

  /** A changed one in the place of the old one, or a new one in front. */
  put(workspace: Workspace): void {
    const rest = this.all.value.filter(({ id }) => id !== workspace.id);
    const at = this.all.value.findIndex(({ id }) => id === workspace.id);
    this.all.value = at < 0 ? [workspace, ...rest] : [...rest.slice(0, at), workspace, ...rest.slice(at)];
  }

  remove(workspace: string): void {
    if (this.chosen.value === workspace) this.gone(workspace);
    this.all.value = this.all.value.filter(({ id }) => id !== workspace);
  }

  /** What the server says of a runtime, by itself or because it was asked. */
  runtime(message: RuntimeMessage | RuntimeInfo): void {
    const { workspace } = message;
    this.runtimes.value = new Map(this.runtimes.value).set(workspace, told(this.runtimes.value.get(workspace), message));
  }

  forget(): void {
    batch(() => {
      this.all.value = [];
      this.known.value = false;
      this.chosen.value = null;
      this.runtimes.value = new Map();
    });
  }
}
