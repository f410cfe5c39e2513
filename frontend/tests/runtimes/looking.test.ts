import { beforeEach, describe, expect, it, vi } from "vitest";
import { signal } from "@preact/signals";
import type { ServerMessage } from "../../src/protocol.gen";
import { Looking } from "../../src/runtimes/looking";
import type { PreviewInfo } from "../../src/rest";
import { Previews } from "../../src/runtimes/previews";
import { told } from "../../src/runtimes/states";
import { lifetimes, progressIn, readings, remaining } from "../../src/runtimes/words";
import { deferred, settled, type Deferred } from "../files/deferred";

let said: string[];
let answers: Deferred<void>[];
let looking: Looking;
beforeEach(() => {
  said = [];
  answers = [];
  looking = new Looking({
    watch: (workspace) => {
      said.push(`watch ${workspace}`);
      const answer = deferred<void>();
      answers.push(answer);
      return answer.promise;
    },
    unwatch: (workspace) => void said.push(`unwatch ${workspace}`),
  });
});

const hear = (message: object): boolean => looking.message(message as ServerMessage);
const open = (port: number, workspace = "w"): boolean => hear({ type: "port_opened", workspace, port });
const grant = async (): Promise<void> => {
  answers.shift()?.resolve();
  await settled();
};

describe("looking at what runs", () => {
  it("is one watch for all who look", async () => {
    looking.ready();
    const [one, two] = [looking.begin("w"), looking.begin("w")];
    await grant();
    expect(said).toEqual(["watch w"]);
    open(8000);
    open(80);
    open(8000);
    hear({ type: "runtime_stats", workspace: "w", cpu: 1 });
    expect(looking.at("w").ports.value).toEqual([80, 8000]);
    expect(looking.at("w").stats.value?.cpu).toBe(1);
    hear({ type: "port_closed", workspace: "w", port: 80 });
    expect(looking.at("w").ports.value).toEqual([8000]);
    one();
    one();
    expect(said).toEqual(["watch w"]);
    two();
    expect(said).toEqual(["watch w", "unwatch w"]);
    expect(looking.at("w").ports.value).toEqual([]);
    open(1); // was on its way
    expect(looking.at("w").ports.value).toEqual([]);
    expect(hear({ type: "notice" })).toBe(false);
  });

  it("asks one thing at a time, and then for what is wanted by then", async () => {
    looking.ready();
    looking.begin("w")();
    const stop = looking.begin("w");
    expect(said).toEqual(["watch w"]);
    await grant();
    expect(said).toEqual(["watch w"]);
    stop();
    looking.begin("w")();
    expect(said).toEqual(["watch w", "unwatch w", "watch w"]);
    await grant();
    expect(said.at(-1)).toBe("unwatch w");
  });

  it("begins again with each socket, and with whoever looks anew after a refusal", async () => {
    looking.begin("w");
    expect(said).toEqual([]);
    looking.ready();
    answers.shift()?.reject(new Error("refused"));
    await settled();
    looking.begin("w");
    await grant();
    open(80);
    looking.lost();
    looking.ready();
    expect(said).toEqual(["watch w", "watch w", "watch w"]);
    expect(looking.at("w").ports.value).toEqual([]);
  });
});

