import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Page } from "../page";
import type { Tab } from "../tab";

export function TabStrip({ page }: { page: Page }) {
  return (
    <>
      <div class="tabs" role="tablist" aria-label="Terminals" onKeyDown={(event) => arrows(page, event)}>
        {page.terminals.tabs.value.map((tab) => (
          <TabButton key={tab.key} page={page} tab={tab} />
        ))}
      </div>
      <button class="icon" aria-label="New terminal" title="New terminal (Ctrl+Shift+Enter)" onClick={() => page.open()}>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M8 3v10M3 8h10" />
        </svg>
      </button>
    </>
  );
}

function TabButton({ page, tab }: { page: Page; tab: Tab }) {
  const [renaming, setRenaming] = useState(false);
  const element = useRef<HTMLDivElement>(null);
  const selected = page.terminals.active.value === tab;
  useEffect(() => {
    if (selected) element.current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [selected]);
  const title = tab.title.value || "terminal";
  const ended = tab.ended.value;
  return (
    <div class={`tab${selected ? " selected" : ""}${ended ? " ended" : ""}`} ref={element}>
      {renaming ? (
        <Rename page={page} tab={tab} done={() => setRenaming(false)} />
      ) : (
        <button
          class="name"
          role="tab"
          aria-selected={selected}
          aria-controls="stage"
          tabIndex={selected ? 0 : -1}
          title={ended ? `${title} (${ended})` : title}
          onClick={() => page.select(tab)}
          onDblClick={() => setRenaming(true)}
          onKeyDown={(event) => tabKey(event, page, tab, () => setRenaming(true))}
        >
          <span class={`dot${tab.activity.value ? " active" : ""}`} aria-hidden="true" />
          <span class="title">{title}</span>
          {ended && <span class="exit">{ended}</span>}
          {tab.activity.value && <span class="unseen">new output</span>}
        </button>
      )}
      <button class="close" aria-label={`Close ${title}`} title="Close" onClick={() => page.close(tab)}>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M4.5 4.5l7 7M11.5 4.5l-7 7" />
        </svg>
      </button>
    </div>
  );
}

function Rename({ page, tab, done }: { page: Page; tab: Tab; done: () => void }) {
  const input = useRef<HTMLInputElement>(null);
  const over = useRef(false);
  useLayoutEffect(() => input.current?.select(), []);
  const finish = (keep: boolean): void => {
    if (over.current) return; // leaving the field by Enter also takes its focus away
    over.current = true;
    if (keep && input.current && input.current.value !== tab.title.value) page.terminals.rename(tab, input.current.value);
    done();
    page.pane?.focus();
  };
  return (
    <input
      class="rename"
      ref={input}
      aria-label="Title of the terminal; empty for the program's own"
      maxLength={120}
      defaultValue={tab.title.value}
      onBlur={() => finish(true)}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== "Escape") return;
        event.preventDefault(); // the rest of the key press would go to the terminal, which gets the focus
        finish(event.key === "Enter");
      }}
    />
  );
}

function tabKey(event: KeyboardEvent, page: Page, tab: Tab, rename: () => void): void {
  if (event.key === "Delete") page.close(tab);
  else if (event.key === "F2") rename();
  else return;
  event.preventDefault();
}

function arrows(page: Page, event: KeyboardEvent): void {
  if (!(event.target instanceof HTMLButtonElement) || event.target.getAttribute("role") !== "tab") return;
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  if (step === 0) return;
  event.preventDefault();
  const list = event.currentTarget as HTMLElement;
  page.terminals.step(step);
  // The selected tab is known to the document only after it has been drawn.
  requestAnimationFrame(() => list.querySelector<HTMLElement>("[aria-selected=true]")?.focus());
}
