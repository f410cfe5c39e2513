import "@xterm/xterm/css/xterm.css";
import "../accounts.css";
import { useEffect, useRef } from "preact/hooks";
import { sentence } from "../api";
import type { Page } from "../page";
import { Dialogs } from "./dialogs";
import { FindBar } from "./find";
import { KeyBar } from "./keybar";
import { Menu } from "./menu";
import { Panels } from "./panel";
import { SignIn } from "./sign_in";
import { StatusBar } from "./status";
import { TabStrip } from "./tabs";
import { followViewport } from "./viewport";

export function App({ page }: { page: Page }) {
  const stage = useRef<HTMLDivElement>(null);
  useEffect(() => {
    followViewport();
    if (stage.current) page.start(stage.current);
  }, [page]);
  const state = page.state.value;
  const signedOut = state.kind === "signed_out";
  return (
    <>
      <div class="shell" inert={signedOut}>
        <header class="bar">
          <TabStrip page={page} />
          <Menu page={page} />
        </header>
        <main class="place">
          <div class="stage" ref={stage} id="stage" role="tabpanel" aria-label="Terminal" />
          <Empty page={page} />
          {page.finding.value && <FindBar page={page} />}
        </main>
        <KeyBar page={page} />
        <StatusBar page={page} />
      </div>
      <Panels page={page} />
      <Dialogs page={page} />
      {signedOut && <SignIn page={page} reason={state.reason} />}
    </>
  );
}

function Empty({ page }: { page: Page }) {
  if (!page.terminals.listed.value || page.terminals.tabs.value.length > 0) return null;
  return (
    <div class="empty">
      <p>No terminals are open.</p>
      {page.terminals.refused.value && <p class="refused">{sentence(page.terminals.refused.value)}</p>}
      <button class="primary" onClick={() => page.open()}>
        Open a terminal
      </button>
    </div>
  );
}
