/**
 * One WebSocket to the server, again and again.
 *
 * Knows nothing of terminals and nothing of the page: messages go out by `send`, come in by the listener, and a socket
 * that is gone is replaced after 0.5 to 10 s, or at once when `wake` says that the world has changed.
 */

import { decodeOutput, type OutputFrame } from "./frames";
import type { ClientMessage, PongMessage, ReadyMessage, ServerMessage } from "./protocol.gen";

export const SUBPROTOCOL = "webterm.v1.binary";
const PING_MS = 15_000;
const SILENCE_MS = 15_000; // after a ping: 30 s without a word in all
const WAKE_SILENCE_MS = 5_000;
const HANDSHAKE_MS = 15_000;
const TICK_MS = 1_000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;
/** The server's own word for "do not come back". */
const FINAL_CODE = 4001;
/** A right has ended or changed: whether one may come back has to be asked. */
const RIGHTS_CODE = 1008;

/** The part of a browser's WebSocket that is used. */
export type Socket = Pick<WebSocket, "binaryType" | "onmessage" | "onclose" | "send" | "close">;

export type State =
  | { kind: "idle" }
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "waiting"; until: number }
  | { kind: "stopped"; reason: string }
  | { kind: "signed_out"; reason: string | null };

export interface Listener {
  state(state: State): void;
  ready(message: ReadyMessage): void;
  message(message: ServerMessage): void;
  output(frame: OutputFrame): void;
  latency(ms: number): void;
}

export interface Options {
  open: () => Socket;
  /** Whether the server would let us in; asked when a handshake fails, because a browser does not tell why it did. */
  admitted: () => Promise<boolean>;
  random?: () => number;
}

/** How long to wait before attempt `attempt` (from 0), in milliseconds: doubling, and between half and all of it. */
export function backOff(attempt: number, random: number): number {
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt) * (0.5 + random / 2);
}

export class Connection {
  state: State = { kind: "idle" };
  private socket: Socket | null = null;
  private attempt = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private ticker: ReturnType<typeof setInterval> | undefined;
  private since = 0;
  private heard = 0;
  private pinged = 0;
  private patience = SILENCE_MS;
  private pings = 0;
  private readonly waiting = new Map<string, { sent: number; done?: () => void }>();

  constructor(
    private readonly options: Options,
    private readonly listener: Listener,
  ) {}

  connect(): void {
    clearTimeout(this.retry);
    this.forget();
    const socket = (this.socket = this.options.open());
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = (event) => this.closed(event.code, event.reason);
    this.since = Date.now();
    this.ticker = setInterval(() => this.tick(), TICK_MS);
    this.enter({ kind: "connecting" });
  }

  /** The network is back, or somebody looks at the page again: do not wait, and do not trust an old socket. */
  wake(): void {
    if (this.state.kind === "waiting") this.connect();
    else if (this.state.kind === "open") {
      this.patience = WAKE_SILENCE_MS;
      this.ping();
    }
  }

  /** Leave for good. */
  stop(state: State): void {
    clearTimeout(this.retry);
    this.forget();
    this.enter(state);
  }

  /** Returns whether the message went out; nothing is kept for later. */
  send(message: ClientMessage | Uint8Array<ArrayBuffer>): boolean {
    if (this.state.kind !== "open" || !this.socket) return false;
    this.socket.send(message instanceof Uint8Array ? message : JSON.stringify(message));
    return true;
  }

  /** `done` is called when the server has answered, hence has taken everything sent before; never on another socket. */
  ping(done?: () => void): void {
    const nonce = String(++this.pings);
    this.waiting.set(nonce, { sent: performance.now(), done });
    this.pinged = Date.now();
    this.send({ type: "ping", nonce });
  }

  private receive(data: unknown): void {
    this.heard = Date.now();
    this.patience = SILENCE_MS;
    if (data instanceof ArrayBuffer) {
      const frame = decodeOutput(data);
      if (frame) this.listener.output(frame);
      return;
    }
    const message = JSON.parse(String(data)) as ServerMessage;
    if (message.type === "ready") this.welcome(message);
    else if (message.type === "pong") this.pong(message);
    else this.listener.message(message);
  }

  private welcome(message: ReadyMessage): void {
    this.attempt = 0;
    this.enter({ kind: "open" });
    this.ping();
    this.listener.ready(message);
  }

  private pong(message: PongMessage): void {
    const ping = this.waiting.get(message.nonce ?? "");
    if (!ping) return;
    this.waiting.delete(message.nonce ?? "");
    this.listener.latency(performance.now() - ping.sent);
    ping.done?.();
  }

  private tick(): void {
    const now = Date.now();
    if (this.state.kind === "connecting") {
      if (now - this.since >= HANDSHAKE_MS) this.closed(1006, "");
    } else if (this.pinged > this.heard && now - this.pinged >= this.patience) {
      this.closed(1006, "");
    } else if (now - Math.max(this.heard, this.pinged) >= PING_MS || now - this.pinged >= PING_MS) {
      if (this.pinged <= this.heard) this.ping();
    }
  }

  private closed(code: number, reason: string): void {
    const wasOpen = this.state.kind === "open";
    this.forget();
    if (code === FINAL_CODE || code === RIGHTS_CODE) return this.sentAway(code, reason);
    this.comeBack();
    if (wasOpen) return;
    void this.options.admitted().then((admitted) => {
      if (!admitted && this.state.kind !== "open") this.stop({ kind: "signed_out", reason: null });
    });
  }

  private sentAway(code: number, reason: string): void {
    const stopped: State = { kind: "stopped", reason };
    this.enter(stopped);
    void this.options.admitted().then((admitted) => {
      if (this.state !== stopped) return;
      if (!admitted) this.enter({ kind: "signed_out", reason });
      else if (code === RIGHTS_CODE) this.comeBack(); // with the rights that are left
    });
  }

  private comeBack(): void {
    const delay = backOff(this.attempt++, (this.options.random ?? Math.random)());
    this.retry = setTimeout(() => this.connect(), delay);
    this.enter({ kind: "waiting", until: Date.now() + delay });
  }

  /** Let go of the socket. It is not waited for: on a dead network its close event may take minutes. */
  private forget(): void {
    clearInterval(this.ticker);
    this.waiting.clear();
    this.heard = this.pinged = 0;
    this.patience = SILENCE_MS;
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private enter(state: State): void {
    this.state = state;
    this.listener.state(state);
  }
}
