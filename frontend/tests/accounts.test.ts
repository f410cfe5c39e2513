import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { deviceName } from "../src/agents";
import { invitationIn, invitationLink, nextIn, providerPath, refusalIn, tokenOf } from "../src/arrival";
import { Pages } from "../src/pages";
import { panelIn, Panels } from "../src/panels";
import { strength } from "../src/passwords";
import type { Slice } from "../src/rest";
import { Pause } from "../src/searching";
import { moment, relative } from "../src/times";

describe("what the address asks for", () => {
  it.each([
    ["", null],
    ["?signin=", null],
    ["?signin=expired", "That link is wrong, used or too old."],
    ["?signin=constructor", "Signing in did not work (constructor)."],
    ["?signin=<b>x</b>", "Signing in did not work (bxb)."],
  ])("a refused sign-in: %j", (search, text) => expect(refusalIn(search)).toBe(text));

  it.each([
    ["", null],
    ["?invitation=", null],
    ["?x=1&invitation=a-b_c", "a-b_c"],
  ])("an invitation: %j", (search, token) => expect(invitationIn(search)).toBe(token));

  it("an invitation's link leads to the page, wherever it is and whatever it shows", () => {
    const link = invitationLink("a+b", "https://h.example/p/?signin=expired#admin/invitations");
    expect(link).toBe("https://h.example/p/?invitation=a%2Bb");
    expect(invitationIn(new URL(link).search)).toBe("a+b");
    expect(tokenOf(link)).toBe(link); // it is no sign-in link
  });

  it("a provider brings back to the same place", () => {
    expect(providerPath("a/b", "#account", "")).toBe("api/v1/auth/oidc/a%2Fb?next=.%2F%23account");
    expect(providerPath("a", "", "?next=//evil.example")).toBe("api/v1/auth/oidc/a?next=.%2F");
  });

  it.each(["preview/w/1/", `preview/w/1/?q=${"é".repeat(10).replaceAll("é", "%C3%A9")}`])("a provider leads on to %s", (next) => {
    const path = new URLSearchParams(providerPath("a", "", `?next=${encodeURIComponent(next)}`).split("?")[1]).get("next");
    expect(nextIn(path?.slice(2) ?? "", "http://here/")).toBe(`http://here/${next}`);
  });

  it("a provider takes along no more than it can", () => {
    expect(providerPath("a", "#x", `?next=preview/w/1/${"x".repeat(600)}`)).toBe("api/v1/auth/oidc/a?next=.%2F%23x");
  });

  it.each(["http://here/", "http://here/terminal/", "http://here/terminal/?next=x#y"])("back to a preview from %s", (page) => {
    const base = page.split("?")[0];
    for (const path of ["preview/w/80", "preview/a-1/65535/", "preview/w/1//evil.example", "preview/w/1/a%2Fb?x=//y&z=%0A"]) {
      expect(nextIn(`?next=${encodeURIComponent(path)}`, page)).toBe(`${base}${path}`);
    }
  });

  it.each([
    "",
    "/",
    "preview",
    "preview/",
    "preview/w",
    "preview/w/0/",
    "preview/w/1x/",
    "preview/W/1/",
    "/preview/w/1/",
    "//evil.example/preview/w/1/",
    "///evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "\\evil.example",
    "https://evil.example/preview/w/1/",
    "https:evil.example",
    "javascript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,x",
    "blob:http://here/1",
    " //evil.example",
    "\t//evil.example",
    "\n//evil.example",
    "\0preview/w/1/",
    "preview/w/1/\\..\\..",
    "preview/w/1/a\tb",
    "preview/w/1/\r\nx",
    "preview/w/1/\u2028",
    "preview/w/1/ü",
    "preview/w/1/a b",
    "preview/w/1/../../../api/v1/auth/logout",
    "preview/w/1/%2e%2e/%2E%2E/.%2e/api",
    "preview/w/1/../../../../evil",
    "preview/w/..//1/",
    "preview//evil.example/1/",
    "./preview/w/1/",
    "@evil.example/preview/w/1/",
    "preview@evil.example/w/1/",
  ])("leads nowhere else: %j", (next) => expect(nextIn(`?next=${encodeURIComponent(next)}`, "http://here/")).toBeNull());
});

describe("panels", () => {
  it.each([
    ["", null],
    ["#", null],
    ["#account", { kind: "account" }],
    ["#account/x", null],
    ["#admin", { kind: "admin", section: "people" }],
    ["#admin/running", { kind: "admin", section: "running" }],
    ["#admin/audit", { kind: "admin", section: "audit" }],
    ["#admin/secrets", null],
    ["#__proto__", null],
  ])("%j", (hash, panel) => expect(panelIn(hash)).toEqual(panel));

  it("follow the address, and leave it as it was", async () => {
    history.replaceState(null, "", "/p/?x=1");
    const panels = new Panels();
    expect(panels.open.value).toBeNull();
    panels.show("admin");
    panels.turn("admin/tiers");
    expect(location.hash).toBe("#admin/tiers");
    expect(panels.open.value).toEqual({ kind: "admin", section: "tiers" });
    panels.close();
    expect(panels.open.value).toBeNull();
    expect(location.pathname + location.search + location.hash).toBe("/p/?x=1");
  });
});

