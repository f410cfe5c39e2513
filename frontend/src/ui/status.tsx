import { useEffect, useState } from "preact/hooks";
import type { State } from "../connection";
import type { OpenFile } from "../files/open_file";
import type { Page } from "../page";
import { same, type Tab } from "../tab";
import { Running } from "./running";
import { hintOf } from "./told";

export function StatusBar({ page }: { page: Page }) {
  const file = page.work.desk.front.value;
  const tab = file ? null : page.terminals.active.value;
  const message = page.link.value ?? hintOf(page);
  return (
    <footer class="status">
      <ConnectionState page={page} state={page.state.value} />
      <span class="message" role="status">
        {message}
      </span>
      <Running page={page} />
      <Uploading page={page} />
      {file && <Saving page={page} file={file} />}
      {tab && <Progress tab={tab} />}
      {tab && <Geometry page={page} tab={tab} />}
    </footer>
  );
}

function Saving({ page, file }: { page: Page; file: OpenFile }) {
  if (file.phase.value !== "text") return null;
  const writable = page.work.workspaces.writable.value;
  return (
    <span class="geometry">
      <span class="long">{file.lineEnding === "\n" ? "LF" : "CRLF"}</span>
      {!writable && <span class="badge">read only</span>}
      {writable && (
        <button disabled={!file.dirty.value || file.saving.value} title="Save (Ctrl+S)" onClick={() => void page.work.save(file)}>
          {file.dirty.value ? "Save" : "Saved"}
        </button>
      )}
    </span>
  );
}

/** What is on its way while the files are not in sight. */
function Uploading({ page }: { page: Page }) {
  if (page.work.open.value) return null;
  const under = page.work.transfers.all.value.filter((transfer) => transfer.unfinished);
  if (under.length === 0) return null;
  const total = under.reduce((sum, { work }) => sum + work.size, 0);
  const sent = under.reduce((sum, transfer) => sum + transfer.sent.value, 0);
  return (
    <span class="progress">
      <progress max={Math.max(1, total)} value={sent} aria-label="Uploads" />
      <button onClick={() => (page.work.open.value = true)}>uploads</button>
    </span>
  );
}

function ConnectionState({ page, state }: { page: Page; state: State }) {
  if (state.kind === "open") {
    const latency = page.latency.value;
    return (
      <span class="connection good" title="Time to the server and back">
        <i aria-hidden="true" />
        <span class="long">Connected</span>
        {latency !== null && <span class="latency">{latency < 10 ? latency.toFixed(1) : Math.round(latency)} ms</span>}
      </span>
    );
  }
  return (
    <span class={`connection ${state.kind === "stopped" ? "bad" : "busy"}`} role="status">
      <i aria-hidden="true" />
      {state.kind === "waiting" ? <Countdown until={state.until} /> : words(state)}
      {(state.kind === "waiting" || state.kind === "stopped") && (
        <button onClick={() => page.connection.connect()}>{state.kind === "waiting" ? "now" : "connect again"}</button>
      )}
    </span>
  );
}

function words(state: State): string {
  if (state.kind === "stopped") return state.reason ? `Disconnected: ${state.reason}` : "Disconnected by the server";
  return state.kind === "signed_out" ? "Signed out" : "Connecting…";
}

function Countdown({ until }: { until: number }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, []);
  return <span>Reconnecting in {Math.max(1, Math.ceil((until - now) / 1000))} s</span>;
}

function Progress({ tab }: { tab: Tab }) {
  const { waiting, total } = tab.sending.value;
  if (waiting === 0) return null;
  return (
    <span class="progress">
      <progress max={total} value={total - waiting} aria-label="Input on its way" />
      <span>{Math.ceil(waiting / 1024)} KiB to send</span>
      <button onClick={() => tab.cancelInput()}>cancel</button>
    </span>
  );
}

function Geometry({ page, tab }: { page: Page; tab: Tab }) {
  const size = tab.size.value;
  const others = tab.viewers.value.length - 1;
  const leader = tab.viewers.value.find((viewer) => viewer.lead);
  const foreign = tab.phase.value === "attached" && tab.ended.value === null && !tab.lead.value && leader;
  const fits = same(tab.wanted.value, size);
  return (
    <span class="geometry">
      {tab.readOnly.value && <span class="badge">read only</span>}
      {foreign && !tab.readOnly.value && !fits && (
        <button title={`${leader.name} decides the size now`} onClick={() => page.terminals.takeLead(tab)}>
          fit to me
        </button>
      )}
      {others > 0 && <span title={tab.viewers.value.map((viewer) => viewer.name).join(", ")}>{others + 1} viewers</span>}
      <span class="long">
        {size.cols}×{size.rows}
      </span>
    </span>
  );
}
