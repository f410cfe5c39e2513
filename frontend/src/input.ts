/**
 * Input on its way to one program.
 *
 * A frame is at most 32 KiB. The server tells when the program does not read, but that word travels; so after each
 * 256 KiB we ask for a sign of life (`fence`) and wait until it is back. Never more than 512 KiB wait on the server,
 * which refuses at 1 MiB.
 */

const FRAME_BYTES = 32 * 1024;
const FENCE_BYTES = 256 * 1024;
const PASTE_END = "\x1b[201~";

export interface InputSink {
  send(data: Uint8Array): void;
  /** Ask the server for an answer that comes after it has taken what was sent so far, then call `fenced`. */
  fence(): void;
}

export class InputQueue {
  private parts: Uint8Array[] = [];
  private paused = false;
  private fencing = false;
  private unfenced = 0;
  /** Bytes that wait here. */
  waiting = 0;
  /** Bytes of the batch that is under way, sent ones included; 0 when nothing waits. */
  total = 0;

  constructor(
    private readonly sink: InputSink,
    private readonly changed: () => void = () => undefined,
  ) {}

  push(data: Uint8Array): void {
    if (data.length === 0) return;
    this.parts.push(data);
    this.waiting += data.length;
    this.total += data.length;
    this.pump();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.pump();
  }

  fenced(): void {
    this.fencing = false;
    this.unfenced = 0;
    this.pump();
  }

  /** Give up what has not been sent. A bracketed paste is still closed, so that the program does not hang in it. */
  cancel(): void {
    const last = this.parts.at(-1);
    const closes = last !== undefined && new TextDecoder("latin1").decode(last.slice(-PASTE_END.length)) === PASTE_END;
    this.clear();
    if (closes) this.push(new TextEncoder().encode(PASTE_END));
  }

  /** Forget everything, as when the socket is gone. */
  clear(): void {
    this.parts = [];
    this.waiting = this.total = 0;
    this.changed();
  }

  /** A new channel: the server's view of this program's input starts anew. */
  restart(): void {
    this.paused = this.fencing = false;
    this.unfenced = 0;
    this.pump();
  }

  private pump(): void {
    while (this.waiting > 0 && !this.paused && !this.fencing) this.sendOne();
    if (this.waiting === 0) this.total = 0;
    this.changed();
  }

  private sendOne(): void {
    const part = this.parts[0] as Uint8Array;
    const frame = part.subarray(0, FRAME_BYTES);
    if (frame.length === part.length) this.parts.shift();
    else this.parts[0] = part.subarray(FRAME_BYTES);
    this.waiting -= frame.length;
    this.unfenced += frame.length;
    this.sink.send(frame);
    if (this.unfenced >= FENCE_BYTES) {
      this.fencing = true;
      this.sink.fence();
    }
  }
}
