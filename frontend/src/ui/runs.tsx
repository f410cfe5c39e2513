/** What runs in the workspace that is shown: below its files. */

import { useEffect, useState } from "preact/hooks";
import { sentence } from "../api";
import type { Page } from "../page";
import { STATES } from "../runtimes/words";
import type { Workspace } from "../rest";
import { cleanText } from "../titles";
import { useAction } from "./asking";
import { Problem } from "./fields";
import { Icon } from "./icons";
import { Meters, type Disk } from "./meters";
import { Ports } from "./ports";
import { Sleeping } from "./sleeping";
import { StartProgress } from "./starting";

const DISK_MS = 30_000;

interface Props {
  page: Page;
  workspace: Workspace;
}

export function Runs({ page }: { page: Page }) {
  const open = page.preferences.runs.value;
  const workspace = page.work.workspaces.current.value;
  if (!workspace) return null;
  const state = page.work.workspaces.runtimes.value.get(workspace.id)?.state;
  return (
    <section class="runs" aria-label="Programs">
      <h2>
        <button aria-expanded={open} aria-controls="runs-body" onClick={() => (page.preferences.runs.value = !open)}>
          <span class={open ? "twist open" : "twist"}>
            <Icon name="chevron" />
          </span>
          Programs
          {state && <span class={`state-of ${state}`}>{STATES[state]}</span>}
        </button>
      </h2>
      {open && (
        <div class="runs-body" id="runs-body">
          <Body key={workspace.id} page={page} workspace={workspace} />
        </div>
      )}
    </section>
  );
}

/** State, meters, ports, and what one can do about them. */
function Body({ page, workspace }: Props) {
  const runtime = page.work.workspaces.runtimes.value.get(workspace.id);
  const stats = page.work.runs.looking.at(workspace.id).stats.value;
  const disk = useDisk(page, workspace.id);
  const up = runtime?.state === "ready";
  // Of a start, and of an end that is near, it is told below.
  const tell = runtime && runtime.message !== "" && runtime.state !== "starting" && runtime.stopsAt === null;
  return (
    <>
      {runtime?.state === "starting" && <StartProgress lines={runtime.lines} />}
      {tell && (
        <p class={runtime.state === "failed" ? "problem" : "about"} role="status">
          {sentence(cleanText(runtime.message))}
        </p>
      )}
      {runtime?.reason && <p class="about">{sentence(cleanText(runtime.reason))}</p>}
      <Sleeping page={page} workspace={workspace.id} long />
      <Meters stats={up ? stats : null} disk={disk} />
      <Ports page={page} workspace={workspace} />
      <Acts page={page} workspace={workspace} />
    </>
  );
}

function Acts({ page, workspace }: Props) {
  const action = useAction();
  const runtime = page.work.workspaces.runtimes.value.get(workspace.id);
  const state = runtime?.state ?? "absent";
  const told = runtime ? sentence(cleanText(runtime.message)) : "";
  const ask = (kind: "stop_runtime" | "restart_runtime" | "environment") => (): void => {
    page.dialog.value = { kind, workspace };
  };
  return (
    <div class="runs-acts">
      {workspace.role !== "read" && (state === "absent" || state === "failed") && (
        <button disabled={action.busy} onClick={() => void action.run(() => page.work.runs.start(workspace.id))}>
          Start
        </button>
      )}
      {workspace.role === "own" && (
        <>
          {state === "ready" && <button onClick={ask("restart_runtime")}>Restart…</button>}
          {(state === "ready" || state === "starting") && <button onClick={ask("stop_runtime")}>Stop…</button>}
        </>
      )}
      <button onClick={ask("environment")}>Environment…</button>
      {action.refusal && action.refusal.message !== told && <Problem action={action} />}
    </div>
  );
}

/** How full the workspace is; counted by the server now and then. */
function useDisk(page: Page, workspace: string): Disk | null {
  const [disk, setDisk] = useState<Disk | null>(null);
  useEffect(() => {
    let over = false;
    const look = async (): Promise<void> => {
      if (document.hidden) return;
      const status = await page.rest.workspaceStatus(workspace).catch(() => null);
      if (status && !over) setDisk({ bytes: status.bytes, most: status.quota.bytes });
    };
    void look();
    const timer = setInterval(() => void look(), DISK_MS);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, [workspace]);
  return disk;
}
