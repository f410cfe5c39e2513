/**
 * What is seen of runtimes while somebody looks: what their programs use, and on which ports they listen.
 *
 * One watch of the server's for each workspace, however many parts of the page want it; taken again on each new socket.
 */

import { batch, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { RuntimeStatsMessage, ServerMessage } from "../protocol.gen";

/** What is known of one workspace's runtime. */
export interface Look {
  readonly stats: ReadonlySignal<RuntimeStatsMessage | null>;
  /** From the lowest. */
  readonly ports: ReadonlySignal<readonly number[]>;
}

export interface Wire {
  /** Have a workspace's runtime told from now on. Rejects with a `Refusal`. */
  watch(workspace: string): Promise<unknown>;
  unwatch(workspace: string): void;
}

class Seen implements Look {
  readonly stats: Signal<RuntimeStatsMessage | null> = signal(null);
  readonly ports: Signal<readonly number[]> = signal([]);
  /** How many want to see it. */
  lookers = 0;
  /** What the server has been asked: one question at a time, so that it cannot take them in another order. */
  watch: "none" | "asked" | "granted" | "refused" = "none";

  clear(): void {
    batch(() => {
      this.stats.value = null;
      this.ports.value = [];
    });
  }
}

export class Looking {
  private readonly all = new Map<string, Seen>();
  private connected = false;

  constructor(private readonly wire: Wire) {}

  /** What is seen; empty until somebody has begun to look. */
  at(workspace: string): Look {
    return this.seen(workspace);
  }

  /** Look until the answer is called. */
  begin(workspace: string): () => void {
    const seen = this.seen(workspace);
    seen.lookers += 1;
    if (seen.watch === "refused") seen.watch = "none";
    this.settle(workspace, seen);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      seen.lookers -= 1;
      this.settle(workspace, seen);
    };
  }

  /** A fresh socket. */
  ready(): void {
    this.connected = true;
    for (const [workspace, seen] of this.all) {
      seen.watch = "none";
      seen.clear();
      this.settle(workspace, seen);
    }
  }

  lost(): void {
    this.connected = false;
  }

  /** Whether the message was about what is seen here. */
  message(message: ServerMessage): boolean {
    if (message.type === "runtime_stats") this.seen(message.workspace).stats.value = message;
    else if (message.type === "port_opened") this.opened(message.workspace, message.port);
    else if (message.type === "port_closed") this.closed(message.workspace, message.port);
    else return false;
    return true;
  }

  /** Nothing runs there any more. Of ports the server tells so itself. */
  ended(workspace: string): void {
    this.seen(workspace).stats.value = null;
  }

  forget(): void {
    for (const seen of this.all.values()) seen.clear();
  }

  private seen(workspace: string): Seen {
    let seen = this.all.get(workspace);
    if (!seen) this.all.set(workspace, (seen = new Seen()));
    return seen;
  }

  /** Have the server tell what is wanted, and no more. */
  private settle(workspace: string, seen: Seen): void {
    if (!this.connected) return;
    if (seen.lookers > 0 && seen.watch === "none") void this.ask(workspace, seen);
    if (seen.lookers === 0 && seen.watch === "granted") {
      seen.watch = "none";
      this.wire.unwatch(workspace);
      seen.clear();
    }
  }

  private async ask(workspace: string, seen: Seen): Promise<void> {
    seen.watch = "asked";
    try {
      await this.wire.watch(workspace);
      seen.watch = "granted";
    } catch {
      seen.watch = "refused"; // until somebody looks anew, or there is another socket
    }
    this.settle(workspace, seen);
  }

  private opened(workspace: string, port: number): void {
    const seen = this.seen(workspace);
    if (seen.lookers === 0 || seen.ports.value.includes(port)) return;
    seen.ports.value = [...seen.ports.value, port].sort((one, other) => one - other);
  }

  private closed(workspace: string, port: number): void {
    const seen = this.seen(workspace);
    seen.ports.value = seen.ports.value.filter((one) => one !== port);
  }
}
