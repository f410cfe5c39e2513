/** When to acknowledge: each 32 KiB that the emulator has parsed, or 50 ms after the first byte that is not yet told. */

const ACK_BYTES = 32 * 1024;
const ACK_MS = 50;

export class AckMeter {
  private parsed: number;
  private told: number;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `start` is the offset at which the channel's output starts; nothing up to it is acknowledged. */
  constructor(
    start: number,
    private readonly ack: (offset: number) => void,
  ) {
    this.parsed = start;
    this.told = start;
  }

  /** The emulator has parsed everything below `end`. */
  advance(end: number): void {
    if (end <= this.parsed) return;
    this.parsed = end;
    if (end - this.told >= ACK_BYTES) this.tell();
    else this.timer ??= setTimeout(() => this.tell(), ACK_MS);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private tell(): void {
    this.stop();
    this.told = this.parsed;
    this.ack(this.parsed);
  }
}
