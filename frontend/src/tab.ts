/** One terminal as the page shows it. */

import { signal } from "@preact/signals";
import { Again } from "./again";
import { Attachment, type Phase, type Size, type Whereabouts } from "./attachment";
import type { Emulator } from "./feed";
import type { OutputFrame } from "./frames";
import { InputQueue } from "./input";
import {
  MAX_COLS,
  MAX_ROWS,
  type AttachedMessage,
  type ClientMessage,
  type ExitedMessage,
  type ResizedMessage,
  type SkippedMessage,
  type TerminalInfo,
  type ViewerInfo,
} from "./protocol.gen";
import { cleanTitle } from "./titles";

/** What a tab needs of the socket. */
export interface Wire {
  connected(): boolean;
  send(message: ClientMessage): boolean;
  input(channel: number, data: Uint8Array): boolean;
  fence(done: () => void): void;
}

/** What shows a terminal: in the page, xterm.js and the element around it. */
export interface Pane {
  readonly emulator: Emulator;
  show(): void;
  hide(): void;
  focus(): void;
  /** The size that would fill the place there is; null while nothing can be measured. */
  propose(): Size | null;
  /** Whether the terminal is larger than its place, by somebody else's wish. */
  scrollable(on: boolean): void;
  dispose(): void;
}

export interface Keys {
  input(data: Uint8Array): void;
  answer(data: string): void;
}

export type MakePane = (keys: Keys) => Pane;

export interface Sending {
  waiting: number;
  total: number;
}

const ENTER = 0x0d;

let keys = 0;

export class Tab {
  readonly key = ++keys;
  readonly title = signal("");
  /** The workspace that its program runs in. */
  readonly workspace = signal<string | null>(null);
  readonly phase = signal<Phase>("detached");
  /** How the program ended, in words; null while it runs. */
  readonly ended = signal<string | null>(null);
  /** Whether it is gone with what it ran in: nobody knows how it ended. */
  readonly isLost = signal(false);
  readonly again: Again;
  readonly activity = signal(false);
  readonly viewers = signal<ViewerInfo[]>([]);
  readonly size = signal<Size>({ cols: 80, rows: 24 });
  /** The size that this page would like. */
  readonly wanted = signal<Size | null>(null);
  /** Whether this page's size and answers count. */
  readonly lead = signal(false);
  readonly readOnly = signal(false);
  readonly sending = signal<Sending>({ waiting: 0, total: 0 });
  readonly pane: Pane;
  readonly attachment: Attachment;
  private readonly queue: InputQueue;
  /** What runs its program, as far as known. */
  driver: string | null = null;
  /** Whether it is a shell, not a program that somebody asked for. */
  private shell = true;
  private viewer: number | null = null;
  private asked: Size | null = null;

  constructor(
    private readonly wire: Wire,
    makePane: MakePane,
    private readonly hint: (text: string) => void,
    /** Start another program in the place of the one that has ended; `alone`: nobody has asked for it. */
    private readonly startAgain: (tab: Tab, alone: boolean) => void,
  ) {
    this.again = new Again(() => startAgain(this, true));
    this.pane = makePane({ input: (data) => this.input(data), answer: (data) => this.attachment.answer(data) });
    this.attachment = new Attachment(
      this.pane.emulator,
      (message) => void wire.send(message),
      (count) => hint(`${Math.max(1, Math.round(count / 1024))} KiB of output were skipped`),
    );
    this.queue = new InputQueue(
      { send: (data) => this.sendInput(data), fence: () => this.fence() },
      () => (this.sending.value = { waiting: this.queue.waiting, total: this.queue.total }),
    );
    this.queue.pause();
  }

  describe(info: TerminalInfo): void {
    this.attachment.terminal = info.id;
    this.title.value = cleanTitle(info.title);
    this.workspace.value = info.workspace ?? null;
    this.size.value = { cols: info.cols, rows: info.rows };
    this.driver = info.driver;
    this.shell = info.argv.length === 0;
    if (info.state === "exited") this.exited(info);
  }

  open(channel: number, size: Size, where: Whereabouts): void {
    this.queue.pause();
    this.workspace.value = where.workspace ?? null;
    this.attachment.open(channel, size, where);
    this.phase.value = this.attachment.phase;
  }

  attach(channel: number, size?: Size | null): void {
    this.queue.pause();
    this.attachment.attach(channel, size);
    this.phase.value = this.attachment.phase;
  }

