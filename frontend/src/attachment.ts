/**
 * This page's place in one terminal's output: which channel, and which byte comes next.
 *
 *     detached ──attach──▶ attaching ──attached──▶ attached ──lost──▶ detached
 *     opening  ──attached──▶ attached              any ──gone──▶ gone
 *
 * A socket that is gone takes the channel with it; `have` stays, and the next attach goes on from there. Only when the
 * server goes on from another byte does the screen start anew.
 */

import { Feed, type Emulator } from "./feed";
import { AckMeter } from "./flow";
import type { OutputFrame } from "./frames";
import type { AttachedMessage, ClientMessage, ResizedMessage, SkippedMessage } from "./protocol.gen";

export type Phase = "detached" | "opening" | "attaching" | "attached" | "gone";

export interface Size {
  cols: number;
  rows: number;
}

/** Where a program is to run. */
export interface Whereabouts {
  workspace?: string | null;
  cwd?: string | null;
  driver?: string | null;
  /** A terminal whose program has ended, in whose place another comes: what is left out is as it was there. */
  replaces?: string | null;
}

export class Attachment {
  phase: Phase = "detached";
  channel: number | null = null;
  terminal: string | null = null;
  /** The offset after the last byte that came in: null before the first answer. */
  have: number | null = null;
  /** How many messages with answers went out. */
  answers = 0;
  private replayUntil = 0;
  /** Whether the screen holds what another program has printed, which stays above. */
  private below = false;
  private acks: AckMeter | null = null;
  readonly feed: Feed;

  constructor(
    emulator: Emulator,
    private readonly send: (message: ClientMessage) => void,
    /** Output that is gone for this page, in bytes. */
    private readonly lostBytes: (count: number) => void,
  ) {
    this.feed = new Feed(emulator);
  }

  open(channel: number, size: Size, where: Whereabouts = {}): void {
    this.take(channel, "opening");
    this.send({ type: "open", channel, ...size, ...where });
  }

  attach(channel: number, size?: Size | null): void {
    if (this.terminal === null) throw new Error("a terminal without an id cannot be attached to");
    this.take(channel, "attaching");
    const after = this.have === null ? {} : { after: this.have };
    this.send({ type: "attach", channel, terminal: this.terminal, ...after, ...size });
  }

  /** Another program comes in the place of the one that has ended. */
  renew(terminal: string | null = null): void {
    this.lost();
    this.phase = "detached";
    this.terminal = terminal;
    this.below = this.have !== null;
    this.have = null;
  }

  /** What another part of the page has asked for comes on this channel. */
  answered(channel: number): void {
    this.take(channel, "opening");
  }

  /** Give up the channel, on this socket or with it. */
  lost(): void {
    this.acks?.stop();
    this.acks = null;
    this.channel = null;
    if (this.phase !== "gone") this.phase = "detached";
  }

  gone(): void {
    this.lost();
    this.phase = "gone";
  }

  attached(message: AttachedMessage): void {
    const { channel, offset, cols, rows } = message;
    this.phase = "attached";
    this.terminal = message.terminal;
    this.replayUntil = message.replay_until;
    this.acks = new AckMeter(offset, (end) => this.send({ type: "ack", channel, offset: end }));
    if (this.have === offset) {
      this.feed.resize(cols, rows);
      return;
    }
    if (this.have !== null && offset > this.have) this.lostBytes(offset - this.have);
    this.have = offset;
    if (this.below) this.feed.goBelow(message.preamble, { cols, rows });
    else this.feed.restart(message.preamble, { cols, rows });
    this.below = false;
  }

  /** Returns whether this is live output, not a replay. */
  output(frame: OutputFrame): boolean {
    const { have, acks } = this;
    if (have === null || frame.end <= have) return false;
    this.have = frame.end;
    const live = frame.end > this.replayUntil;
    this.feed.write({
      data: frame.data.subarray(Math.max(0, have - frame.offset)),
      quiet: !live,
      parsed: () => {
        if (acks === this.acks) acks?.advance(frame.end);
      },
    });
    return live;
  }

  skipped(message: SkippedMessage): void {
    this.lostBytes(message.to - message.from);
    this.have = message.to;
    this.feed.restart(message.preamble);
  }

  resized(message: ResizedMessage): void {
    this.feed.resize(message.cols, message.rows);
  }

  /** One thing that the emulator answers by itself: one message, before the ack of the bytes that asked. */
  answer(data: string): void {
    const { channel } = this;
    if (this.feed.quiet || channel === null || this.phase !== "attached") return;
    this.answers += 1;
    this.send({ type: "answer", channel, data });
  }

  private take(channel: number, phase: Phase): void {
    this.lost();
    this.channel = channel;
    this.phase = phase;
  }
}
