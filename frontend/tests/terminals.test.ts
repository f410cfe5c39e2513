import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection } from "../src/connection";
import type { Emulator } from "../src/feed";
import { encodeInput } from "../src/frames";
import type { ClientMessage, TerminalInfo } from "../src/protocol.gen";
import type { Keys, Pane } from "../src/tab";
import { Terminals } from "../src/terminals";
import { FakeSocket } from "./server";

/** An emulator that parses when told to, and writes down what happened to it. */
class SlowEmulator implements Emulator {
  readonly log: string[] = [];
  private readonly unparsed: [string, () => void][] = [];

  write(data: Uint8Array | string, parsed: () => void): void {
    this.unparsed.push([typeof data === "string" ? data : Buffer.from(data).toString(), parsed]);
  }

  resize(cols: number, rows: number): void {
    this.log.push(`resize ${cols}x${rows}`);
  }

  reset(): void {
    this.log.push("reset");
  }

  async parse(): Promise<void> {
    for (let next = this.unparsed.shift(); next; next = this.unparsed.shift()) {
      const [data, parsed] = next;
      if (data !== "\x18") this.log.push(data.replace(/^(\x1b\][\d]+\x1b\\)+/, "colours "));
      parsed();
      await Promise.resolve();
    }
  }
}

class FakePane implements Pane {
  readonly emulator = new SlowEmulator();
  visible = false;
  disposed = false;
  scrolls = false;
  size = { cols: 100, rows: 30 };
  constructor(readonly keys: Keys) {}
  show(): void {
    this.visible = true;
  }
  hide(): void {
    this.visible = false;
  }
  focus(): void {}
  scrollable(on: boolean): void {
    this.scrolls = on;
  }
  dispose(): void {
    this.disposed = true;
  }
  propose() {
    return this.visible ? this.size : null;
  }
}

const info = (id: string, created: number, rest: Partial<TerminalInfo> = {}): TerminalInfo => ({
  id,
  title: id,
  driver: "local",
  argv: [],
  cols: 80,
  rows: 24,
  created,
  offset: 0,
  viewers: 0,
  state: "running",
  durable: true,
  pid: null,
  status: null,
  signal: null,
  ...rest,
});

let sockets: FakeSocket[];
let hints: string[];
let inSight: boolean;
let connection: Connection;
let terminals: Terminals;
const socket = (): FakeSocket => sockets.at(-1) as FakeSocket;
const pane = (index = 0): FakePane => terminals.tabs.value[index]?.pane as FakePane;
const type = (text: string, index = 0): void => pane(index).keys.input(new TextEncoder().encode(text));
const cut = (): void => {
  socket().drop();
  connection.connect();
  socket().ready();
};

beforeEach(() => {
  sockets = [];
  hints = [];
  inSight = true;
  terminals = new Terminals({
    wire: {
      connected: () => connection.state.kind === "open",
      send: (message) => connection.send(message),
      input: (channel, data) => connection.send(encodeInput(channel, data)),
      fence: (done) => connection.ping(done),
    },
    makePane: (keys) => new FakePane(keys),
    hint: (text) => hints.push(text),
    remembered: "b",
    inSight: () => inSight,
  });
  connection = new Connection(
    { open: () => sockets[sockets.push(new FakeSocket()) - 1] as FakeSocket, admitted: () => Promise.resolve(true) },
    {
      state: (state) => state.kind !== "open" && terminals.lost(),
      ready: () => terminals.ready(),
      message: (message) => terminals.message(message),
      output: (frame) => terminals.output(frame),
      latency: () => undefined,
    },
  );
  connection.connect();
  socket().ready();
});

describe("loading the page", () => {
  it("opens a terminal when there is none", () => {
    socket().say({ type: "terminals", terminals: [] });
    expect(socket().of("open")).toEqual([{ type: "open", channel: 1, cols: 100, rows: 30 }]);
  });

  it("attaches to all, oldest tab first, the remembered one before the others and with its size", () => {
    socket().say({ type: "terminals", terminals: [info("c", 3), info("a", 1), info("b", 2, { state: "exited", status: 3 })] });
    expect(terminals.tabs.value.map((tab) => tab.title.value)).toEqual(["a", "b", "c"]);
    expect(terminals.active.value?.title.value).toBe("b");
    expect(terminals.active.value?.ended.value).toBe("exited 3");
    expect(socket().of("attach").map((message) => "terminal" in message && message.terminal)).toEqual(["b", "a", "c"]);
  });

  it("does not open another when the last one was closed and the socket breaks", () => {
    socket().say({ type: "terminals", terminals: [info("a", 1)] });
    socket().attached(1, { terminal: "a" });
    terminals.close(terminals.tabs.value[0]!);
    expect(socket().of("close")).toEqual([{ type: "close", channel: 1 }]);
    cut();
    socket().say({ type: "terminals", terminals: [] });
    expect(socket().of("open")).toEqual([]);
  });
});

