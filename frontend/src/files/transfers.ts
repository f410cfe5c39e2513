/** Uploads under way: a few at a time, each of which can be cancelled, and goes on after the network was away. */

import { batch, signal } from "@preact/signals";
import { Refusal } from "../api";

export type Progress = "waiting" | "running" | "paused" | "done" | "failed" | "cancelled";

/** What an upload does, step by step. */
export interface Work {
  title: string;
  /** In bytes. */
  size: number;
  /**
   * Go on from where it is. Throws what was refused, and what `signal` was aborted with. Called again after a failure.
   */
  run(signal: AbortSignal, sent: (bytes: number) => void): Promise<void>;
  /** Take back what is on the server and not complete. */
  forget(): Promise<void>;
}

const AT_ONCE = 2;
const TRIES = 4;
/** What a server says that stops, and a proxy in front of one that has stopped. */
const AWAY = new Set([502, 503, 504]);

let keys = 0;

export class Transfer {
  readonly key = ++keys;
  readonly progress = signal<Progress>("waiting");
  readonly sent = signal(0);
  readonly problem = signal<string | null>(null);
  stop = new AbortController();
  /** Resolves when what was under way is no longer. */
  ended: Promise<void> = Promise.resolve();
  constructor(
    readonly work: Work,
    readonly over: () => void,
  ) {}

  get unfinished(): boolean {
    return ["waiting", "running", "paused"].includes(this.progress.value);
  }
}

export class Transfers {
  readonly all = signal<readonly Transfer[]>([]);
  private running = 0;

  /** `pause` waits for seconds that a server asked for. */
  constructor(private readonly pause: (seconds: number, signal: AbortSignal) => Promise<void> = waited) {}

  /** `over` is called when it is complete, failed or cancelled. */
  add(work: Work, over: () => void = () => undefined): Transfer {
    const transfer = new Transfer(work, over);
    this.all.value = [...this.all.value, transfer];
    this.next();
    return transfer;
  }

  cancel(transfer: Transfer): void {
    if (!transfer.unfinished && transfer.progress.value !== "failed") return;
    transfer.progress.value = "cancelled";
    transfer.stop.abort();
    // Only then is it known what is on the server. What cannot be taken back now expires there.
    void transfer.ended.then(() => transfer.work.forget()).catch(() => undefined);
    transfer.over();
  }

  /** Go on with what was paused, or try again what failed. */
  resume(transfer: Transfer): void {
    if (transfer.progress.value !== "paused" && transfer.progress.value !== "failed") return;
    batch(() => {
      transfer.progress.value = "waiting";
      transfer.problem.value = null;
    });
    this.next();
  }

  /** The network is back. */
  resumeAll(): void {
    for (const transfer of this.all.value) if (transfer.progress.value === "paused") this.resume(transfer);
  }

  /** Take what is over out of the list. */
  clear(): void {
    this.all.value = this.all.value.filter((transfer) => transfer.unfinished);
  }

  /** Stop everything and forget it. */
  dispose(): void {
    for (const transfer of this.all.value) {
      transfer.progress.value = "cancelled";
      transfer.stop.abort();
    }
    this.all.value = [];
  }

  private next(): void {
    while (this.running < AT_ONCE) {
      const transfer = this.all.value.find((one) => one.progress.value === "waiting");
      if (!transfer) return;
      this.running += 1;
      transfer.progress.value = "running";
      transfer.ended = this.run(transfer).finally(() => {
        this.running -= 1;
        this.next();
      });
    }
  }

  private async run(transfer: Transfer): Promise<void> {
    transfer.stop = new AbortController();
    const { signal } = transfer.stop;
    for (let tries = 1; ; tries++) {
      try {
        await transfer.work.run(signal, (bytes) => (transfer.sent.value = Math.min(bytes, transfer.work.size)));
        return this.end(transfer, "done", null);
      } catch (error) {
        if (signal.aborted) return;
        const wait = error instanceof Refusal ? error.retryAfter : null;
        if (wait !== null && tries < TRIES) {
          transfer.problem.value = `The server asks to wait ${wait} s.`;
          await this.pause(wait, signal);
          if (signal.aborted) return;
          transfer.problem.value = null;
          continue;
        }
        const away = error instanceof Refusal && (error.code === "unreachable" || AWAY.has(error.status));
        return this.end(transfer, away ? "paused" : "failed", error instanceof Error ? error.message : String(error));
      }
    }
  }

  private end(transfer: Transfer, progress: Progress, problem: string | null): void {
    batch(() => {
      transfer.progress.value = progress;
      transfer.problem.value = problem;
      if (progress === "done") transfer.sent.value = transfer.work.size;
    });
    if (progress !== "paused") transfer.over();
  }
}

function waited(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((over) => {
    const timer = setTimeout(over, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      over();
    });
  });
}