describe("a device's name", () => {
  const windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";
  it.each([
    [windows, "Chrome on Windows"],
    [`${windows} Edg/140.0`, "Edge on Windows"],
    ["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"],
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Safari/604.1", "Safari on iPhone"],
    ["Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"],
    ["curl/8.5.0", "curl/8.5.0"],
    [" ", "A browser"],
    ["x".repeat(500), "x".repeat(60)],
  ])("%.60s", (agent, name) => expect(deviceName(agent, "browser")).toBe(name));

  it("of a program that says nothing", () => expect(deviceName("", "api")).toBe("A program"));
});

describe("the hint for a new password", () => {
  it.each([
    ["", 0, /At least 10/],
    ["abc", 1, /^7 more characters$/],
    ["123456789", 1, /^1 more character$/],
    ["1234567890", 2, /Long enough/],
    ["x".repeat(14), 3, /Good/],
    ["x".repeat(20), 4, /Strong/],
    ["🎉".repeat(9), 1, /^1 more character$/],
  ])("%j", (password, level, text) => {
    expect(strength(password, 10).level).toBe(level);
    expect(strength(password, 10).text).toMatch(text);
  });

  it("never calls the shortest allowed one good", () => expect(strength("x".repeat(30), 30).level).toBe(2));
});

describe("times", () => {
  it.each([
    [0, "now"],
    [-59, "now"],
    [-60, "1 minute ago"],
    [-7_200, "2 hours ago"],
    [-86_400, "yesterday"],
    [7 * 86_400, "in 7 days"],
    [-400 * 86_400, "last year"],
  ])("%d s from now", (distance, text) => expect(relative(1e9 + distance, 1e9)).toBe(text));

  it("are as wide each time", () => expect(moment(1e9)).toMatch(/^2001-09-0\d \d\d:\d\d:\d\d$/));
});

describe("a list in pages", () => {
  function asked() {
    const questions: { cursor: number | null; answer: (slice: Slice<string>) => void; refuse: (text: string) => void }[] = [];
    const ask = (cursor: number | null): Promise<Slice<string>> =>
      new Promise((answer, refuse) => questions.push({ cursor, answer, refuse: (text) => refuse(new Error(text)) }));
    return { questions, pages: new Pages(ask, (item) => item.toLowerCase()), ask };
  }

  it("grows page by page", async () => {
    const { questions, pages } = asked();
    const first = pages.restart();
    questions[0]?.answer({ items: ["a", "b"], next: 2 });
    await first;
    expect(pages.more.value).toBe(true);
    const second = pages.loadMore();
    expect(questions[1]?.cursor).toBe(2);
    await pages.loadMore(); // pressed twice
    expect(questions).toHaveLength(2);
    questions[1]?.answer({ items: ["c"], next: null });
    await second;
    expect(pages.items.value).toEqual(["a", "b", "c"]);
    expect(pages.more.value).toBe(false);
    await pages.loadMore();
    expect(questions).toHaveLength(2);
  });

  it("ignores the late answer to an old question", async () => {
    const { questions, pages, ask } = asked();
    const old = pages.restart();
    const fresh = pages.restart(ask);
    questions[1]?.answer({ items: ["new"], next: null });
    await fresh;
    questions[0]?.answer({ items: ["old"], next: 9 });
    await old;
    expect(pages.items.value).toEqual(["new"]);
    expect(pages.more.value).toBe(false);
  });

  it("keeps what it has when the next page is refused, and recovers", async () => {
    const { questions, pages } = asked();
    const first = pages.restart();
    questions[0]?.answer({ items: ["a"], next: 1 });
    await first;
    const second = pages.loadMore();
    questions[1]?.refuse("no");
    await second;
    expect(pages.problem.value).toBe("no");
    expect(pages.items.value).toEqual(["a"]);
    const third = pages.loadMore();
    questions[2]?.answer({ items: ["b"], next: null });
    await third;
    expect(pages.problem.value).toBeNull();
    expect(pages.items.value).toEqual(["a", "b"]);
  });

  it("shows a new item in front, and not once more with its own page", async () => {
    const { questions, pages } = asked();
    const first = pages.restart();
    questions[0]?.answer({ items: ["a"], next: 1 });
    await first;
    pages.put("c");
    expect(pages.items.value).toEqual(["c", "a"]);
    const second = pages.loadMore();
    questions[1]?.answer({ items: ["b", "c"], next: null });
    await second;
    expect(pages.items.value).toEqual(["c", "a", "b"]);
  });

  it("shows a changed item in its place", async () => {
    const { questions, pages } = asked();
    const first = pages.restart();
    questions[0]?.answer({ items: ["a", "b"], next: null });
    await first;
    pages.put("B");
    expect(pages.items.value).toEqual(["a", "B"]);
  });
});

describe("typing into a search field", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("asks once, when it pauses", () => {
    const pause = new Pause();
    const asked: string[] = [];
    for (const text of ["a", "an", "ann"]) {
      pause.after(() => asked.push(text));
      vi.advanceTimersByTime(200);
    }
    vi.advanceTimersByTime(50);
    expect(asked).toEqual(["ann"]);
  });
});
