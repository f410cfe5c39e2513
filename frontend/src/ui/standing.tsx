/** How one workspace stands: what runs in it, where, and how much is in it. */

import { useEffect } from "preact/hooks";
import { sentence } from "../api";
import { counted, size } from "../files/sizes";
import type { Page } from "../page";
import { placeOf, STATES } from "../runtimes/words";
import type { RuntimeInfo, Workspace, WorkspaceStatus } from "../rest";
import { day } from "../times";
import { cleanText } from "../titles";
import { useAction, useAnswer } from "./asking";
import { Problem } from "./fields";
import { Meters } from "./meters";
import { Nothing, Section } from "./panel";
import { Ports } from "./ports";
import { Sleeping } from "./sleeping";
import { StartProgress } from "./starting";

interface Props {
  page: Page;
  workspace: Workspace;
}

export function Standing({ page, workspace }: Props) {
  const status = useAnswer(() => page.rest.workspaceStatus(workspace.id));
  const info = useAnswer(() => page.rest.runtime(workspace.id));
  const runtime = page.work.workspaces.runtimes.value.get(workspace.id);
  useEffect(() => page.work.runs.looking.begin(workspace.id), [workspace.id]);
  useEffect(() => {
    if (!runtime) return;
    void status.reload();
    void info.reload();
  }, [runtime?.state]);
  if (!status.value || !info.value) {
    return (
      <Section title={workspace.name}>
        <Nothing problem={status.problem ?? info.problem} text="" known={false} />
      </Section>
    );
  }
  const state = runtime?.state ?? info.value.state;
  const message = runtime?.stopsAt ? "" : cleanText(runtime?.message ?? info.value.message);
  return (
    <Section title={workspace.name}>
      <dl class="facts">
        <dt>Programs</dt>
        <dd>
          <span class={`state-of ${state}`} role="status">
            {STATES[state]}
            {message && `: ${message}`}
          </span>
          {state === "starting" && <StartProgress lines={runtime?.lines ?? []} />}
          <Sleeping page={page} workspace={workspace.id} long />
        </dd>
        <Place info={info.value} />
        <Use page={page} workspace={workspace} />
        <dt>Terminals</dt>
        <dd>{counted(status.value.terminals, "terminal")}</dd>
        <Space status={status.value} />
        <dt>Since</dt>
        <dd>{day(workspace.created)}</dd>
      </dl>
      <Acts page={page} workspace={workspace} state={state} told={sentence(message)} />
    </Section>
  );
}

function Place({ info: { driver, image, reason, published, cut } }: { info: RuntimeInfo }) {
  return (
    <>
      <dt>They run in</dt>
      <dd>
        {placeOf(driver)}
        {image && ` of ${image}`}
        {reason && <p class="about">{sentence(cleanText(reason))}</p>}
        {cut.map((line) => (
          <p key={line} class="about">
            {sentence(cleanText(line))}
          </p>
        ))}
      </dd>
      {published.length > 0 && (
        <>
          <dt>Published</dt>
          <dd>{published.map(({ port, at }) => `port ${port} at port ${at} of the server's machine`).join(", ")}</dd>
        </>
      )}
    </>
  );
}

function Use({ page, workspace }: Props) {
  const look = page.work.runs.looking.at(workspace.id);
  return (
    <>
      {look.stats.value && (
        <>
          <dt>They use</dt>
          <dd>
            <Meters stats={look.stats.value} disk={null} />
          </dd>
        </>
      )}
      {look.ports.value.length > 0 && (
        <>
          <dt>Ports</dt>
          <dd>
            <Ports page={page} workspace={workspace} />
          </dd>
        </>
      )}
    </>
  );
}

function Space({ status: { files, bytes, quota } }: { status: WorkspaceStatus }) {
  return (
    <>
      <dt>Space</dt>
      <dd>
        <span>
          {size(bytes)}
          {quota.bytes > 0 && ` of ${size(quota.bytes)}`}
        </span>
        {quota.bytes > 0 && <meter min={0} max={quota.bytes} high={quota.bytes * 0.9} value={bytes} aria-label="Space that is used" />}
      </dd>
      <dt>Files</dt>
      <dd>
        <span>
          {counted(files, "file or folder", "files and folders")}
          {quota.entries > 0 && ` of ${quota.entries.toLocaleString("en")}`}
        </span>
        {quota.entries > 0 && (
          <meter min={0} max={quota.entries} high={quota.entries * 0.9} value={files} aria-label="Number of files" />
        )}
      </dd>
    </>
  );
}

function Acts({ page, workspace, state, told }: Props & { state: RuntimeInfo["state"]; told: string }) {
  const action = useAction();
  return (
    <div class="buttons">
      {action.refusal?.message !== told && <Problem action={action} />}
      <button onClick={() => (page.dialog.value = { kind: "environment", workspace })}>Environment…</button>
      {workspace.role !== "read" && (
        <button disabled={action.busy || state === "ready"} onClick={() => void action.run(() => page.work.runs.start(workspace.id))}>
          Start
        </button>
      )}
      {workspace.role === "own" && (
        <button disabled={state === "absent"} onClick={() => (page.dialog.value = { kind: "stop_runtime", workspace })}>
          Stop…
        </button>
      )}
    </div>
  );
}
