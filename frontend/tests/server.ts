/** The other end of a browser's WebSocket: what a server does to the page, step by step. */

import type { Socket } from "../src/connection";
import type { AttachedMessage, ClientMessage, ServerMessage } from "../src/protocol.gen";

export class FakeSocket implements Socket {
  binaryType: BinaryType = "blob";
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  closed = false;
  /** Messages as they came; input frames as `{input, channel}`. */
  readonly received: (ClientMessage | { input: string; channel: number })[] = [];

  send(data: string | ArrayBufferLike | Blob | ArrayBufferView): void {
    if (typeof data === "string") this.received.push(JSON.parse(data) as ClientMessage);
    else {
      const frame = Buffer.from(data as Uint8Array);
      this.received.push({ input: frame.subarray(5).toString(), channel: frame.readUInt32BE(1) });
    }
  }

  close(): void {
    this.closed = true;
  }

  of(type: ClientMessage["type"]): ClientMessage[] {
    return this.received.filter((message): message is ClientMessage => "type" in message && message.type === type);
  }

  get input(): string {
    return this.received.map((message) => ("input" in message ? message.input : "")).join("");
  }

  say(message: ServerMessage): void {
    this.event("onmessage", { data: JSON.stringify(message) });
  }

  ready(): void {
    const limits = { message_bytes: 1, frame_bytes: 1, input_bytes: 1, terminals: 1, cols: 500, rows: 300 };
    const user = { id: "1", name: "ann" };
    this.say({ type: "ready", version: 1, server: "webterm/0", user, limits, resume_grace: 10 });
  }

  attached(channel: number, rest: Partial<AttachedMessage> = {}): void {
    this.say({
      type: "attached",
      channel,
      terminal: "t1",
      offset: 0,
      replay_until: 0,
      preamble: "",
      cols: 80,
      rows: 24,
      role: "write",
      title: "sh",
      driver: "local",
      viewer: 7,
      viewers: [{ id: 7, name: "ann", role: "write", lead: true }],
      ...rest,
    });
  }

  output(channel: number, offset: number, text: string): void {
    const payload = Buffer.from(text);
    const frame = Buffer.alloc(13 + payload.length);
    frame.writeUInt8(1, 0);
    frame.writeUInt32BE(channel, 1);
    frame.writeBigUInt64BE(BigInt(offset), 5);
    payload.copy(frame, 13);
    this.event("onmessage", { data: Uint8Array.from(frame).buffer });
  }

  drop(code = 1006, reason = ""): void {
    this.event("onclose", { code, reason });
  }

  private event(name: "onmessage" | "onclose", event: object): void {
    (this[name] as ((event: object) => void) | null)?.(event);
  }
}
