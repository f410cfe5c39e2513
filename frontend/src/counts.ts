/**
 * Counts that no screen has a use for.
 *
 * xterm.js does what it is told as often as it is told, all in one go: twelve bytes (`CSI 999999999 L`) would keep the
 * page busy for half an hour, and again after each reload. The largest screen has 500 columns and 300 rows.
 */

import type { IParser } from "@xterm/xterm";

const MOST = 1_000;
/** REP, IL, DL, SU, SD, CHT, CBT. Others cost the same whatever their count is. */
const COUNTED = ["b", "L", "M", "S", "T", "I", "Z"];

export function ignoreHugeCounts(parser: IParser): void {
  for (const final of COUNTED) parser.registerCsiHandler({ final }, ([count]) => Number(count ?? 0) > MOST);
}