describe("a preview", () => {
  const chosen = signal<string | null>("w");
  let previews: Previews;
  let known: PreviewInfo;
  beforeEach(() => {
    chosen.value = "w";
    previews = new Previews(chosen, {
      look: (workspace) => looking.at(workspace),
      begin: (workspace) => looking.begin(workspace),
      where: () => Promise.resolve(known),
    });
    known = { port: 80, url: "", isolated: false, open: true, shown: [] };
    looking.ready();
  });

  it("is one for each workspace, and looks as long as it is there", async () => {
    const first = previews.open("w", 80);
    await grant();
    expect(previews.shown.value).toBe(first);
    expect(new URL(first.address.value).pathname).toBe("/preview/w/80/");
    previews.open("v", 90);
    expect(previews.shown.value).toBe(first);
    const second = previews.open("w", 81);
    expect(previews.shown.value).toBe(second);
    chosen.value = "v";
    expect(previews.shown.value?.port).toBe(90);
    chosen.value = "w";
    previews.close("w");
    previews.close("w");
    expect(previews.shown.value).toBeNull();
    previews.forget();
    await grant();
    expect(said).toEqual(["watch w", "watch v", "unwatch w", "unwatch v"]);
  });

  it("shows itself again when somebody listens again", async () => {
    looking.begin("w");
    open(80);
    const preview = previews.open("w", 80);
    expect(preview.round.value).toBe(0);
    hear({ type: "port_closed", workspace: "w", port: 80 });
    expect([preview.up.value, preview.loaded.value]).toEqual([false, true]);
    preview.reload();
    expect(preview.loaded.value).toBe(false);
    open(80);
    expect([preview.round.value, preview.loaded.value]).toEqual([2, true]);
    expect(previews.open("w", 80)).toBe(preview);
    expect(preview.round.value).toBe(3);
    preview.close();
  });

  it("is loaded again where it is, and begins anew when it is chosen anew", async () => {
    looking.begin("w");
    open(80);
    const preview = previews.open("w", 80);
    known = { ...known, shown: [{ target: "/", at: 1 }] };
    await preview.landed();
    known = { ...known, shown: [...known.shown, { target: "//a?b=%2F", at: 2 }, { target: "/in-a-frame-of-it", at: 3 }] };
    await preview.landed();
    known = { ...known, shown: [...known.shown, { target: "/in-that-frame-again", at: 4 }] };
    await preview.check();
    expect([preview.at.value, new URL(preview.address.value).pathname]).toEqual(["//a?b=%2F", "/preview/w/80/"]);
    preview.reload();
    expect(preview.address.value).toMatch(/\/preview\/w\/80\/\/a\?b=%2F$/);
    previews.open("w", 80);
    expect(preview.address.value).toMatch(/\/preview\/w\/80\/$/);
    preview.close();
  });

  it("is asked where it is at its own origin, where it has one", async () => {
    looking.begin("w");
    open(80);
    const preview = previews.open("w", 80);
    known = { ...known, isolated: true, url: "http://80--w.apps/", shown: [{ target: "/a?b", at: 1 }] };
    await preview.landed();
    preview.reload();
    expect(preview.address.value).toBe("http://80--w.apps/.webterm/again?to=%2Fa%3Fb&round=1");
    expect(preview.round.value).toBe(0); // the same frame
    preview.reload();
    expect(preview.address.value).toMatch(/round=2$/);
    preview.restart();
    expect([preview.address.value.replace(/^.*preview/, ""), preview.round.value]).toEqual(["/w/80/", 1]);
    preview.close();
  });

  it("stays as it is when only the socket is another one", async () => {
    looking.begin("w");
    await grant();
    open(80);
    const preview = previews.open("w", 80);
    looking.lost();
    looking.ready();
    previews.ready();
    expect(preview.up.value).toBe(false);
    open(80);
    await settled();
    expect([preview.round.value, preview.loaded.value, preview.up.value]).toEqual([0, true, true]);
    preview.close();
  });

  it("gets another pass once, where there is none any more", async () => {
    looking.begin("w");
    open(80);
    const preview = previews.open("w", 80);
    known = { ...known, shown: [{ target: "/a", at: 1 }] };
    await preview.landed();
    known = { ...known, open: false, shown: [] };
    previews.ready();
    await vi.waitFor(() => expect(preview.round.value).toBe(1));
    expect(preview.address.value).toMatch(/\/a$/);
    await preview.check();
    expect(preview.round.value).toBe(1);
    preview.close();
  });
});

describe("what is said of runtimes", () => {
  it("a start's lines are those of that start", () => {
    let runtime = told(undefined, { state: "starting", message: "" });
    for (const message of ["pulling", "pulling", "unpacking"]) runtime = told(runtime, { state: "starting", message });
    expect(runtime.lines).toEqual(["pulling", "unpacking"]);
    runtime = told(runtime, { state: "ready", message: "", reason: "no engine" });
    expect(runtime.lines).toEqual([]);
    runtime = told(runtime, { state: "starting", message: "again" });
    expect(runtime).toMatchObject({ lines: ["again"], reason: "no engine" });
  });

  it("an end that comes by itself is told, and taken back", () => {
    const warned = told(undefined, { state: "ready", message: "", stops_in: 60 }, 1_000);
    expect(warned.stopsAt).toBe(61_000);
    expect(told(warned, { state: "ready", message: "" }).stopsAt).toBeNull();
    expect(told(warned, { state: "stopping", message: "", stops_in: 1 }).stopsAt).toBeNull();
  });

  it("meters show what is known", () => {
    const stats = { type: "runtime_stats", workspace: "w", cpu: 0.256, cpu_limit: 2, memory: 2 ** 30, processes: null } as const;
    expect(readings(stats)).toEqual([
      { name: "Processors", text: "0.26 of 2", part: 0.128 },
      { name: "Memory", text: "1.0 GiB", part: null },
    ]);
  });

  it.each([
    [600, "10 min"],
    [91, "2 min"],
    [89.2, "90 s"],
    [-1, "0 s"],
  ])("%d seconds are %j", (seconds, text) => expect(remaining(seconds)).toBe(text));

  it.each([
    [Infinity, ["1", "24", "168"]],
    [7, ["1", "24", "168"]],
    [2, ["1", "24", ""]],
    [0.01, [""]],
  ])("links for at most %d days last for %j hours", (days, hours) => expect(lifetimes(days).map(([value]) => value)).toEqual(hours));

  it.each([
    ["pulling registry:5000/debian:12: 90 of 120 MiB", 0.75],
    ["pulling debian: 0 of 0 MiB", null],
    ["pulling debian", null],
    ["Step 3/7 : RUN make", null],
    ["fetched 45% of 3 MiB", null],
  ])("%j", (line, part) => expect(progressIn(line)).toBe(part));
});
