/** The binary frames of `webterm.v1.binary`: numbers are big-endian. */

export interface OutputFrame {
  channel: number;
  /** The number of the first byte of `data` in the terminal's output. */
  offset: number;
  /** The number of the byte after the last. */
  end: number;
  data: Uint8Array;
}

const OUTPUT = 0x01;
const INPUT = 0x02;
const OUTPUT_HEADER = 13;
const INPUT_HEADER = 5;

/** Returns null for a frame that this page does not know, which a newer server may send. */
export function decodeOutput(buffer: ArrayBuffer): OutputFrame | null {
  const view = new DataView(buffer);
  if (buffer.byteLength < OUTPUT_HEADER || view.getUint8(0) !== OUTPUT) return null;
  const offset = Number(view.getBigUint64(5));
  const data = new Uint8Array(buffer, OUTPUT_HEADER);
  return { channel: view.getUint32(1), offset, end: offset + data.length, data };
}

export function encodeInput(channel: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(INPUT_HEADER + data.length);
  const view = new DataView(frame.buffer);
  view.setUint8(0, INPUT);
  view.setUint32(1, channel);
  frame.set(data, INPUT_HEADER);
  return frame;
}
