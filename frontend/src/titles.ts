/** Titles come from programs and are text, never markup. */

const LONGEST = 120;
// C0, DEL, C1, bidirectional controls, zero-width characters, line separators, tag characters.
const UNPRINTABLE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** What may be shown of a text that others have had a hand in, in one line. */
export function cleanText(text: string): string {
  return text.replace(/[\t\n\r]+/g, " ").replace(UNPRINTABLE, "").replace(/\s+/gu, " ").trim();
}

/** What may be shown of a title; empty when nothing of it may. */
export function cleanTitle(title: string): string {
  const text = cleanText(title);
  const characters = [...text];
  return characters.length > LONGEST ? `${characters.slice(0, LONGEST - 1).join("")}…` : text;
}