describe("resuming", () => {
  beforeEach(async () => {
    socket().say({ type: "terminals", terminals: [] });
    socket().attached(1, { cols: 100, rows: 30 });
    socket().output(1, 0, "hello");
    await pane().emulator.parse();
    pane().emulator.log.length = 0;
  });

  it("starts a fresh screen at first, and acks what was parsed", async () => {
    socket().output(1, 5, "x".repeat(40_000));
    expect(socket().of("ack")).toEqual([]);
    await pane().emulator.parse();
    expect(socket().of("ack")).toEqual([{ type: "ack", channel: 1, offset: 40_005 }]);
  });

  it("goes on at the same byte without touching the screen", async () => {
    cut();
    expect(socket().of("attach")).toEqual([
      { type: "attach", channel: 1, terminal: "t1", after: 5, cols: 100, rows: 30 },
    ]);
    socket().attached(1, { offset: 5, replay_until: 9, preamble: "IGNORED", cols: 100, rows: 30 });
    socket().output(1, 5, " you");
    await pane().emulator.parse();
    expect(pane().emulator.log).toEqual(["resize 100x30", " you"]);
  });

  it("starts anew when the server goes on elsewhere, after all that came before", async () => {
    socket().output(1, 5, "late");
    cut();
    socket().attached(1, { offset: 5000, preamble: "MODES", cols: 90, rows: 20 });
    socket().output(1, 5000, "new");
    await pane().emulator.parse();
    expect(pane().emulator.log).toEqual(["late", "reset", "resize 90x20", "colours MODES", "new"]);
    expect(hints).toEqual(["5 KiB of output were skipped"]);
  });

  it("does not ack bytes of the socket before", async () => {
    socket().output(1, 5, "y".repeat(40_000));
    cut();
    socket().attached(1, { offset: 40_005 });
    await pane().emulator.parse();
    expect(socket().of("ack")).toEqual([]);
  });

  it("drops bytes that it has", async () => {
    socket().output(1, 3, "lo again");
    await pane().emulator.parse();
    expect(pane().emulator.log).toEqual([" again"]);
  });

  it("says what was skipped", async () => {
    socket().say({ type: "skipped", channel: 1, from: 5, to: 2_048_005, preamble: "MODES" });
    socket().output(1, 2_048_005, "on");
    await pane().emulator.parse();
    expect(pane().emulator.log).toEqual(["reset", "colours MODES", "on"]);
    expect(hints).toEqual(["2000 KiB of output were skipped"]);
  });

  it("resizes at its place in the output", async () => {
    socket().output(1, 5, "before");
    socket().say({ type: "resized", channel: 1, offset: 11, cols: 50, rows: 10 });
    socket().output(1, 11, "after");
    await pane().emulator.parse();
    expect(pane().emulator.log).toEqual(["before", "resize 50x10", "after"]);
  });

  it("never uses a channel number twice on a socket", () => {
    terminals.takeLead(terminals.tabs.value[0]!);
    terminals.open();
    expect(socket().received.filter((message) => "type" in message && message.type !== "ping")).toMatchObject([
      { type: "list" },
      { type: "open", channel: 1 },
      { type: "detach", channel: 1 },
      { type: "attach", channel: 2, after: 5 },
      { type: "open", channel: 3 },
    ]);
  });

  it("keeps the tab of a terminal that has gone, and says so", () => {
    cut();
    socket().say({ type: "error", code: "no_such_terminal", message: "no such terminal", channel: 1 });
    expect(terminals.tabs.value[0]?.phase.value).toBe("gone");
    cut();
    expect(socket().of("attach")).toEqual([]);
  });
});

describe("input", () => {
  beforeEach(() => socket().say({ type: "terminals", terminals: [] }));

  it("waits for the terminal that is being opened", () => {
    type("ls");
    expect(socket().input).toBe("");
    socket().attached(1);
    expect(socket().input).toBe("ls");
  });

  it("is refused without a connection, and not sent later", () => {
    socket().attached(1);
    socket().drop();
    type("rm");
    expect(hints.at(-1)).toMatch(/not connected/i);
    connection.connect();
    socket().ready();
    socket().attached(1);
    expect(socket().input).toBe("");
  });

  it("is refused for a reader and for an ended program", () => {
    socket().attached(1, { role: "read" });
    type("a");
    socket().say({ type: "exited", channel: 1, status: 3 });
    type("b");
    expect(hints).toEqual(["You may only look at this terminal", "This program has ended: Enter starts it again"]);
    expect(socket().input).toBe("");
  });

  it("stops while the program does not read", () => {
    socket().attached(1);
    socket().say({ type: "input_paused", channel: 1 });
    type("a");
    expect(socket().input).toBe("");
    socket().say({ type: "input_resumed", channel: 1 });
    expect(socket().input).toBe("a");
  });
});

