import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Api, Refusal } from "../../src/api";
import { chosen, walked } from "../../src/files/dropping";
import { freeName } from "../../src/files/shelf";
import { Transfers, type Work } from "../../src/files/transfers";
import { batched, LargeUpload, SmallUploads, SMALL, topNames, type Notebook } from "../../src/files/uploads";
import { HttpServer, problem, reply } from "../http";
import { deferred, settled } from "./deferred";

const file = (name: string, size: number): File => new File([new Uint8Array(size).fill(97)], name, { lastModified: 5000 });
const gift = (path: string, size = 1) => ({ path, file: file(path.split("/").at(-1)!, size) });

describe("what is dropped", () => {
  const entry = (name: string, inside?: FileSystemEntry[]): FileSystemEntry =>
    ({
      name,
      isDirectory: inside !== undefined,
      file: (done: (file: File) => void) => done(file(name, 1)),
      createReader: () => {
        const left = [...(inside ?? [])];
        return { readEntries: (done: (some: FileSystemEntry[]) => void) => done(left.splice(0, 2)) };
      },
    }) as unknown as FileSystemEntry;

  it("is walked to its end, in pieces", async () => {
    const five = ["a", "b", "c", "d", "e"].map((name) => entry(name));
    const haul = await walked([entry("x"), entry("top", [...five, entry("sub", [entry("deep")]), entry("empty", [])])]);
    expect(haul.files.map(({ path }) => path)).toEqual(["x", ...five.map(({ name }) => `top/${name}`), "top/sub/deep"]);
    expect(haul.directories).toEqual(["top", "top/sub", "top/empty"]);
    expect(topNames(haul)).toEqual(["x", "top"]);
  });

  it("or chosen, with its paths", () => {
    const inside = Object.defineProperty(file("b", 1), "webkitRelativePath", { value: "d/e/b" });
    expect(chosen([inside, file("c", 1)])).toMatchObject({ files: [{ path: "d/e/b" }, { path: "c" }], directories: ["d", "d/e"] });
  });

  it("goes together, as far as a form can say it", () => {
    const many = Array.from({ length: 450 }, (_, number) => gift(`f${number}`));
    expect(batched(many).map((batch) => batch.length)).toEqual([200, 200, 50]);
    const large = [gift("a", SMALL - 10), gift("b", 20), gift("c", 1)];
    expect(batched(large).map((batch) => batch.map(({ path }) => path))).toEqual([["a"], ["b", "c"]]);
    expect(batched([gift('say "x"'), gift("b"), gift("100%")]).map((batch) => batch[0]?.path)).toEqual(['say "x"', "100%", "b"]);
  });
});

it.each([
  ["a.txt", [], "a copy.txt"],
  ["a.txt", ["a copy.txt", "a copy 2.txt"], "a copy 3.txt"],
  [".env", [], ".env copy"],
  ["d", ["d copy"], "d copy 2"],
])("a free name for %s", (name, taken, free) => expect(freeName(name, new Set(taken))).toBe(free));

