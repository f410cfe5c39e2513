/** That a workspace stops soon, because nothing runs in it, and how to keep it. */

import { useEffect, useState } from "preact/hooks";
import type { Page } from "../page";
import { remaining } from "../runtimes/words";
import { cleanText } from "../titles";
import { useAction } from "./asking";

const TICK_MS = 1_000;

interface Props {
  page: Page;
  workspace: string;
  /** Whether there is room for the reason, too: where it is told beside the status line. */
  long?: boolean;
}

export function Sleeping({ page, workspace, long = false }: Props) {
  const runtime = page.work.workspaces.runtimes.value.get(workspace);
  const stopsAt = runtime?.stopsAt ?? null;
  const seconds = useSeconds(stopsAt);
  const action = useAction();
  if (seconds === null) return null;
  const writable = page.work.workspaces.all.value.some(({ id, role }) => id === workspace && role !== "read");
  const keep = async (): Promise<void> => {
    const done = await action.run(() => page.work.runs.keep(workspace));
    if (!done) page.say("It could not be kept");
  };
  return (
    <span class="sleeping">
      {/* A screen reader is told once and not each second, at one place. */}
      {!long && (
        <span class="unseen" role="status">
          This workspace stops soon, because nothing runs in it.
        </span>
      )}
      <span aria-hidden="true">
        stops in {remaining(seconds)}
        {long && `: ${cleanText(runtime?.message || "nothing runs in it")}`}
      </span>
      {writable && (
        <button disabled={action.busy} title="Keep it running" aria-label="Keep it running" onClick={() => void keep()}>
          Keep
        </button>
      )}
    </span>
  );
}

/** How many seconds it is until then; null without a time. */
function useSeconds(until: number | null): number | null {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (until === null) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, [until]);
  return until === null ? null : Math.max(0, (until - now) / 1000);
}
