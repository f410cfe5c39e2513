import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AckMeter } from "../src/flow";
import { decodeOutput, encodeInput } from "../src/frames";
import { InputQueue } from "../src/input";

describe("frames", () => {
  it("decodes output, big-endian", () => {
    const frame = Uint8Array.of(1, 0, 0, 1, 2, 0, 0, 0, 1, 0, 0, 0, 5, 104, 105);
    expect(decodeOutput(frame.buffer)).toEqual({
      channel: 258,
      offset: 2 ** 32 + 5,
      end: 2 ** 32 + 7,
      data: Uint8Array.of(104, 105),
    });
  });

  it.each([[[]], [[1, 0, 0]], [[3, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]]])("leaves %j alone", (bytes) => {
    expect(decodeOutput(Uint8Array.from(bytes).buffer)).toBeNull();
  });

  it("encodes input", () => {
    expect([...encodeInput(0x01020304, Uint8Array.of(255, 0))]).toEqual([2, 1, 2, 3, 4, 255, 0]);
  });
});

describe("acks", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("waits 50 ms for more", () => {
    const acks: number[] = [];
    const meter = new AckMeter(100, (offset) => acks.push(offset));
    meter.advance(110);
    vi.advanceTimersByTime(40);
    meter.advance(120);
    vi.advanceTimersByTime(9);
    expect(acks).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(acks).toEqual([120]);
    vi.advanceTimersByTime(1000);
    expect(acks).toEqual([120]);
  });

  it("tells every 32 KiB at once", () => {
    const acks: number[] = [];
    const meter = new AckMeter(0, (offset) => acks.push(offset));
    for (let end = 8192; end <= 131072; end += 8192) meter.advance(end);
    expect(acks).toEqual([32768, 65536, 98304, 131072]);
  });

  it("never goes back, nor to where the channel started, nor on after it stopped", () => {
    const acks: number[] = [];
    const meter = new AckMeter(500, (offset) => acks.push(offset));
    meter.advance(400);
    meter.advance(500);
    vi.advanceTimersByTime(100);
    meter.advance(600);
    meter.stop();
    vi.advanceTimersByTime(100);
    expect(acks).toEqual([]);
  });
});

describe("input", () => {
  function queue() {
    const sent: Uint8Array[] = [];
    let fences = 0;
    const input = new InputQueue({ send: (data) => sent.push(data), fence: () => void fences++ });
    const all = (): Buffer => Buffer.concat(sent);
    return { input, sent, all, fences: () => fences };
  }
  const megabyte = (): Uint8Array => Uint8Array.from({ length: 1_000_000 }, (_, index) => (index * 7) & 255);

  it("sends a key at once", () => {
    const { input, sent } = queue();
    input.push(Uint8Array.of(3));
    expect(sent).toEqual([Uint8Array.of(3)]);
    expect(input.total).toBe(0);
  });

  it("brings a megabyte over whole, in frames of 32 KiB and never 256 KiB ahead of the server", () => {
    const { input, sent, all, fences } = queue();
    const data = megabyte();
    input.push(data);
    for (let round = 1; input.waiting > 0; round++) {
      expect(sent.length).toBe(8 * round);
      expect(fences()).toBe(round);
      input.fenced();
    }
    expect(all().equals(data)).toBe(true);
    expect(Math.max(...sent.map((part) => part.length))).toBe(32768);
  });

  it("stops while the program does not read, and keeps what is typed in order", () => {
    const { input, all } = queue();
    input.push(Uint8Array.of(1));
    input.pause();
    input.push(Uint8Array.of(2));
    input.fenced();
    input.push(Uint8Array.of(3));
    expect([...all()]).toEqual([1]);
    expect(input.waiting).toBe(2);
    input.resume();
    expect([...all()]).toEqual([1, 2, 3]);
  });

  it("closes a bracketed paste that is given up", () => {
    const { input, sent } = queue();
    const text = `\x1b[200~${"x".repeat(600_000)}\x1b[201~`;
    input.push(new TextEncoder().encode(text));
    input.cancel();
    input.fenced();
    expect(new TextDecoder().decode(sent.at(-1))).toBe("\x1b[201~");
    expect(input.waiting).toBe(0);
  });
});
