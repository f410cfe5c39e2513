import { describe, expect, it } from "vitest";
import { inspectPaste, visible } from "../src/paste";

describe("inspecting a paste", () => {
  it.each(["ls -la", "tab\tinside", "żółć 漢字 🎉", ""])("lets %j through", (text) => {
    expect(inspectPaste(text)).toMatchObject({ text, reasons: [] });
  });

  it.each([
    ["a newline", "ls\n"],
    ["a leading newline", "\nls"],
    ["a carriage return", "ls\rrm"],
    ["an escape", "\x1b[31m"],
    ["a C0 control", "a\x03b"],
    ["DEL", "a\x7f"],
    ["a C1 control", "a\x9b31m"],
    ["a right-to-left override", "a\u202etxt.exe"],
    ["an isolate", "a\u2066b\u2069"],
    ["a left-to-right mark", "a\u200eb"],
    ["a zero-width space", "a\u200bb"],
    ["a zero-width joiner", "a\u200db"],
    ["a byte order mark", "\ufeffls"],
    ["a line separator", "a\u2028b"],
    ["a tag character", "a\u{e0041}"],
    ["a soft hyphen", "a\u00adb"],
  ])("asks about %s", (_, text) => {
    const paste = inspectPaste(text);
    expect(paste.reasons).not.toEqual([]);
    expect(paste.text).toBe(text);
  });

  it.each([
    ["7-bit", "a\x1b[201~b", "ab"],
    ["8-bit", "a\x9b201~b", "ab"],
    ["the beginning too", "a\x1b[200~b", "ab"],
    ["one inside another", "a\x1b[20\x1b[201~1~b", "ab"],
    ["mixed forms inside each other", "a\x9b2\x1b[201~01~b", "ab"],
  ])("takes out the end of a bracketed paste: %s", (_, text, clean) => {
    const paste = inspectPaste(text);
    expect(paste.text).toBe(clean);
    expect(paste.reasons).toHaveLength(1);
  });

  it("counts lines as they look and bytes as they are sent", () => {
    expect(inspectPaste("a\r\nb\nc\n")).toMatchObject({ lines: 3, bytes: 7 });
    expect(inspectPaste("é")).toMatchObject({ lines: 1, bytes: 2 });
  });
});

describe("showing a paste", () => {
  it("shows what cannot be seen", () => {
    expect(visible("a\x1b[m\x7f\x9b\u202e\u200b\u{e0041}\tz")).toBe("a␛[m␡\\x9b\\u202e\\u200b\\u{e0041}\tz");
  });

  it("marks line ends", () => expect(visible("a\r\nb\rc\n")).toBe("a↵\nb↵\nc↵\n"));

  it("does not show without end", () => {
    expect(visible("x".repeat(30), 10)).toBe(`${"x".repeat(10)}\n… and 20 more characters`);
  });
});
