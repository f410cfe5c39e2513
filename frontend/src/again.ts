/**
 * The program that is to come in the place of one that has ended: asked for by somebody, or by itself.
 *
 * A shell that was lost with what it ran in comes back by itself, as soon as that can be. Until then it is asked for
 * now and then, less and less often; a refusal that will not pass ends that.
 */

import { signal } from "@preact/signals";

const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;
/** A shell that is lost sooner than this is not one that an outage took: it does not come back by itself. */
const SETTLED_MS = 30_000;
/** Refusals after which it may be tried again. */
const PASSING = new Set([
  "engine_unavailable",
  "unavailable",
  "launch_failed", // by an engine that is just going
  "image_missing",
  "disk_full",
  "runtime_busy",
  "rate_limited",
  "shutting_down",
  "store_unavailable",
]);

export class Again {
  /** Whether it comes by itself. */
  readonly waiting = signal(false);
  /** Whether it is being started. */
  readonly starting = signal(false);
  /** Why it could not be started; null where it was not tried, or may work soon. */
  readonly problem = signal<string | null>(null);
  /** Where the answer is to come; null while none is due. */
  channel: number | null = null;
  /** Whether nobody has asked for what is being started. */
  alone = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private wait = FIRST_MS;
  private since = -Infinity;

  constructor(private readonly due: () => void) {}

  /** The program was lost. `now` in milliseconds. */
  lost(now = Date.now()): void {
    if (now - this.since < SETTLED_MS) return;
    this.waiting.value = true;
    this.wait = FIRST_MS;
    this.later();
  }

  /** Try soon: something has changed. */
  now(): void {
    if (this.waiting.value && this.channel === null) this.due();
  }

  /** Try once more, after a while. */
  later(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(), this.wait);
    this.wait = Math.min(this.wait * 2, LONGEST_MS);
  }

  asked(channel: number, alone: boolean): void {
    clearTimeout(this.timer);
    this.alone = alone;
    this.channel = channel;
    this.starting.value = true;
    this.problem.value = null;
  }

  refused(code: string, message: string): void {
    this.unanswered();
    if (this.waiting.value && PASSING.has(code)) return this.later();
    this.waiting.value = false;
    this.problem.value = message;
  }

  /** No answer comes any more: the socket is gone. */
  unanswered(): void {
    this.channel = null;
    this.starting.value = false;
  }

  /** Another program runs in the place of the one that has ended. */
  renewed(now = Date.now()): void {
    this.stop();
    this.since = now;
    this.problem.value = null;
  }

  /** It does not come by itself any more. */
  stop(): void {
    clearTimeout(this.timer);
    this.unanswered();
    this.waiting.value = false;
  }
}
