/**
 * The files as a tree. Only the rows in sight are in the document, so that a directory may have any number; what a screen
 * reader is told (level, position, how many) is said on each of them, and the current one is named by the tree itself.
 */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { haulOf, type Haul } from "../files/dropping";
import { isDirectory, type Entry } from "../files/calls";
import { parentOf, pathOf, within, type Place } from "../files/places";
import type { Shelf } from "../files/shelf";
import { size } from "../files/sizes";
import type { Row } from "../files/tree";
import type { Page } from "../page";
import { Refusal } from "../api";
import { moment } from "../times";
import { cleanTitle } from "../titles";
import { actionsFor, Actions } from "./file_actions";
import { Icon, type IconName } from "./icons";

const DRAGGED = "application/x-webterm-place";
const SPARE = 8;
const HOVER_MS = 700;

interface TreeProps {
  page: Page;
  shelf: Shelf;
  upload: (directory: Place, haul: Haul) => void;
}

export function TreeView({ page, shelf, upload }: TreeProps) {
  const { tree } = shelf;
  const rows = tree.rows.value;
  const current = tree.current.value;
  const box = useRef<HTMLDivElement>(null);
  const view = useWindow(box);
  const [menu, setMenu] = useState<{ row: Row; x: number; y: number } | null>(null);
  const drag = useDrop(page, shelf, upload);
  const height = view.row;
  const at = rows.findIndex((row) => row.kind === "entry" && row.place === current);
  useLayoutEffect(() => keepInSight(box.current, at, height), [current, at]);

  const from = Math.max(0, Math.floor(view.top / height) - SPARE);
  const to = Math.min(rows.length, Math.ceil((view.top + view.height) / height) + SPARE);
  const shown = rows.slice(from, to).map((row, index) => ({ row, index: from + index }));
  const outside = at >= 0 && (at < from || at >= to) ? rows[at] : undefined;
  if (outside) shown.push({ row: outside, index: at });

  const open = (row: Row): void => activate(page, shelf, row);
  const ask = (row: Row, x: number, y: number): void => {
    if (row.kind !== "entry") return;
    tree.current.value = row.place;
    setMenu({ row, x, y });
  };
  const key = (event: KeyboardEvent): void => {
    const row = rows[at];
    if (pressed(event, page, shelf, at)) event.preventDefault();
    else if (row && (event.key === "ContextMenu" || (event.key === "F10" && event.shiftKey))) {
      const place = document.getElementById(rowId(row))?.getBoundingClientRect();
      ask(row, (place?.left ?? 0) + 40, place?.bottom ?? 0);
      event.preventDefault();
    }
  };
  const empty = rows.length === 0 && !tree.isOpen("") ? null : rows.length === 0;
  return (
    <>
      <div
        class={`tree${drag.over === "" ? " over" : ""}`}
        id="files-tree"
        role="tree"
        aria-label="Files"
        aria-activedescendant={at >= 0 ? rowId(rows[at] as Row) : undefined}
        tabIndex={0}
        ref={box}
        onKeyDown={key}
        onScroll={view.look}
        {...drag.on("")}
      >
        <div class="rows" role="presentation" style={{ height: rows.length * height }}>
          {shown.map(({ row, index }) => (
            <RowView
              key={`${row.kind} ${row.place}`}
              row={row}
              top={index * height}
              height={height}
              current={index === at}
              over={drag.over !== null && drag.over !== "" && within(row.place, drag.over)}
              open={() => open(row)}
              ask={(x, y) => ask(row, x, y)}
              drag={row.entry ? drag.on(targetOf(row.entry)) : {}}
              draggable={row.kind === "entry" && page.work.workspaces.writable.value}
            />
          ))}
        </div>
        {empty && <Empty page={page} shelf={shelf} />}
      </div>
      {menu && (
        <Actions
          label={`What to do with ${menu.row.text}`}
          actions={menu.row.entry ? actionsFor(page, shelf, menu.row.entry) : []}
          x={menu.x}
          y={menu.y}
          close={(focus) => {
            setMenu(null);
            if (focus) box.current?.focus();
          }}
        />
      )}
    </>
  );
}

interface RowProps {
  row: Row;
  top: number;
  height: number;
  current: boolean;
  over: boolean;
  open: () => void;
  ask: (x: number, y: number) => void;
  drag: object;
  draggable: boolean;
}

