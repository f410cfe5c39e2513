import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Refusal } from "../../src/api";
import { Watches, type News } from "../../src/files/watches";
import type { ClientMessage, ServerMessage } from "../../src/protocol.gen";
import { Requests } from "../../src/requests";
import { settled } from "./deferred";

type Sent = ClientMessage & { request: number; path?: string };

let sent: Sent[];
let connected: boolean;
let requests: Requests;
beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  connected = true;
  requests = new Requests((message) => connected && sent.push(message as Sent) > 0);
});
afterEach(() => void vi.useRealTimers());

const stat = (path: string) => requests.ask({ type: "stat_file", workspace: "w", path }, "file");
const say = (message: object): boolean => requests.take(message as ServerMessage);
const code = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(() => null).catch((error: unknown) => (error instanceof Refusal ? error.code : error));

describe("requests", () => {
  it("get their own answers, in whatever order they come", async () => {
    const [one, two] = [stat("a"), stat("b")];
    say({ type: "file", request: sent[1]?.request, entry: { path: "b" } });
    say({ type: "file", request: sent[0]?.request, entry: { path: "a" } });
    expect((await one).entry.path).toBe("a");
    expect((await two).entry.path).toBe("b");
  });

  it("are refused", async () => {
    const refused = code(stat("a"));
    expect(say({ type: "error", request: 1, code: "no_such_file", message: "there is no a" })).toBe(true);
    expect(await refused).toBe("no_such_file");
    expect(say({ type: "error", code: "x", message: "of a channel", channel: 3 })).toBe(false);
    expect(say({ type: "notice", level: "info", message: "x" })).toBe(false);
  });

  it("fail with their socket, and without one", async () => {
    const waiting = code(stat("a"));
    requests.lost();
    expect(await waiting).toBe("unreachable");
    connected = false;
    expect(await code(stat("b"))).toBe("unreachable");
    expect(say({ type: "file", request: 1 })).toBe(true); // late, and of no use
  });

  it("wait for their turn when there are many", async () => {
    const all = Array.from({ length: 60 }, (_, number) => stat(String(number)));
    expect(sent.length).toBe(24);
    while (sent.length < 60) say({ type: "file", request: sent.length - 23, entry: {} });
    for (let request = 1; request <= 60; request++) say({ type: "file", request, entry: {} });
    await Promise.all(all);
    expect(sent.map((message) => message.path)).toEqual(all.map((_, number) => String(number)));
  });
});

describe("watches", () => {
  let watches: Watches;
  let unwatched: number[];
  beforeEach(() => {
    unwatched = [];
    watches = new Watches({
      watch: (question) => requests.ask(question, "watching"),
      unwatch: (watch) => void unwatched.push(watch),
    });
  });
  const grant = async (watch: number): Promise<void> => {
    say({ type: "watching", request: sent.at(-1)?.request, watch, entry: {} });
    await settled();
  };
  const change = (watch: number, rest: object): void =>
    watches.message({ type: "file_changed", workspace: "w", watch, path: "d", changes: [], ...rest } as never);

  it("are one for all who want the same directory", async () => {
    const heard: News[][] = [[], []];
    const one = watches.watch("w", "d", (news) => heard[0]?.push(news));
    const two = watches.watch("w", "d", (news) => heard[1]?.push(news));
    await grant(7);
    expect(sent.length).toBe(1);
    change(7, { changes: [{ name: "ü", kind: "changed" }, { name: "?", encoded: "%ff", kind: "removed" }] });
    expect(heard[0]).toEqual([{ places: new Set(["d/%C3%BC", "d/%FF"]) }]);
    expect(heard[1]).toEqual(heard[0]);
    one.stop();
    one.stop();
    change(7, { refresh: true });
    expect(heard[0]?.length).toBe(1);
    expect(heard[1]?.at(-1)).toEqual({ places: null });
    expect(unwatched).toEqual([]);
    two.stop();
    expect(unwatched).toEqual([7]);
    change(7, { refresh: true });
    expect(heard[1]?.length).toBe(2);
  });

  it("are given back when nobody waited for them", async () => {
    watches.watch("w", "d", () => undefined).stop();
    await grant(3);
    expect(unwatched).toEqual([3]);
  });

  it("are taken again on a new socket, and everybody looks anew", async () => {
    const heard: News[] = [];
    watches.watch("w", "", (news) => heard.push(news));
    await grant(1);
    watches.lost();
    requests.lost();
    watches.ready();
    await grant(2);
    expect(heard).toEqual([{ places: null }]);
    change(1, { refresh: true });
    expect(heard.length).toBe(1);
    change(2, { changes: [{ name: "a", kind: "created" }] });
    expect(heard.at(-1)).toEqual({ places: new Set(["a"]) });
  });

  it("are replaced by looking now and then where there are none left", async () => {
    const heard: News[] = [];
    const watcher = watches.watch("w", "d", (news) => heard.push(news));
    say({ type: "error", request: 1, code: "too_many_watches", message: "too many" });
    await watcher.begun;
    expect(heard).toEqual([]);
    await vi.advanceTimersByTimeAsync(4_000);
    say({ type: "error", request: 2, code: "too_many_watches", message: "too many" });
    await settled();
    expect(heard).toEqual([{ places: null }]);
    await vi.advanceTimersByTimeAsync(4_000);
    await grant(9); // there is one again
    change(9, { refresh: true });
    expect(heard.length).toBe(3);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(heard.length).toBe(3);
    watcher.stop();
    expect(unwatched).toEqual([9]);
  });

  it("begin again after the directory was replaced", async () => {
    const heard: News[] = [];
    watches.watch("w", "d", (news) => heard.push(news));
    await grant(1);
    change(1, { ended: true });
    await grant(2);
    expect(heard).toEqual([{ places: null }]);
    change(2, { changes: [{ name: "x", kind: "created" }] });
    expect(heard.length).toBe(2);
  });
});