describe("the size", () => {
  beforeEach(() => socket().say({ type: "terminals", terminals: [] }));
  const others = [
    { id: 7, name: "ann", role: "write" as const, lead: false },
    { id: 8, name: "bob", role: "write" as const, lead: true },
  ];

  it("is asked for once by the lead writer", () => {
    socket().attached(1);
    terminals.fit();
    expect(socket().of("resize")).toEqual([{ type: "resize", channel: 1, cols: 100, rows: 30 }]);
  });

  it("is kept within the limits", () => {
    pane().size = { cols: 5000, rows: 5000 };
    socket().attached(1);
    expect(socket().of("resize")).toEqual([{ type: "resize", channel: 1, cols: 500, rows: 300 }]);
  });

  it("is left to another leader, until this page leads again", () => {
    socket().attached(1, { cols: 100, rows: 30 });
    socket().say({ type: "viewers", channel: 1, viewers: others });
    pane().size = { cols: 60, rows: 20 };
    terminals.fit();
    expect(socket().of("resize")).toEqual([]);
    expect(pane().scrolls).toBe(true);
    socket().say({ type: "viewers", channel: 1, viewers: others.map((viewer) => ({ ...viewer, lead: viewer.id === 7 })) });
    expect(socket().of("resize")).toEqual([{ type: "resize", channel: 1, cols: 60, rows: 20 }]);
  });
});

describe("tabs", () => {
  it("show ends and activity", () => {
    socket().say({ type: "terminals", terminals: [info("a", 1), info("b", 2)] });
    const [a, b] = terminals.tabs.value;
    socket().attached(1, { terminal: "b" });
    socket().attached(2, { terminal: "a", replay_until: 3 });
    socket().output(2, 0, "old");
    expect(a?.activity.value).toBe(false);
    socket().output(2, 3, "new");
    socket().output(1, 0, "seen");
    expect([a?.activity.value, b?.activity.value]).toEqual([true, false]);
    socket().say({ type: "exited", channel: 2, signal: "KILL" });
    expect(a?.ended.value).toBe("killed by KILL");
    terminals.select(a!);
    expect(a?.activity.value).toBe(false);
  });
});

describe("a terminal that may not be opened", () => {
  it("goes, and why stays until another is asked for", () => {
    socket().say({ type: "terminals", terminals: [] });
    socket().say({ type: "error", code: "forbidden", message: "only the owner may", channel: 1 });
    expect(terminals.tabs.value).toEqual([]);
    expect(terminals.refused.value).toBe("only the owner may");
    terminals.open();
    expect(terminals.refused.value).toBeNull();
  });
});

describe("somebody else", () => {
  it("finds nothing of what was shown before, and gets a terminal of their own", () => {
    socket().say({ type: "terminals", terminals: [info("a", 1), info("b", 2)] });
    socket().attached(1, { terminal: "b" });
    const panes = terminals.tabs.value.map((tab) => tab.pane as FakePane);
    terminals.forget();
    expect(panes.map(({ disposed }) => disposed)).toEqual([true, true]);
    expect(terminals.tabs.value).toEqual([]);
    expect(terminals.active.value).toBeNull();
    socket().output(1, 0, "late");
    cut();
    expect(socket().of("attach")).toEqual([]);
    socket().say({ type: "terminals", terminals: [] });
    expect(socket().of("open")).toHaveLength(1);
  });
});