function RowView({ row, top, height, current, over, open, ask, drag, draggable }: RowProps) {
  const { entry } = row;
  const style = { top, height, paddingLeft: 6 + (row.level - 1) * 14 };
  if (!entry) {
    return row.kind === "more" ? (
      <button class="row-of-tree note" style={style} tabIndex={-1} onMouseDown={stay} onClick={open}>
        {row.busy ? "…" : "Show more"}
      </button>
    ) : (
      <div class="row-of-tree note" style={style} role={row.kind === "problem" ? "alert" : "presentation"} title={row.text}>
        <span class="label">{row.text}</span>
      </div>
    );
  }
  const name = cleanTitle(row.text) || "(no name)";
  const about = entry.kind === "directory" ? "" : `, ${size(entry.size)}`;
  return (
    <div
      class={`row-of-tree${current ? " current" : ""}${over ? " over" : ""}${entry.name.startsWith(".") ? " dim" : ""}`}
      id={rowId(row)}
      role="treeitem"
      aria-level={row.level}
      aria-setsize={row.count}
      aria-posinset={row.position}
      aria-expanded={row.open ?? undefined}
      aria-selected={current}
      aria-busy={row.busy || undefined}
      aria-label={name}
      title={`${cleanTitle(pathOf(row.place))}${about}, ${moment(entry.modified)}`}
      style={style}
      draggable={draggable}
      onClick={open}
      onContextMenu={(event) => {
        event.preventDefault();
        ask(event.clientX, event.clientY);
      }}
      onDragStart={(event) => {
        event.dataTransfer?.setData(DRAGGED, row.place);
        event.dataTransfer?.setData("text/plain", pathOf(row.place));
        if (event.dataTransfer) event.dataTransfer.effectAllowed = "move";
      }}
      {...drag}
    >
      <span class={`twist${row.open ? " open" : ""}`} aria-hidden="true">
        {row.open !== null && <Icon name="chevron" />}
      </span>
      <span class="kind" aria-hidden="true">
        <Icon name={iconOf(entry)} />
      </span>
      <span class="label" aria-hidden="true">
        {name}
      </span>
      <button
        class="ask"
        tabIndex={-1}
        aria-label={`Actions for ${name}`}
        onClick={(event) => {
          event.stopPropagation();
          const place = event.currentTarget.getBoundingClientRect();
          ask(place.left, place.bottom);
        }}
      >
        <Icon name="dots" />
      </button>
    </div>
  );
}

/** The focus stays in the tree: this row goes when it has been pressed. */
function stay(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("files-tree")?.focus();
}