describe("on their way", () => {
  let server: HttpServer;
  let api: Api;
  let notes: Map<string, string>;
  let notebook: Notebook;
  const target = { workspace: "w", directory: "in%20here", overwrite: false };
  const never = new AbortController().signal;
  beforeEach(async () => {
    server = await HttpServer.start();
    api = new Api(() => undefined);
    notes = new Map();
    notebook = {
      get: (key) => notes.get(key) ?? null,
      set: (key, upload) => void (upload === null ? notes.delete(key) : notes.set(key, upload)),
    };
  });
  beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => undefined)); // jsdom tells of broken connections
  afterEach(() => {
    vi.restoreAllMocks();
    return server.stop();
  });
  const paths = (): string[] => server.calls.filter(({ method }) => method !== "OPTIONS").map(({ method, url }) => `${method} ${url.split("/workspaces/")[1]}`);

  /** Keeps what comes, and breaks the connection once where it is told to. It tells of a finished upload, too. */
  function keeping(size: number, breaks: number[]): { have: number } {
    const kept = { have: 0 };
    server.answer = ({ method, url, body }, response) => {
      response.setHeader("Access-Control-Allow-Headers", "*");
      response.setHeader("Access-Control-Allow-Methods", "*");
      if (method === "OPTIONS") return reply(response, 204);
      if (method === "POST") return reply(response, 201, { upload: "u1", offset: 0, size, expires: 0, path: "", encoded: "" });
      const entry = () => (kept.have === size ? { entry: { path: "x" } } : {});
      if (method === "GET") return reply(response, 200, { upload: "u1", offset: kept.have, ...entry() });
      const offset = Number(new URL(url, "http://x").searchParams.get("offset"));
      if (offset !== kept.have) return problem(response, 409, "wrong_offset", "elsewhere");
      const broken = breaks.shift();
      kept.have += broken ?? (body as Buffer).length;
      if (broken !== undefined) return void response.destroy();
      reply(response, 200, { upload: "u1", offset: kept.have, ...entry() });
    };
    return kept;
  }

  it("a large file goes on where it was cut", async () => {
    const size = SMALL + 1000;
    const kept = keeping(size, [1_000_000]);
    const upload = new LargeUpload(api, target, gift("a b/large", size), notebook);
    await expect(upload.run(never, () => undefined)).rejects.toMatchObject({ code: "unreachable" });
    expect([...notes.values()]).toEqual(["u1"]);
    const again = new LargeUpload(api, target, gift("a b/large", size), notebook); // the page was loaded anew
    const sent: number[] = [];
    await again.run(never, (bytes) => sent.push(bytes));
    expect(kept.have).toBe(size);
    expect(sent[0]).toBe(1_000_000);
    expect(sent.at(-1)).toBe(size);
    expect(notes.size).toBe(0);
    expect(paths()).toEqual(["POST w/uploads", "PUT w/uploads/u1?offset=0", "GET w/uploads/u1", "PUT w/uploads/u1?offset=1000000"]);
    expect(server.calls.find(({ method }) => method === "POST")?.body).toEqual({
      path: "in here/a b/large", size, modified: 5, overwrite: false,
    });
  });

  it("a large file is there when only the last answer was lost", async () => {
    const size = SMALL + 1;
    keeping(size, [size]);
    const upload = new LargeUpload(api, target, gift("large", size), notebook);
    await expect(upload.run(never, () => undefined)).rejects.toMatchObject({ code: "unreachable" });
    const sent: number[] = [];
    await upload.run(never, (bytes) => sent.push(bytes));
    expect(sent).toEqual([size]);
    expect(notes.size).toBe(0);
    expect(paths()).toEqual(["POST w/uploads", "PUT w/uploads/u1?offset=0", "GET w/uploads/u1"]);
  });

  it("a file that is sent again, later, begins anew", async () => {
    const size = SMALL + 1;
    const kept = keeping(size, [size]);
    await expect(new LargeUpload(api, target, gift("large", size), notebook).run(never, () => undefined)).rejects.toThrow();
    const answer = server.answer;
    server.answer = (call, response) => {
      if (call.method === "POST") kept.have = 0;
      answer(call, response);
    };
    await new LargeUpload(api, target, gift("large", size), notebook).run(never, () => undefined);
    expect(paths().slice(2)).toEqual(["GET w/uploads/u1", "POST w/uploads", "PUT w/uploads/u1?offset=0"]);
  });

  it("a piece that the server still has to do with is waited for", async () => {
    const size = SMALL + 1;
    keeping(size, []);
    const answer = server.answer;
    let busy = true;
    server.answer = (call, response) => {
      if (call.method !== "PUT" || !busy) return answer(call, response);
      busy = false;
      response.setHeader("Access-Control-Allow-Headers", "*");
      problem(response, 409, "conflict", "another call adds to this upload");
    };
    const waits: number[] = [];
    const transfers = new Transfers((seconds) => (waits.push(seconds), Promise.resolve()));
    const transfer = transfers.add(new LargeUpload(api, target, gift("large", size), notebook));
    await vi.waitUntil(() => !transfer.unfinished);
    expect(transfer.progress.value).toBe("done");
    expect(waits).toEqual([2]);
  });

  it("an upload that has expired begins anew", async () => {
    const size = SMALL + 1;
    notes.set(`w in%20here/large ${size} 5000`, "old");
    const kept = keeping(size, []);
    const answer = server.answer;
    server.answer = (call, response) =>
      call.url.includes("/old") && call.method === "GET" ? problem(response, 404, "no_such_upload", "gone") : answer(call, response);
    await new LargeUpload(api, target, gift("large", size), notebook).run(never, () => undefined);
    expect(kept.have).toBe(size);
  });

  it("small files go in forms, and a broken one is sent again", async () => {
    const bodies: string[] = [];
    server.answer = ({ method, body, url }, response) => {
      response.setHeader("Access-Control-Allow-Headers", "*");
      response.setHeader("Access-Control-Allow-Methods", "*");
      if (method === "OPTIONS") return reply(response, 204);
      bodies.push(`${url.split("?")[1]} ${[...String(body).matchAll(/filename="([^"]*)"/g)].map(([, name]) => name).join()}`);
      if (bodies.length === 1) return void response.destroy();
      reply(response, 200, { items: [] });
    };
    const upload = new SmallUploads(api, target, [gift("d/a"), gift("b")]);
    await expect(upload.run(never, () => undefined)).rejects.toMatchObject({ code: "unreachable" });
    await upload.run(never, () => undefined);
    // What came of the first one is one's own, so the second may replace it.
    expect(bodies).toEqual(["overwrite=0 d/a,b", "overwrite=1 d/a,b"]);
    expect(paths()[0]).toBe("POST w/upload/in%20here?overwrite=0");
  });
});

