/** The preview beside the terminals: what a program of the workspace shows on one of its ports. */

import { batch, computed, effect, signal, untracked, type ReadonlySignal, type Signal } from "@preact/signals";
import { address } from "../api";
import type { PreviewInfo } from "../rest";
import type { Look } from "./looking";

/** Milliseconds between two questions about a preview that is open. Asking keeps it good for an hour. */
const KEEP = 600_000;

/** Milliseconds in which a fresh socket has told what listens. */
const SETTLED = 10_000;

/** Where what listens on a port is seen by who is signed in: the server leads on from there. `target` is a path there. */
export function previewAddress(workspace: string, port: number, target = "/"): string {
  return address(`/preview/${encodeURIComponent(workspace)}/${port}`).href + target;
}

export class Preview {
  /** What the frame is to load. */
  readonly address: Signal<string>;
  /** The app's path and query where the frame is, as far as the server has seen it go there. */
  readonly at = signal("/");
  /** Grows with each time that it is to be loaded anew. */
  readonly round = signal(0);
  /** Whether somebody listens. */
  readonly up: ReadonlySignal<boolean>;
  /** Whether there is something to see: what was loaded stays when nobody listens any more. */
  readonly loaded = signal(false);
  private readonly stop: () => void;
  /** The app's own origin, with a slash, where it is known to have one. */
  private own: string | null = null;
  private reloads = 0;
  /** When the last page was asked for of which we have heard. */
  private heard = 0;
  /** It has been loaded anew because there was no pass, and there has been none since. */
  private renewed = false;
  private settled = 0;
  private over = false;

  constructor(
    readonly workspace: string,
    readonly port: number,
    private readonly around: Around,
  ) {
    this.address = signal(previewAddress(workspace, port));
    const look = around.look(workspace);
    this.up = computed(() => look.ports.value.includes(port));
    let before = true;
    // A program that was started again shows itself again.
    const follow = effect(() => {
      const up = this.up.value;
      if (up && !before && performance.now() > this.settled) untracked(() => this.reload());
      before = up;
      if (up) this.loaded.value = true;
    });
    const leave = around.begin(workspace);
    const keeping = setInterval(() => void this.check(), KEEP);
    this.stop = () => {
      clearInterval(keeping);
      follow();
      leave();
    };
  }

  /** Load it again where it is. */
  reload(): void {
    if (this.own === null || !this.loaded.value || !this.up.value) {
      this.begin();
      return;
    }
    // There, and in the same frame, an app's own scripts may have led it on, which a page of that origin is told.
    const to = encodeURIComponent(this.at.value);
    this.reloads += 1;
    this.address.value = `${this.own}.webterm/again?to=${to}&round=${this.reloads}`;
  }

  /** Load it in a new frame, with a good pass. */
  private begin(): void {
    batch(() => {
      this.address.value = previewAddress(this.workspace, this.port, this.at.value);
      this.round.value += 1;
      this.loaded.value = this.up.value;
    });
  }

  /** Load its first page. */
  restart(): void {
    this.at.value = "/";
    this.begin();
  }

  /** There is a fresh socket, on which it is told anew what listens: that is no reason to load anything. */
  ready(): void {
    this.settled = performance.now() + SETTLED;
    void this.check();
  }

  /** See whether it can go on, and give it another pass where it cannot. */
  async check(): Promise<void> {
    await this.ask();
  }

  /** The frame has loaded a page: learn which. */
  async landed(): Promise<void> {
    const info = await this.ask();
    if (!info) return;
    const fresh = info.shown.filter((page) => page.at > this.heard);
    this.heard = info.shown.at(-1)?.at ?? 0;
    // Pages in frames of its own come after the page that has them.
    if (fresh[0]) this.at.value = fresh[0].target;
  }

  /** What the server knows, if that is still about what is shown now. */
  private async ask(): Promise<PreviewInfo | null> {
    if (!this.loaded.value) return null;
    const round = this.round.value;
    const info = await this.around.where(this.workspace, this.port).catch(() => null);
    if (info === null || this.over || round !== this.round.value) return null;
    this.own = info.isolated ? info.url : null;
    if (info.open) this.renewed = false;
    else if (!this.renewed) {
      this.renewed = true;
      this.begin();
    }
    return info;
  }

  close(): void {
    this.over = true;
    this.stop();
  }
}

export interface Around {
  look(workspace: string): Look;
  /** Look until the answer is called. */
  begin(workspace: string): () => void;
  /** What the server knows of a port's preview. */
  where(workspace: string, port: number): Promise<PreviewInfo>;
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
      before.restart();
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

  /** A fresh socket, maybe of another server, which knows nothing of passes that the one before has given. */
  ready(): void {
    for (const preview of this.all.value.values()) preview.ready();
  }

  forget(): void {
    const all = [...this.all.value.values()];
    this.all.value = new Map();
    for (const preview of all) preview.close();
  }
}