function Empty({ page, shelf }: { page: Page; shelf: Shelf }) {
  const begin = async (): Promise<void> => {
    try {
      await page.rest.ensureDefault(shelf.workspace);
      await shelf.tree.refresh("");
    } catch (error) {
      page.say(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <div class="no-files">
      <p>Nothing is in here yet.</p>
      {page.work.workspaces.writable.value && (
        <>
          <p>Drop files or folders here, or</p>
          <button onClick={() => void begin()}>begin with a first file</button>
        </>
      )}
    </div>
  );
}

function iconOf(entry: Entry): IconName {
  if (isDirectory(entry)) return "folder";
  if (entry.kind === "link") return "link";
  return entry.executable ? "program" : "file";
}

function rowId(row: Row): string {
  return `row-${row.kind}-${row.place}`;
}

/** Where something that is dropped on an entry goes. */
function targetOf(entry: Entry): Place {
  return isDirectory(entry) ? entry.place : parentOf(entry.place);
}

function activate(page: Page, shelf: Shelf, row: Row): void {
  if (row.kind === "more") return void shelf.tree.more(row.place);
  if (!row.entry) return;
  shelf.tree.current.value = row.place;
  if (row.open !== null) return shelf.tree.toggle(row.place);
  page.openFile(row.place);
}

/** Keys in the tree, as the ARIA practices say; returns whether it was one. */
function pressed(event: KeyboardEvent, page: Page, shelf: Shelf, at: number): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const { tree } = shelf;
  const rows = tree.rows.value;
  const row = rows[at];
  const go = (index: number, step: 1 | -1): boolean => {
    let to = Math.min(Math.max(0, index), rows.length - 1);
    while (rows[to] && rows[to]?.kind !== "entry") to += step;
    const found = rows[to];
    if (found?.kind === "entry") tree.current.value = found.place;
    else if (step === 1 && rows.at(-1)?.kind === "more") void tree.more((rows.at(-1) as Row).place);
    return true;
  };
  const dialog = (kind: "rename" | "remove"): boolean => {
    if (row?.entry && page.work.workspaces.writable.value) page.dialog.value = { kind, entry: row.entry };
    return true;
  };
  switch (event.key) {
    case "ArrowDown":
      return go(at + 1, 1);
    case "ArrowUp":
      return go(at - 1, -1);
    case "Home":
      return go(0, 1);
    case "End":
      return go(rows.length - 1, -1);
    case "PageDown":
      return go(at + 15, -1);
    case "PageUp":
      return go(at - 15, 1);
    case "ArrowRight":
      if (row?.open === false) void tree.open(row.place);
      else if (row?.open && rows[at + 1]?.kind === "entry") go(at + 1, 1);
      return true;
    case "ArrowLeft":
      if (row?.open) tree.close(row.place);
      else if (row && row.level > 1) tree.current.value = parentOf(row.place);
      return true;
    case "Enter":
    case " ":
      if (row) activate(page, shelf, row);
      return true;
    case "F2":
      return dialog("rename");
    case "Delete":
      return dialog("remove");
  }
  if (event.key.length !== 1) return false;
  // The next one that begins with the letter.
  const letter = event.key.toLowerCase();
  const order = [...rows.slice(at + 1), ...rows.slice(0, at + 1)];
  const found = order.find(({ kind, text }) => kind === "entry" && text.toLowerCase().startsWith(letter));
  if (found) tree.current.value = found.place;
  return true;
}

/** Which rows are in sight. */
function useWindow(box: { current: HTMLDivElement | null }) {
  const [view, setView] = useState({ top: 0, height: 600, row: 26 });
  const look = (): void => {
    const element = box.current;
    if (!element) return;
    const row = matchMedia("(max-width: 700px), (pointer: coarse)").matches ? 42 : 26;
    setView({ top: element.scrollTop, height: element.clientHeight, row });
  };
  useEffect(() => {
    look();
    const observer = new ResizeObserver(look);
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  return { ...view, look };
}

function keepInSight(box: HTMLElement | null, at: number, height: number): void {
  if (!box || at < 0) return;
  const top = at * height;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + height > box.scrollTop + box.clientHeight) box.scrollTop = top + height - box.clientHeight;
}

/** Files from outside are uploaded, files of the tree are moved. */
function useDrop(page: Page, shelf: Shelf, upload: TreeProps["upload"]) {
  const [over, setOver] = useState<Place | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const hover = (place: Place | null): void => {
    if (place === over) return;
    setOver(place);
    clearTimeout(timer.current);
    // A closed directory opens for what is held over it.
    if (place) timer.current = setTimeout(() => void shelf.tree.open(place), HOVER_MS);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  const drop = (event: DragEvent, directory: Place): void => {
    const { dataTransfer } = event;
    if (!dataTransfer) return;
    const source = dataTransfer.getData(DRAGGED);
    if (!source) {
      void haulOf(dataTransfer).then(
        (haul) => upload(directory, haul),
        () => page.say("The browser could not read what was dropped"),
      );
    } else if (source !== directory && !within(directory, source) && parentOf(source) !== directory) {
      void moveInto(page, shelf, source, directory);
    }
  };
  const on = (directory: Place) =>
    page.work.workspaces.writable.value
      ? {
          onDragOver: (event: DragEvent) => {
            const types = event.dataTransfer?.types ?? [];
            if (!types.includes("Files") && !types.includes(DRAGGED)) return;
            event.preventDefault();
            event.stopPropagation();
            if (event.dataTransfer) event.dataTransfer.dropEffect = types.includes(DRAGGED) ? "move" : "copy";
            hover(directory);
          },
          onDragLeave: (event: DragEvent) => {
            if (event.relatedTarget instanceof Node && (event.currentTarget as Node).contains(event.relatedTarget)) return;
            hover(null);
          },
          onDrop: (event: DragEvent) => {
            event.preventDefault();
            event.stopPropagation();
            hover(null);
            drop(event, directory);
          },
        }
      : {};
  return { over, on };
}

async function moveInto(page: Page, shelf: Shelf, source: Place, directory: Place): Promise<void> {
  try {
    await shelf.moveInto(source, directory);
  } catch (error) {
    if (error instanceof Refusal && error.code === "already_exists") {
      const last = source.slice(source.lastIndexOf("/") + 1);
      page.dialog.value = { kind: "replace", source, target: directory === "" ? last : `${directory}/${last}` };
    } else page.say(error instanceof Error ? error.message : String(error));
  }
}
