/** A list that the server tells page by page. */

import { batch, signal } from "@preact/signals";
import type { Slice } from "./rest";

export class Pages<T> {
  readonly items = signal<T[]>([]);
  /** Whether there is more to ask for. */
  readonly more = signal(false);
  readonly busy = signal(true);
  readonly problem = signal<string | null>(null);
  private next: number | null = null;
  private question = 0;

  constructor(
    private ask: (cursor: number | null) => Promise<Slice<T>>,
    private readonly key: (item: T) => string | number,
  ) {}

  /** From the start again, with another question perhaps. What was shown stays until the answer is there. */
  restart(ask: (cursor: number | null) => Promise<Slice<T>> = this.ask): Promise<void> {
    this.ask = ask;
    return this.load(null);
  }

  async loadMore(): Promise<void> {
    if (this.next !== null && !this.busy.value) await this.load(this.next);
  }

  /** Put a changed item in the place of the old one, or a new one in front. */
  put(item: T): void {
    const items = this.items.value;
    const known = items.some((one) => this.key(one) === this.key(item));
    this.items.value = known ? items.map((one) => (this.key(one) === this.key(item) ? item : one)) : [item, ...items];
  }

  private async load(cursor: number | null): Promise<void> {
    const question = ++this.question;
    this.busy.value = true;
    try {
      const slice = await this.ask(cursor);
      if (question !== this.question) return; // asked anew meanwhile
      batch(() => {
        this.items.value = cursor === null ? slice.items : this.joined(slice.items);
        this.next = slice.next;
        this.more.value = slice.next !== null;
        this.problem.value = null;
      });
    } catch (error) {
      if (question === this.question) this.problem.value = error instanceof Error ? error.message : String(error);
    }
    if (question === this.question) this.busy.value = false;
  }

  /** What is shown, and what has come; an item that was put in front comes once more with its page. */
  private joined(fresh: T[]): T[] {
    const shown = new Set(this.items.value.map(this.key));
    return [...this.items.value, ...fresh.filter((item) => !shown.has(this.key(item)))];
  }
}
