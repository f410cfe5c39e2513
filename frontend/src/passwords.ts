/** A hint while a new password is typed. Only its length counts; the server has the last word. */

export interface Strength {
  /** 0 to 4, for a bar. */
  level: number;
  text: string;
}

const GOOD = 14;
const STRONG = 20;

export function strength(password: string, least: number): Strength {
  const length = [...password].length;
  const missing = least - length;
  if (length === 0) return { level: 0, text: `At least ${least} characters` };
  if (missing > 0) return { level: 1, text: `${missing} more ${missing === 1 ? "character" : "characters"}` };
  if (length < Math.max(GOOD, least + 1)) return { level: 2, text: "Long enough; a few more would be better" };
  return length < STRONG ? { level: 3, text: "Good" } : { level: 4, text: "Strong" };
}