describe("a program that has ended", () => {
  const opened = (): ClientMessage[] => socket().of("open");
  const refuse = (channel: number, code: string): void => socket().say({ type: "error", code, message: `no: ${code}`, channel });
  const end = (how: { status?: number } = {}, rest: Partial<TerminalInfo> = {}): void => {
    socket().say({ type: "terminals", terminals: [info("a", 1), info("b", 2, { workspace: "w", driver: "docker", ...rest })] });
    socket().attached(1, { terminal: "b", workspace: "w", driver: "docker" });
    socket().output(1, 0, "before");
    socket().say({ type: "exited", channel: 1, ...how });
  };

  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("is started again by Enter, in its place, below what it has printed", async () => {
    end({ status: 3 });
    vi.advanceTimersByTime(5_000);
    expect(opened()).toEqual([]); // not by itself
    type("ls", 1);
    type("\r", 1);
    expect(opened()).toEqual([{ type: "open", channel: 3, cols: 100, rows: 30, workspace: "w", replaces: "b" }]);
    type("\r", 1);
    socket().say({ type: "detached", channel: 1, reason: "closed" });
    socket().attached(3, { terminal: "c", workspace: "w", title: "again" });
    socket().output(3, 0, "after");
    expect(opened()).toHaveLength(1);
    expect(terminals.tabs.value.map((tab) => [tab.attachment.terminal, tab.ended.value])).toEqual([["a", null], ["c", null]]);
    await pane(1).emulator.parse();
    expect(pane(1).emulator.log.filter((line) => line === "reset")).toHaveLength(1);
    expect(pane(1).emulator.log.join("")).toMatch(/before[^]*\[\?1049l[^]*after$/);
    type("x", 1);
    expect(socket().input).toBe("x");
  });

  it("says why it could not be started again, and may be once more", () => {
    end({ status: 3 });
    terminals.startAgain(terminals.tabs.value[1]!);
    refuse(3, "engine_unavailable");
    const { again } = terminals.tabs.value[1]!;
    expect([again.problem.value, again.starting.value, again.waiting.value]).toEqual(["no: engine_unavailable", false, false]);
    vi.advanceTimersByTime(5_000);
    expect(opened()).toHaveLength(1);
    terminals.startAgain(terminals.tabs.value[1]!);
    expect(opened()).toHaveLength(2);
  });

  it("comes back by itself where it was lost, asked for less and less often", () => {
    end();
    expect(terminals.tabs.value[1]?.isLost.value).toBe(true);
    const { again } = terminals.tabs.value[1]!;
    for (let seconds = 0; seconds < 600; seconds++) {
      vi.advanceTimersByTime(1000);
      if (again.channel !== null) refuse(again.channel, "engine_unavailable");
    }
    expect(opened().length).toBeGreaterThan(10);
    expect(opened().length).toBeLessThan(20);
    expect(opened()[0]).toEqual({ type: "open", channel: 3, cols: 100, rows: 30, workspace: "w", replaces: "b", driver: "docker" });
    expect(hints).toEqual([]);
    terminals.startAgain(terminals.tabs.value[1]!);
    refuse(again.channel!, "launch_failed");
    expect(hints).toEqual(["no: launch_failed"]); // who asks is told, and it goes on by itself
    expect(again.waiting.value).toBe(true);
    const before = opened().length;
    terminals.wake("other");
    terminals.wake("w");
    expect(opened()).toHaveLength(before + 1);
    socket().attached(again.channel!, { terminal: "c", workspace: "w", driver: "docker" });
    vi.advanceTimersByTime(1000);
    socket().say({ type: "exited", channel: terminals.tabs.value[1]!.attachment.channel! });
    vi.advanceTimersByTime(5_000);
    expect(opened()).toHaveLength(before + 1); // what does not live is not started for ever
  });

  it("does not come back where that will not pass, or it was no shell, or nobody sees it", () => {
    end();
    vi.advanceTimersByTime(1000);
    refuse(3, "no_such_workspace");
    vi.advanceTimersByTime(5_000);
    expect(opened()).toHaveLength(1);
    terminals.forget();
    cut();
    end({}, { argv: ["train"] });
    vi.advanceTimersByTime(5_000);
    expect(opened()).toEqual([]);
    terminals.forget();
    cut();
    inSight = false;
    end();
    vi.advanceTimersByTime(5_000);
    expect(opened()).toEqual([]);
    inSight = true;
    terminals.wake();
    expect(opened()).toHaveLength(1);
    terminals.close(terminals.tabs.value[1]!);
    vi.advanceTimersByTime(5_000);
    expect(opened()).toHaveLength(1);
  });

  it("is followed by what somebody else has started in its place", () => {
    end();
    vi.advanceTimersByTime(1000);
    refuse(3, "runtime_busy");
    socket().say({ type: "detached", channel: 1, reason: "closed" });
    const lists = socket().of("list").length;
    socket().say({ type: "terminals", terminals: [info("a", 1), info("c", 3, { workspace: "w", replaces: "b" })] });
    expect(lists).toBe(2);
    expect(terminals.tabs.value.map((tab) => tab.attachment.terminal)).toEqual(["a", "c"]);
    expect(socket().of("attach").at(-1)).toMatchObject({ terminal: "c" });
    expect(terminals.tabs.value[1]?.ended.value).toBe(null);
    vi.advanceTimersByTime(5_000);
    expect(opened()).toHaveLength(1);
  });

  it("goes when somebody else closes it", () => {
    end({ status: 0 });
    socket().say({ type: "detached", channel: 1, reason: "closed" });
    socket().say({ type: "terminals", terminals: [info("a", 1)] });
    expect(terminals.tabs.value.map((tab) => tab.attachment.terminal)).toEqual(["a"]);
  });
});
