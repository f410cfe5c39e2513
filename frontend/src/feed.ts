/**
 * What happens to one emulator, in order.
 *
 * An emulator parses later than it is written to. A resize or a reset belongs at one place of the stream, so it waits
 * until everything before it has been parsed, and everything after it waits for it.
 */

export interface Emulator {
  write(data: Uint8Array | string, parsed: () => void): void;
  resize(cols: number, rows: number): void;
  reset(): void;
}

export interface Chunk {
  data: Uint8Array | string;
  /** Old output, or a preamble: what the emulator would answer to it must not be sent. */
  quiet: boolean;
  parsed?: () => void;
}

type Step = { write: Chunk } | { between: (emulator: Emulator) => void };

// CAN ends an escape sequence, and as a byte also a character, that the previous stream left unfinished.
const CANCEL = Uint8Array.of(0x18);
// A reset keeps the colours that a program has set.
const DEFAULT_COLOURS = "\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\";

// What a program may have left behind: another screen (which each has a saved cursor of its own), keys and a pointer that are told in its way, a hidden cursor, a
// region that scrolls, another character set. What it has printed stays.
const SOBER =
  "\x1b7\x1b[?1049l\x1b[?9;1000;1002;1003;1004;1005;1006;1015;1016;2004;2026l\x1b[?1l\x1b>\x1b[=0u\x1b[!p\x1b(B\x0f\x1b[?7h\x1b[0 q";

export class Feed {
  private readonly steps: Step[] = [];
  private readonly parsing: Chunk[] = [];

  constructor(private readonly emulator: Emulator) {}

  /** Whether the emulator is parsing something whose questions were answered long ago. */
  get quiet(): boolean {
    return this.parsing[0]?.quiet ?? false;
  }

  write(chunk: Chunk): void {
    this.add({ write: chunk });
  }

  resize(cols: number, rows: number): void {
    this.add({ between: (emulator) => emulator.resize(cols, rows) });
  }

  /** Start from a fresh screen, of the given size where there is one, in the modes of `preamble`. */
  restart(preamble: string, size?: { cols: number; rows: number }): void {
    this.write({ data: CANCEL, quiet: true });
    this.add({
      between: (emulator) => {
        emulator.reset();
        if (size) emulator.resize(size.cols, size.rows);
      },
    });
    this.write({ data: DEFAULT_COLOURS + preamble, quiet: true });
  }

  /** Go on below what is there, as another program. */
  goBelow(preamble: string, { cols, rows }: { cols: number; rows: number }): void {
    this.write({ data: CANCEL, quiet: true });
    this.resize(cols, rows);
    this.write({ data: `${SOBER}${DEFAULT_COLOURS}\r\n${preamble}`, quiet: true });
  }

  private add(step: Step): void {
    this.steps.push(step);
    this.run();
  }

  private run(): void {
    for (let step = this.steps[0]; step; step = this.steps[0]) {
      if ("between" in step && this.parsing.length > 0) return;
      this.steps.shift();
      if ("between" in step) step.between(this.emulator);
      else this.hand(step.write);
    }
  }

  private hand(chunk: Chunk): void {
    this.parsing.push(chunk);
    this.emulator.write(chunk.data, () => {
      this.parsing.shift();
      chunk.parsed?.();
      // Not at once: an emulator in the middle of its write loop is not to be resized.
      if (this.parsing.length === 0 && this.steps.length > 0) queueMicrotask(() => this.run());
    });
  }
}
