import "@xterm/xterm/css/xterm.css";
import "../accounts.css";
import "../files.css";
import "../runtimes.css";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { sentence } from "../api";
import type { Page } from "../page";
import { cleanText } from "../titles";
import { DeskView } from "./desk";
import { Dialogs } from "./dialogs";
import { Ended } from "./ended";
import { FilesPanel, FilesToggle } from "./files";
import { FindBar } from "./find";
import { KeyBar } from "./keybar";
import { Menu } from "./menu";
import { Panels } from "./panel";
import { PreviewPane } from "./preview";
import { SignIn } from "./sign_in";
import { Starting } from "./starting";
import { StatusBar } from "./status";
import { TabStrip } from "./tabs";
import { toldInPlace } from "./told";
import { followViewport } from "./viewport";

export function App({ page }: { page: Page }) {
  const stage = useRef<HTMLDivElement>(null);
  useEffect(() => {
    followViewport();
    if (stage.current) page.start(stage.current);
  }, [page]);
  const state = page.state.value;
  const signedOut = state.kind === "signed_out";
  const edited = page.work.desk.front.value !== null;
  const front = page.front.value;
  useLayoutEffect(() => {
    if (!edited) page.drew(front); // a file says so itself
  }, [front, edited]);
  return (
    <>
      <div class="shell" inert={signedOut}>
        <header class="bar">
          <FilesToggle page={page} />
          <TabStrip page={page} />
          <Menu page={page} />
        </header>
        <div class="middle">
          {page.work.open.value && <FilesPanel page={page} />}
          <main class="place">
            {/* Behind a file, the terminal keeps its size, and gets no keys. */}
            <div class="stage" ref={stage} id="stage" role="tabpanel" aria-label="Terminal" inert={edited} data-behind={edited} />
            <Ended page={page} />
            <Empty page={page} />
            <Starting page={page} />
            <DeskView page={page} />
            {page.finding.value && !edited && <FindBar page={page} />}
          </main>
          <PreviewPane page={page} />
        </div>
        {!edited && <KeyBar page={page} />}
        <StatusBar page={page} />
      </div>
      <Panels page={page} />
      <Dialogs page={page} />
      {signedOut && <SignIn page={page} reason={state.reason} />}
    </>
  );
}

export function Empty({ page }: { page: Page }) {
  if (!page.terminals.listed.value || page.front.value !== null) return null;
  const workspace = page.work.workspaces.current.value;
  const told = cleanText(toldInPlace(page));
  return (
    <div class="empty">
      <p>{workspace ? `No terminals are open in ${workspace.name}.` : "No terminals are open."}</p>
      {told && (
        <p class="refused" role="alert">
          {sentence(told)}
        </p>
      )}
      {workspace?.role === "read" ? (
        <p>You may look at its files, not run programs in it.</p>
      ) : (
        <button class="primary" onClick={() => page.open()}>
          Open a terminal
        </button>
      )}
    </div>
  );
}
