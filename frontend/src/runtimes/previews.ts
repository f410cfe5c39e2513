/** The preview beside the terminals: what a program of the workspace shows on one of its ports. */

import { batch, computed, effect, signal, untracked, type ReadonlySignal } from "@preact/signals";
import type { Look } from "./looking";

export class Preview {
  /** Where it is; null while that is being asked. */
  readonly address = signal<string | null>(null);
  readonly problem = signal<string | null>(null);
  /** Grows with each time that it is to be loaded anew. */
  readonly round = signal(0);
  /** Whether somebody listens. */
  readonly up: ReadonlySignal<boolean>;
  private readonly stop: () => void;

  constructor(
    readonly workspace: string,
    readonly port: number,
    private readonly around: Around,
  ) {
    const look = around.look(workspace);
    this.up = computed(() => look.ports.value.includes(port));
    let was: boolean | null = null;
    // A program that was started again shows itself again.
    const follow = effect(() => {
      const up = this.up.value;
      if (up && was === false) untracked(() => this.reload());
      was = up;
    });
    const leave = around.begin(workspace);
    this.stop = () => {
      follow();
      leave();
    };
  }

  async reload(): Promise<void> {
    try {
      const address = await this.around.address(this.workspace, this.port);
      batch(() => {
        this.address.value = address;
        this.problem.value = null;
        this.round.value += 1;
      });
    } catch (error) {
      this.problem.value = error instanceof Error ? error.message : String(error);
    }
  }

  close(): void {
    this.stop();
  }
}

export interface Around {
  look(workspace: string): Look;
  /** Look until the answer is called. */
  begin(workspace: string): () => void;
  /** Where the preview of a port is. Rejects with a `Refusal`. */
  address(workspace: string, port: number): Promise<string>;
}

export class Previews {
  private readonly all = signal<ReadonlyMap<string, Preview>>(new Map());
  /** The one of the workspace that is shown. */
  readonly shown = computed(() => this.all.value.get(this.workspace.value ?? "") ?? null);

  constructor(
    private readonly workspace: ReadonlySignal<string | null>,
    private readonly around: Around,
  ) {}

  /** Show a port of a workspace, in the place of the one before. */
  open(workspace: string, port: number): Preview {
    const before = this.all.value.get(workspace);
    if (before?.port === port) {
      void before.reload();
      return before;
    }
    const preview = new Preview(workspace, port, this.around);
    this.all.value = new Map(this.all.value).set(workspace, preview);
    before?.close();
    void preview.reload();
    return preview;
  }

  close(workspace: string): void {
    const before = this.all.value.get(workspace);
    if (!before) return;
    const rest = new Map(this.all.value);
    rest.delete(workspace);
    this.all.value = rest;
    before.close();
  }

  forget(): void {
    const all = [...this.all.value.values()];
    this.all.value = new Map();
    for (const preview of all) preview.close();
  }
}
