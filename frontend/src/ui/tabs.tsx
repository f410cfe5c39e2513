import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { OpenFile } from "../files/open_file";
import { nameOf, pathOf } from "../files/places";
import type { Page } from "../page";
import type { Tab } from "../tab";
import { cleanTitle } from "../titles";
import { focusSelected } from "./focusing";
import { Icon } from "./icons";

export function TabStrip({ page }: { page: Page }) {
  const list = useRef<HTMLDivElement>(null);
  const front = page.front.value;
  useLayoutEffect(() => {
    // Whoever goes along the tabs by keys stays in them.
    if (document.activeElement?.matches(".tabs [role=tab]")) {
      list.current?.querySelector<HTMLElement>("[aria-selected=true]")?.focus();
    }
  }, [front]);
  return (
    <>
      <div class="tabs" role="tablist" aria-label="Terminals and files" ref={list} onKeyDown={(event) => arrows(page, event)}>
        {page.strip.value.map((item) =>
          item instanceof OpenFile ? (
            <FileTab key={item.key} page={page} file={item} />
          ) : (
            <TerminalTab key={item.key} page={page} tab={item} />
          ),
        )}
      </div>
      <button class="icon" aria-label="New terminal" title="New terminal (Ctrl+Shift+Enter)" onClick={() => page.open()}>
        <Icon name="plus" />
      </button>
    </>
  );
}

interface FrameProps {
  name: string;
  selected: boolean;
  class?: string;
  close: () => void;
  children: ComponentChildren;
}

/** What all tabs have: a name, and a button that closes them. */
function Frame({ name, selected, close, children, class: extra = "" }: FrameProps) {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (selected) element.current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [selected]);
  return (
    <div class={`tab${selected ? " selected" : ""}${extra}`} ref={element}>
      {children}
      <button class="close" aria-label={`Close ${name}`} title="Close" onClick={close}>
        <Icon name="cross" />
      </button>
    </div>
  );
}

function TerminalTab({ page, tab }: { page: Page; tab: Tab }) {
  const [renaming, setRenaming] = useState(false);
  const selected = page.front.value === tab;
  const title = tab.title.value || "terminal";
  const ended = tab.ended.value;
  return (
    <Frame name={title} selected={selected} class={ended ? " ended" : ""} close={() => page.close(tab)}>
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
          onKeyDown={(event) => tabKey(event, () => page.close(tab), () => setRenaming(true))}
        >
          <span class={`dot${tab.activity.value ? " active" : ""}`} aria-hidden="true" />
          <span class="title">{title}</span>
          {ended && <span class="exit">{ended}</span>}
          {tab.activity.value && <span class="unseen">new output</span>}
        </button>
      )}
    </Frame>
  );
}

function FileTab({ page, file }: { page: Page; file: OpenFile }) {
  const selected = page.front.value === file;
  const place = file.place.value;
  const name = cleanTitle(nameOf(place)) || "file";
  const dirty = file.dirty.value;
  const rename = (): void => {
    const entry = file.entry.value;
    if (entry && page.work.workspaces.writable.value) page.dialog.value = { kind: "rename", entry: { ...entry, place } };
  };
  return (
    <Frame name={name} selected={selected} class=" of-file" close={() => page.closeFile(file)}>
      <button
        class="name"
        role="tab"
        aria-selected={selected}
        aria-controls={`desk-${file.key}`}
        tabIndex={selected ? 0 : -1}
        title={cleanTitle(pathOf(place))}
        onClick={() => page.select(file)}
        onDblClick={rename}
        onKeyDown={(event) => tabKey(event, () => page.closeFile(file), rename)}
      >
        <Icon name="file" />
        <span class="title">{name}</span>
        {dirty && <span class="changed" aria-hidden="true" />}
        {dirty && <span class="unseen">not saved</span>}
      </button>
    </Frame>
  );
}

function Rename({ page, tab, done }: { page: Page; tab: Tab; done: () => void }) {
  const input = useRef<HTMLInputElement>(null);
  const over = useRef(false);
  // A program that changes its title meanwhile must not change what is being edited.
  const [before] = useState(tab.title.value);
  useLayoutEffect(() => focusSelected(input.current), []);
  const finish = (keep: boolean): void => {
    if (over.current) return; // leaving the field by Enter also takes its focus away
    over.current = true;
    if (keep && input.current && input.current.value !== before) page.terminals.rename(tab, input.current.value);
    done();
    page.focus();
  };
  return (
    <input
      class="rename"
      ref={input}
      aria-label="Title of the terminal; empty for the program's own"
      maxLength={120}
      defaultValue={before}
      onBlur={() => finish(true)}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== "Escape") return;
        event.preventDefault(); // the rest of the key press would go to the terminal, which gets the focus
        finish(event.key === "Enter");
      }}
    />
  );
}

function tabKey(event: KeyboardEvent, close: () => void, rename: () => void): void {
  if (event.key === "Delete") close();
  else if (event.key === "F2") rename();
  else return;
  event.preventDefault();
}

function arrows(page: Page, event: KeyboardEvent): void {
  if (!(event.target instanceof HTMLButtonElement) || event.target.getAttribute("role") !== "tab") return;
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  if (step === 0) return;
  event.preventDefault();
  page.step(step, false);
}
