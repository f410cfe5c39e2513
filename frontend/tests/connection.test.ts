import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { backOff, Connection, type State } from "../src/connection";
import { FakeSocket } from "./server";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function connect(admitted = true) {
  const sockets: FakeSocket[] = [];
  const states: State["kind"][] = [];
  let latency = -1;
  const connection = new Connection(
    {
      open: () => {
        const socket = new FakeSocket();
        sockets.push(socket);
        return socket;
      },
      admitted: () => Promise.resolve(admitted),
      random: () => 1,
    },
    {
      state: (state) => states.push(state.kind),
      ready: () => undefined,
      message: () => undefined,
      output: () => undefined,
      latency: (ms) => (latency = ms),
    },
  );
  connection.connect();
  const last = (): FakeSocket => sockets.at(-1) as FakeSocket;
  return { connection, sockets, states, last, latency: () => latency };
}

function pong(socket: FakeSocket): void {
  const ping = socket.of("ping").at(-1);
  if (ping?.type === "ping") socket.say({ type: "pong", nonce: ping.nonce });
}

describe("back-off", () => {
  it("doubles from half a second to ten", () => {
    expect([0, 1, 2, 3, 4, 5, 20].map((attempt) => backOff(attempt, 1))).toEqual([
      500, 1000, 2000, 4000, 8000, 10000, 10000,
    ]);
  });

  it("is spread over its upper half", () => expect(backOff(5, 0)).toBe(5000));
});

describe("a connection", () => {
  it("is open once the server has spoken", () => {
    const { states, last } = connect();
    expect(states).toEqual(["connecting"]);
    last().ready();
    expect(states).toEqual(["connecting", "open"]);
  });

  it("comes back, later each time, and soon again after a success", () => {
    const { sockets, last } = connect();
    for (const delay of [500, 1000, 2000]) {
      const before = sockets.length;
      last().drop();
      vi.advanceTimersByTime(delay - 1);
      expect(sockets).toHaveLength(before);
      vi.advanceTimersByTime(1);
      expect(sockets).toHaveLength(before + 1);
    }
    last().ready();
    last().drop(1012);
    vi.advanceTimersByTime(500);
    expect(sockets).toHaveLength(5);
  });

  it("stays away after 4001", async () => {
    const { sockets, states, last } = connect();
    last().ready();
    last().drop(4001, "bye");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(1);
    expect(states.at(-1)).toBe("stopped");
  });

  it("asks for signing in, and says why, when the right to be here has ended", async () => {
    const { connection, sockets, last } = connect(false);
    last().ready();
    last().drop(1008, "the account is disabled");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(connection.state).toEqual({ kind: "signed_out", reason: "the account is disabled" });
    expect(sockets).toHaveLength(1);
  });

  it("comes back after 1008 when somebody is signed in all the same", async () => {
    const { sockets, states, last } = connect(true);
    last().ready();
    last().drop(1008);
    expect(states.at(-1)).toBe("stopped");
    await vi.advanceTimersByTimeAsync(500);
    expect(sockets).toHaveLength(2);
  });

  it.each([1000, 1001, 1006, 1011, 1012])("comes back after %i", (code) => {
    const { sockets, last } = connect();
    last().ready();
    last().drop(code);
    vi.advanceTimersByTime(500);
    expect(sockets).toHaveLength(2);
  });

  it("comes back at once when woken", () => {
    const { connection, sockets, last } = connect();
    last().drop();
    connection.wake();
    expect(sockets).toHaveLength(2);
  });

  it("asks for signing in when the server does not let it in", async () => {
    const { sockets, states, last } = connect(false);
    last().drop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(states.at(-1)).toBe("signed_out");
    expect(sockets).toHaveLength(1);
  });

  it("drops a socket that says nothing for 30 s", () => {
    const { sockets, last } = connect();
    last().ready();
    pong(last());
    vi.advanceTimersByTime(29_000);
    expect(last().closed).toBe(false);
    expect(last().of("ping")).toHaveLength(2);
    vi.advanceTimersByTime(2_000);
    expect(sockets[0]?.closed).toBe(true);
    expect(sockets).toHaveLength(2);
  });

  it("keeps a socket that answers", () => {
    const { sockets, last } = connect();
    last().ready();
    for (let second = 0; second < 120; second++) {
      vi.advanceTimersByTime(1000);
      pong(last());
    }
    expect(sockets).toHaveLength(1);
    expect(last().of("ping").length).toBeGreaterThan(7);
  });

  it("does not trust an old socket after waking", () => {
    const { connection, sockets, last } = connect();
    last().ready();
    pong(last());
    vi.advanceTimersByTime(1_500);
    connection.wake();
    vi.advanceTimersByTime(7_000);
    expect(sockets).toHaveLength(2);
  });

  it("gives up a handshake that takes 15 s", () => {
    const { sockets } = connect();
    vi.advanceTimersByTime(16_000);
    expect(sockets[0]?.closed).toBe(true);
    expect(sockets).toHaveLength(2);
  });

  it("measures the way there and back", () => {
    const { last, latency } = connect();
    last().ready();
    vi.advanceTimersByTime(12);
    pong(last());
    expect(latency()).toBeCloseTo(12);
  });

  it("keeps nothing for later", () => {
    const { connection, last } = connect();
    expect(connection.send({ type: "list" })).toBe(false);
    last().ready();
    expect(last().of("list")).toEqual([]);
  });

  it("ignores what comes late from a socket that it let go", () => {
    const { connection, sockets, states } = connect();
    sockets[0]?.drop();
    connection.connect();
    sockets[0]?.ready();
    expect(states).not.toContain("open");
  });
});