  attached(message: AttachedMessage): void {
    this.attachment.attached(message);
    this.phase.value = this.attachment.phase;
    this.title.value = cleanTitle(message.title);
    this.workspace.value = message.workspace ?? null;
    this.driver = message.driver;
    this.readOnly.value = message.role === "read";
    if (this.readOnly.value) this.again.stop();
    this.viewer = message.viewer;
    this.sized({ cols: message.cols, rows: message.rows });
    this.watched(message.viewers);
    this.queue.restart();
  }

  output(frame: OutputFrame): boolean {
    return this.attachment.output(frame);
  }

  skipped(message: SkippedMessage): void {
    this.attachment.skipped(message);
  }

  resized(message: ResizedMessage): void {
    this.attachment.resized(message);
    this.sized({ cols: message.cols, rows: message.rows });
  }

  watched(viewers: ViewerInfo[]): void {
    this.viewers.value = viewers;
    this.lead.value = this.viewer !== null && viewers.some((viewer) => viewer.lead && viewer.id === this.viewer);
  }

  exited({ status, signal }: Pick<ExitedMessage, "status" | "signal">): void {
    const news = this.ended.value === null;
    this.ended.value = ending(status, signal);
    this.isLost.value = typeof status !== "number" && !signal;
    this.queue.clear();
    if (news && this.isLost.value && this.shell && !this.readOnly.value) this.again.lost();
  }

  /** Another program runs in the place of the one that has ended; `terminal` is its id, where that is known. */
  renew(terminal: string | null): void {
    this.attachment.renew(terminal);
    this.phase.value = this.attachment.phase;
    this.ended.value = null;
    this.isLost.value = false;
    this.again.renewed();
  }

  /** Let go of everything. */
  dispose(): void {
    this.again.stop();
    this.attachment.gone();
    this.pane.dispose();
  }

  pauseInput(): void {
    this.queue.pause();
  }

  resumeInput(): void {
    this.queue.resume();
  }

  cancelInput(): void {
    this.queue.cancel();
  }

  /** The channel is over; the terminal may be there still. */
  lost(): void {
    if (this.queue.waiting > 0) this.hint("The connection broke: part of the input was not sent");
    this.queue.pause();
    this.queue.clear();
    this.again.unanswered();
    this.attachment.lost();
    this.phase.value = this.attachment.phase;
    this.lead.value = false;
  }

  gone(): void {
    this.lost();
    this.attachment.gone();
    this.phase.value = this.attachment.phase;
    this.ended.value ??= "no longer there";
  }

  input(data: Uint8Array): void {
    if (this.ended.value !== null && data.length === 1 && data[0] === ENTER) return this.startAgain(this, false);
    const refusal = this.refusal();
    if (refusal) this.hint(refusal);
    else this.queue.push(data);
  }

  /** The place on the screen allows this size; it is asked for where this page's size counts. */
  offer(proposed: Size): void {
    const size = { cols: Math.min(proposed.cols, MAX_COLS), rows: Math.min(proposed.rows, MAX_ROWS) };
    this.wanted.value = size;
    const { cols, rows } = this.size.value;
    this.pane.scrollable(!this.lead.value && this.ended.value === null && (cols > size.cols || rows > size.rows));
    if (this.ended.value !== null) {
      this.attachment.feed.resize(size.cols, size.rows);
      this.sized(size);
      return;
    }
    const channel = this.attachment.channel;
    if (!this.lead.value || channel === null || same(size, this.asked)) return;
    this.asked = size;
    this.wire.send({ type: "resize", channel, ...size });
  }

  private sized(size: Size): void {
    this.asked = size;
    this.size.value = size;
  }

  private refusal(): string | null {
    if (this.phase.value === "gone" || this.ended.value !== null) return "This program has ended: Enter starts it again";
    if (this.phase.value === "detached") return "Not connected: what you type is not sent";
    return this.readOnly.value ? "You may only look at this terminal" : null;
  }

  private sendInput(data: Uint8Array): void {
    const channel = this.attachment.channel;
    if (channel !== null) this.wire.input(channel, data);
  }

  private fence(): void {
    const channel = this.attachment.channel;
    this.wire.fence(() => {
      if (channel === this.attachment.channel) this.queue.fenced();
    });
  }
}

export function same(one: Size | null, other: Size | null): boolean {
  return one !== null && other !== null && one.cols === other.cols && one.rows === other.rows;
}

function ending(status: number | null | undefined, signal: string | null | undefined): string {
  if (signal) return `killed by ${cleanTitle(signal)}`;
  return typeof status === "number" ? `exited ${status}` : "ended";
}
