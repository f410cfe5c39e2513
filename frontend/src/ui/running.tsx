/** In the status line: what becomes of the workspace's runtime, and the ports on which its programs listen. */

import type { Page } from "../page";
import { cleanText } from "../titles";
import { showPreview } from "./ports";
import { Sleeping } from "./sleeping";
import { toldInPlace } from "./told";

/** Of more ports, the rest is with the files. */
const MOST_PORTS = 3;

export function Running({ page }: { page: Page }) {
  const workspace = page.work.workspaces.current.value;
  if (!workspace) return null;
  const runtime = page.work.workspaces.runtimes.value.get(workspace.id);
  return (
    <>
      {runtime?.state === "starting" && <span class="long told">Starting{runtime.message && `: ${cleanText(runtime.message)}`}</span>}
      {runtime?.state === "failed" && (
        <span class="long told">Failed{runtime.message !== toldInPlace(page) && `: ${cleanText(runtime.message)}`}</span>
      )}
      <Sleeping page={page} workspace={workspace.id} />
      <Listening page={page} workspace={workspace.id} />
    </>
  );
}

function Listening({ page, workspace }: { page: Page; workspace: string }) {
  const ports = page.work.runs.looking.at(workspace).ports.value;
  const shown = page.work.runs.previews.shown.value?.port;
  const others = ports.filter((port) => port !== shown);
  if (others.length === 0) return null;
  return (
    <span class="listening">
      <span class="unseen" role="status">
        {`Programs listen on port ${others.join(", ")}`}
      </span>
      {others.slice(0, MOST_PORTS).map((port) => (
        <button key={port} title={`Show port ${port} beside the terminals`} aria-label={`Preview port ${port}`} onClick={() => showPreview(page, workspace, port)}>
          port {port}
        </button>
      ))}
      <More page={page} count={others.length - MOST_PORTS} />
      <More page={page} count={others.length - 1} narrow />
    </span>
  );
}

/** How many ports there is no room for; `narrow`: on a phone, where only the first is shown. */
function More({ page, count, narrow = false }: { page: Page; count: number; narrow?: boolean }) {
  if (count <= 0) return null;
  return (
    <button class={narrow ? "narrow" : undefined} aria-label="All ports" onClick={() => showRuns(page)}>
      +{count}
    </button>
  );
}

/** Show the files, with what runs below them. */
function showRuns(page: Page): void {
  page.preferences.runs.value = true;
  if (!page.work.open.value) page.toggleFiles();
}
