/** How a workspace's runtime is, as told so far. */

import type { RuntimeMessage } from "../protocol.gen";

export type RuntimeState = RuntimeMessage["state"];

export interface Runtime {
  state: RuntimeState;
  message: string;
  /** What has been said during this start, the newest last. */
  lines: readonly string[];
  /** When it stops by itself, in milliseconds since 1970; null: it does not. */
  stopsAt: number | null;
  /** Why programs run somewhere else than usual; empty where they do not. */
  reason: string;
}

const MOST_LINES = 6;

interface Told {
  state: RuntimeState;
  message: string;
  stops_in?: number | null;
  /** Only said when one asks. */
  reason?: string;
}

/** What is known after the server has said something; `now` in milliseconds since 1970. */
export function told(before: Runtime | undefined, { state, message, stops_in, reason }: Told, now = Date.now()): Runtime {
  const said = state === "starting" && before?.state === "starting" ? before.lines : [];
  const lines = state === "starting" && message !== "" && said.at(-1) !== message ? [...said, message] : said;
  const stopsAt = state === "ready" && typeof stops_in === "number" ? now + stops_in * 1000 : null;
  return { state, message, lines: lines.slice(-MOST_LINES), stopsAt, reason: reason ?? before?.reason ?? "" };
}
