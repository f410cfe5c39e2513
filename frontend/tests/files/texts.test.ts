import { describe, expect, it } from "vitest";
import { languageOf } from "../../src/files/languages";
import { size } from "../../src/files/sizes";
import { bytesFor, fromBase64, looksBinary, textIn, toBase64 } from "../../src/files/texts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("texts", () => {
  it.each([
    ["", "\n", ""],
    ["a\nb\n", "\n", "a\nb\n"],
    ["a\r\nb\r\n", "\r\n", "a\nb\n"],
    ["a\r\nb\n", "\n", "a\r\nb\n"],
    ["a\rb\r\nc", "\n", "a\rb\r\nc"],
    ["\r\n", "\r\n", "\n"],
    ["\ufeffa\r\nb", "\r\n", "a\nb"],
    ["a\ufeffb", "\n", "a\ufeffb"],
    ["\u2028\u2029\u0085\n", "\n", "\u2028\u2029\u0085\n"],
  ])("%j", (file, ending, shown) => {
    const text = textIn(bytes(file));
    expect(text).toMatchObject({ text: shown, ending, marked: file.startsWith("\ufeff") });
    expect([...bytesFor(text!)]).toEqual([...bytes(file)]);
  });

  it("come back byte for byte, whatever they are made of", () => {
    const pieces = ["\r", "\n", "\r\n", "\ufeff", "a", "ü", "😀", "\u2028"];
    for (let number = 0; number < 4096; number++) {
      const file = bytes(Array.from({ length: 4 }, (_, digit) => pieces[(number >> (3 * digit)) & 7]).join(""));
      expect(Buffer.compare(bytesFor(textIn(file)!), file)).toBe(0);
    }
  });

  it("are no binaries", () => {
    expect(textIn(Uint8Array.of(0x61, 0))).toBeNull();
    expect(textIn(Uint8Array.of(0xff, 0xfe))).toBeNull();
    expect(textIn(Uint8Array.of(0xed, 0xa0, 0x80))).toBeNull(); // a surrogate
    expect(looksBinary(bytes("😀").subarray(0, 3))).toBe(false); // cut off within a character
    expect(looksBinary(Uint8Array.of(0xc3, 0x28))).toBe(true);
  });

  it("go through base64 whole", () => {
    const all = Uint8Array.from({ length: 100_000 }, (_, at) => at % 256);
    expect(Buffer.compare(fromBase64(toBase64(all)), all)).toBe(0);
    expect(toBase64(bytes("ü"))).toBe("w7w=");
  });
});

it.each([
  ["a.py", "python"],
  ["A.PY", "python"],
  ["Dockerfile", "dockerfile"],
  [".bashrc", "shell"],
  ["x.tar.gz", null],
  ["README", null],
  ["py", null],
  ["__proto__", null],
  ["a.constructor", null],
])("the language of %s", (name, language) => expect(languageOf(name)).toBe(language));

it.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1536, "1.5 KiB"],
  [10 * 1024 ** 3, "10 GiB"],
  [1024 ** 5, "1024 TiB"],
])("%i bytes", (bytes, text) => expect(size(bytes)).toBe(text));
