/** What is shown in the place of a terminal whose workspace is just starting. */

import type { Page } from "../page";
import { progressIn } from "../runtimes/words";
import { cleanText } from "../titles";

export function Starting({ page }: { page: Page }) {
  const workspace = page.work.workspaces.current.value;
  const tab = page.terminals.active.value;
  const runtime = workspace && page.work.workspaces.runtimes.value.get(workspace.id);
  if (!workspace || runtime?.state !== "starting" || tab?.phase.value !== "opening") return null;
  if (page.work.desk.front.value !== null) return null;
  return (
    <div class="start-of-workspace">
      <p>Starting {workspace.name}…</p>
      <StartProgress lines={runtime.lines} />
    </div>
  );
}

/** How far a start has come: a bar, and what has been said. */
export function StartProgress({ lines }: { lines: readonly string[] }) {
  const last = lines.at(-1) ?? "";
  const part = progressIn(last);
  return (
    <div class="start-progress">
      <progress aria-label="Start of the workspace" {...(part === null ? {} : { value: part, max: 1 })} />
      <ol aria-hidden="true">
        {lines.slice(0, -1).map((line, index) => (
          <li key={index}>{cleanText(line)}</li>
        ))}
      </ol>
      <p role="status">{cleanText(last)}</p>
    </div>
  );
}
