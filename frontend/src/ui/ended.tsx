/** Below what a program has printed that has ended: how it did, and the way to another in its place. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { sentence } from "../api";
import type { Page } from "../page";
import { XtermPane } from "../pane";
import type { Tab } from "../tab";
import { cleanText } from "../titles";

export function Ended({ page }: { page: Page }) {
  const tab = page.terminals.active.value;
  if (!tab || tab.ended.value === null || page.work.desk.front.value !== null) return null;
  return <Bar key={tab.key} page={page} tab={tab} />;
}

function Bar({ page, tab }: { page: Page; tab: Tab }) {
  const bar = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!bar.current || !(tab.pane instanceof XtermPane)) return;
    const { current: element } = bar;
    const { pane } = tab;
    // What stands above stays in sight; terminals that run keep the whole place.
    const watch = new ResizeObserver(() => {
      pane.leaveBelow(element.offsetHeight);
      page.terminals.fit();
    });
    watch.observe(element);
    return () => {
      watch.disconnect();
      pane.leaveBelow(0);
      page.terminals.fit();
    };
  }, [tab]);
  const { starting, waiting } = tab.again;
  const start = (): void => {
    page.terminals.startAgain(tab);
    page.focus();
  };
  return (
    <div class="ended-bar" role="group" aria-label="Ended program" ref={bar}>
      <p role="status">{words(tab)}</p>
      {!tab.readOnly.value && (
        <button disabled={starting.value} title="Enter, in the terminal" onClick={start}>
          {starting.value ? "Starting…" : waiting.value ? "Start now" : "Start again"}
        </button>
      )}
    </div>
  );
}

function words({ ended, isLost, again }: Tab): string {
  const how = isLost.value ? "This program was lost with what it ran in." : `This program has ended (${ended.value}).`;
  if (again.waiting.value) return `${how} A new shell starts here as soon as it can.`;
  return again.problem.value === null ? how : `${how} ${sentence(cleanText(again.problem.value))}`;
}
