/** What one can do with a file: a list that opens where one has pointed. */

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { isDirectory, type Entry } from "../files/calls";
import { parentOf, pathOf } from "../files/places";
import type { Shelf } from "../files/shelf";
import type { Page } from "../page";
import { download } from "./files";

export interface Action {
  label: string;
  act: () => void;
  danger?: boolean;
}

export function actionsFor(page: Page, shelf: Shelf, entry: Entry): Action[] {
  const directory = isDirectory(entry);
  const inside = directory ? entry.place : parentOf(entry.place);
  const writable = page.work.workspaces.writable.value;
  const ask = (kind: "rename" | "move" | "remove") => () => (page.dialog.value = { kind, entry });
  const run = (work: () => Promise<unknown>) => () =>
    void work().catch((error: unknown) => page.say(error instanceof Error ? error.message : String(error)));
  const name = directory ? `${entry.name}.zip` : entry.name;
  const all: (Action | false)[] = [
    !directory && { label: "Open", act: () => page.openFile(entry.place) },
    writable && directory && { label: "New file…", act: () => (page.dialog.value = { kind: "new_file", directory: inside }) },
    writable && directory && { label: "New folder…", act: () => (page.dialog.value = { kind: "new_directory", directory: inside }) },
    { label: "New terminal here", act: () => page.openHere(inside) },
    { label: directory ? "Download as zip" : "Download", act: () => download(shelf.source(entry), name) },
    { label: "Copy the path", act: () => void navigator.clipboard?.writeText(pathOf(entry.place)) },
    writable && { label: "Rename…", act: ask("rename") },
    writable && { label: "Move…", act: ask("move") },
    writable && { label: "Duplicate", act: run(() => shelf.duplicate(entry)) },
    writable &&
      entry.kind === "file" && {
        label: entry.executable ? "Make it no program" : "Make it a program",
        act: run(() => shelf.setExecutable(entry, !entry.executable)),
      },
    writable && { label: "Delete…", act: ask("remove"), danger: true },
  ];
  return all.filter((one) => one !== false);
}

interface ActionsProps {
  label: string;
  actions: readonly Action[];
  x: number;
  y: number;
  /** `focus`: whether the focus should go back to where it was. */
  close: (focus: boolean) => void;
}

export function Actions({ label, actions, x, y, close }: ActionsProps) {
  const list = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = list.current;
    if (!element) return;
    const { width, height } = element.getBoundingClientRect();
    element.style.left = `${Math.max(4, Math.min(x, innerWidth - width - 4))}px`;
    element.style.top = `${Math.max(4, Math.min(y, innerHeight - height - 4))}px`;
    element.querySelector("button")?.focus();
  }, []);
  useEffect(() => {
    const away = (event: Event): void => {
      if (event.target instanceof Node && list.current?.contains(event.target)) return;
      close(false);
    };
    addEventListener("pointerdown", away, true);
    addEventListener("blur", away);
    return () => {
      removeEventListener("pointerdown", away, true);
      removeEventListener("blur", away);
    };
  }, []);
  const key = (event: KeyboardEvent): void => {
    const buttons = [...(list.current?.querySelectorAll("button") ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Escape" || event.key === "Tab") close(true);
    else if (to !== undefined) buttons.at(to % buttons.length)?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="actions" role="menu" aria-label={label} ref={list} onKeyDown={key}>
      {actions.map(({ label: name, act, danger }) => (
        <button
          key={name}
          role="menuitem"
          tabIndex={-1}
          class={danger ? "danger" : undefined}
          onClick={() => {
            close(true);
            act();
          }}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
