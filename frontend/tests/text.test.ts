import { describe, expect, it, vi } from "vitest";
import { allowedLink, openLink } from "../src/links";
import { Modifiers } from "../src/modifiers";
import { tokenOf } from "../src/arrival";
import { cleanTitle } from "../src/titles";

describe("links", () => {
  it.each(["http://a.example/x", "https://a.example/?q=1", "mailto:a@b.example"])("allows %s", (text) => {
    expect(allowedLink(text)).toBe(text);
  });

  it.each([
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "vbscript:x",
    "blob:http://a.example/1",
    "ssh://host",
    "/relative",
    "//host/path",
    "",
    `https://a.example/${"x".repeat(100_000)}`,
  ])("refuses %.40j", (text) => {
    expect(allowedLink(text)).toBeNull();
  });

  it("opens without handing over this window", () => {
    const open = vi.spyOn(window, "open").mockReturnValue(null);
    openLink("https://a.example/");
    openLink("javascript:alert(1)");
    expect(open.mock.calls).toEqual([["https://a.example/", "_blank", "noopener,noreferrer"]]);
    open.mockRestore();
  });
});

describe("titles", () => {
  it.each([
    ["plain", "plain"],
    ["  two\n\n lines ", "two lines"],
    ["two\nlines", "two lines"],
    ["<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"], // text, and shown as text
    ["a\x1b[31mb\x07\x9bc", "a[31mbc"],
    ["\u202egpj.exe\u2066\u200b\ufeff", "gpj.exe"],
    ["漢字 🎉", "漢字 🎉"],
    ["\u{e0041}", ""],
  ])("cleans %j", (title, clean) => expect(cleanTitle(title)).toBe(clean));

  it("cuts between characters", () => {
    expect([...cleanTitle("🎉".repeat(500))]).toHaveLength(120);
  });
});

describe("sticky modifiers", () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  it.each([
    ["c", [3]],
    ["C", [3]],
    ["[", [27]],
    [" ", [0]],
    ["?", [127]],
    ["1", [49]],
  ])("makes Ctrl of %j once", (key, expected) => {
    const modifiers = new Modifiers();
    modifiers.ctrl.value = true;
    expect([...modifiers.apply(bytes(key))]).toEqual(expected);
    expect([...modifiers.apply(bytes(key))]).toEqual([...bytes(key)]);
  });

  it("puts an escape before a key with Alt", () => {
    const modifiers = new Modifiers();
    modifiers.alt.value = true;
    expect([...modifiers.apply(bytes("x"))]).toEqual([27, 120]);
  });
});

describe("the token of a sign-in link", () => {
  it.each([
    ["abc", "abc"],
    [" http://h:1/p/?login=abc-_ ", "abc-_"],
    ["http://h/?x=1&login=a%2Bb#f", "a+b"],
  ])("is found in %j", (text, token) => expect(tokenOf(text)).toBe(token));
});
