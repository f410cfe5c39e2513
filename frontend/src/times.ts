/** Times for people. The server's are seconds since 1970. */

const UNITS: [seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [365 * 86_400, "year"],
  [30 * 86_400, "month"],
  [86_400, "day"],
  [3_600, "hour"],
  [60, "minute"],
];
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** "3 minutes ago", "in 7 days", "now"; never more exact than it needs to be. */
export function relative(time: number, now: number = Date.now() / 1000): string {
  const distance = time - now;
  for (const [seconds, unit] of UNITS) {
    if (Math.abs(distance) >= seconds) return RELATIVE.format(Math.round(distance / seconds), unit);
  }
  return "now";
}

/** The day, as this browser's people write it. */
export function day(time: number): string {
  return new Date(time * 1000).toLocaleDateString(undefined, { year: "numeric", month: "short", day: "numeric" });
}

/** To the second, in local time, the same width each time: `2026-03-01 09:05:00`. */
export function moment(time: number): string {
  const date = new Date(time * 1000);
  const two = (number: number): string => String(number).padStart(2, "0");
  const days = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${days} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