describe("transfers", () => {
  const work = (run: Work["run"]): Work & { forgotten: number } => ({
    title: "x",
    size: 10,
    run,
    forgotten: 0,
    forget() {
      this.forgotten += 1;
      return Promise.resolve();
    },
  });

  it("run two at a time, in order", async () => {
    const transfers = new Transfers();
    const gates = [deferred<void>(), deferred<void>(), deferred<void>()];
    const all = gates.map(({ promise }) => transfers.add(work(() => promise)));
    const states = (): string[] => all.map(({ progress }) => progress.value);
    expect(states()).toEqual(["running", "running", "waiting"]);
    gates[1]?.resolve();
    await settled();
    expect(states()).toEqual(["running", "done", "running"]);
    transfers.clear();
    expect(transfers.all.value.length).toBe(2);
  });

  it("stop when the network is away, and go on when it is back", async () => {
    const transfers = new Transfers();
    let away = true;
    let over = 0;
    const transfer = transfers.add(
      work((_, sent) => {
        sent(5);
        return away ? Promise.reject(new Refusal(0, "unreachable", "away")) : Promise.resolve();
      }),
      () => (over += 1),
    );
    await settled();
    expect(transfer.progress.value).toBe("paused");
    expect(transfer.sent.value).toBe(5);
    expect(over).toBe(0);
    away = false;
    transfers.resumeAll();
    await settled();
    expect(transfer.progress.value).toBe("done");
    expect(transfer.sent.value).toBe(10);
    expect(over).toBe(1);
  });

  it("wait when the server asks for it, and fail when it refuses", async () => {
    const waits: number[] = [];
    const transfers = new Transfers((seconds) => (waits.push(seconds), Promise.resolve()));
    const answers = [new Refusal(429, "rate_limited", "slow", 7), new Refusal(507, "quota_reached", "It is full.")];
    const transfer = transfers.add(work(() => Promise.reject(answers.shift())));
    await settled();
    expect(waits).toEqual([7]);
    expect(transfer.progress.value).toBe("failed");
    expect(transfer.problem.value).toBe("It is full.");
  });

  it("are cancelled, and what came is taken back", async () => {
    const transfers = new Transfers();
    const endless = work((signal) => new Promise((_, no) => signal.addEventListener("abort", () => no(signal.reason))));
    const transfer = transfers.add(endless);
    transfers.cancel(transfer);
    await settled();
    expect(transfer.progress.value).toBe("cancelled");
    expect(endless.forgotten).toBe(1);
    transfers.resume(transfer);
    expect(transfer.progress.value).toBe("cancelled");
  });
});
