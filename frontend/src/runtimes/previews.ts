/** The preview beside the terminals: what a program of the workspace shows on one of its ports. */

import { batch, computed, effect, signal, untracked, type ReadonlySignal } from "@preact/signals";
import { address } from "../api";
import type { Look } from "./looking";

/** Where what listens on a port is seen by who is signed in: the server leads on from there. */
export function previewAddress(workspace: string, port: number): string {
  return address(`/preview/${encodeURIComponent(workspace)}/${port}/`).href;
}

export class Preview {
  readonly address: string;
  /** Grows with each time that it is to be loaded anew. */
  readonly round = signal(0);
  /** Whether somebody listens. */
  readonly up: ReadonlySignal<boolean>;
  /** Whether there is something to see: what was loaded stays when nobody listens any more. */
  readonly loaded = signal(false);
  private readonly stop: () => void;

  constructor(
    readonly workspace: string,
    readonly port: number,
    around: Around,
  ) {
    this.address = previewAddress(workspace, port);
    const look = around.look(workspace);
    this.up = computed(() => look.ports.value.includes(port));
    let before = true;
    // A program that was started again shows itself again.
    const follow = effect(() => {
      const up = this.up.value;
      if (up && !before) untracked(() => this.reload());
      before = up;
      if (up) this.loaded.value = true;
    });
    const leave = around.begin(workspace);
    this.stop = () => {
      follow();
      leave();
    };
  }

  reload(): void {
    batch(() => {
      this.round.value += 1;
      this.loaded.value = this.up.value;
    });
  }

  close(): void {
    this.stop();
  }
}

export interface Around {
  look(workspace: string): Look;
  /** Look until the answer is called. */
  begin(workspace: string): () => void;
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
      before.reload();
      return before;
    }
    const preview = new Preview(workspace, port, this.around);
    this.all.value = new Map(this.all.value).set(workspace, preview);
    before?.close();
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
