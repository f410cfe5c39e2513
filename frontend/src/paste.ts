/** Looking at pasted text before a program gets it. */

export interface Paste {
  /** The text without the sequences that would end a bracketed paste early. */
  text: string;
  /** Why a person should look first; empty when there is no reason. */
  reasons: string[];
  lines: number;
  bytes: number;
}

// The end (and start) of a bracketed paste, in its 7-bit and 8-bit forms.
const BRACKETS = /(?:\u001b\[|\u009b)20[01]~/g;
const NEWLINE = /[\n\r]/;
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;
const C1 = /[\u0080-\u009f]/;
const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const INVISIBLE = /[\u00ad\u200b-\u200d\u2028\u2029\u2060-\u2064\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;
const HIDDEN = new RegExp(`${CONTROL.source}|${C1.source}|${BIDI.source}|${INVISIBLE.source}`, "gu");

export function inspectPaste(raw: string): Paste {
  const text = withoutBrackets(raw);
  const reasons: string[] = [];
  if (NEWLINE.test(text)) reasons.push("more than one line: each line may run as a command");
  if (text !== raw) reasons.push("it tried to end the paste early; that part was removed");
  if (CONTROL.test(text) || C1.test(text)) reasons.push("control characters");
  if (BIDI.test(text)) reasons.push("characters that reverse the direction of text");
  if (INVISIBLE.test(text)) reasons.push("characters that cannot be seen");
  const lines = text.replace(/\r\n?/g, "\n").replace(/\n$/, "").split("\n").length;
  return { text, reasons, lines, bytes: new TextEncoder().encode(text).length };
}

/** Repeated, because taking one out may make another. */
function withoutBrackets(text: string): string {
  for (;;) {
    const next = text.replace(BRACKETS, "");
    if (next === text) return text;
    text = next;
  }
}

/** The text with everything that cannot be seen made visible, at most `limit` characters of it. */
export function visible(text: string, limit = 20_000): string {
  const head = text.length > limit ? text.slice(0, limit) : text;
  const shown = head.replace(/\r\n|\r|\n/g, "↵\n").replace(HIDDEN, mark);
  return head === text ? shown : `${shown}\n… and ${text.length - limit} more characters`;
}

function mark(character: string): string {
  const code = character.codePointAt(0) as number;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "␡";
  const hex = code.toString(16);
  if (code < 0x100) return `\\x${hex.padStart(2, "0")}`;
  return code > 0xffff ? `\\u{${hex}}` : `\\u${hex.padStart(4, "0")}`;
}
