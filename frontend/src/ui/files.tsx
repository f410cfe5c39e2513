/** The files of a workspace beside the terminals; over them, as a drawer, where there is no room. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { address } from "../api";
import { chosen, type Haul } from "../files/dropping";
import { parentOf, type Place } from "../files/places";
import { isDirectory } from "../files/calls";
import type { Shelf } from "../files/shelf";
import type { Page } from "../page";
import { isNarrow } from "../screen";
import { FileSearch } from "./file_search";
import { Icon, type IconName } from "./icons";
import { Runs } from "./runs";
import { Switcher } from "./switcher";
import { TransferList } from "./transfers";
import { TreeView } from "./tree";

export function FilesToggle({ page }: { page: Page }) {
  const open = page.work.open.value;
  const name = page.work.workspaces.current.value?.name;
  return (
    <button
      class="files-toggle"
      aria-label={name ? `Files of ${name}` : "Files and workspaces"}
      aria-expanded={open}
      aria-controls="files-panel"
      title="Files (Ctrl+Shift+E)"
      onClick={() => page.toggleFiles()}
    >
      <Icon name="sidebar" />
      {name && <span class="workspace-name">{name}</span>}
    </button>
  );
}

export function FilesPanel({ page }: { page: Page }) {
  const panel = useRef<HTMLElement>(null);
  const shelf = page.work.shelf.value;
  const lost = page.work.workspaces.lost.value;
  useLayoutEffect(() => {
    // Opened by hand: a page that comes back with its files open leaves the focus where it is.
    if (document.activeElement?.classList.contains("files-toggle") || isNarrow()) first(panel.current)?.focus();
  }, []);
  const close = (): void => {
    page.work.open.value = false;
    page.focus();
  };
  const key = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    if (isNarrow()) close();
    else page.focus();
    event.preventDefault();
  };
  return (
    <>
      <div class="behind-drawer" onClick={close} />
      <aside class="files" id="files-panel" aria-label="Files" ref={panel} onKeyDown={key}>
        <div class="files-head">
          <Switcher page={page} />
          <button class="icon drawer-only" aria-label="Hide the files" onClick={close}>
            <Icon name="cross" />
          </button>
        </div>
        {shelf && !lost ? <Shelved key={shelf.workspace} page={page} shelf={shelf} /> : <NoWorkspace page={page} />}
        <Runs page={page} />
        <TransferList transfers={page.work.transfers} />
      </aside>
    </>
  );
}

function NoWorkspace({ page }: { page: Page }) {
  const known = page.work.workspaces.known.value;
  return (
    <div class="no-workspace">
      <p>A workspace has files that the editor, the terminals and the API share.</p>
      {known && (
        <button class="primary" onClick={() => page.panels.show("workspaces")}>
          {page.work.workspaces.all.value.length > 0 ? "Show workspaces" : "Make a workspace"}
        </button>
      )}
    </div>
  );
}

function Shelved({ page, shelf }: { page: Page; shelf: Shelf }) {
  const writable = page.work.workspaces.writable.value;
  const { tree } = shelf;
  const searching = shelf.searching.value;
  const searched = useRef(searching);
  useLayoutEffect(() => {
    // The search has gone, and has taken the focus along.
    if (searched.current && !searching && document.activeElement === document.body) {
      document.getElementById("files-tree")?.focus();
    }
    searched.current = searching;
  }, [searching]);
  const upload = (directory: Place, haul: Haul): void => void send(page, shelf, directory, haul);
  const here = (): Place => directoryAt(shelf);
  return (
    <>
      <div class="files-tools" role="toolbar" aria-label="Files">
        {writable && (
          <>
            <Tool icon="new_file" label="New file" act={() => (page.dialog.value = { kind: "new_file", directory: here() })} />
            <Tool
              icon="new_folder"
              label="New folder"
              act={() => (page.dialog.value = { kind: "new_directory", directory: here() })}
            />
            <Choose icon="upload" label="Upload files" take={(haul) => upload(here(), haul)} />
            <Choose icon="upload_folder" label="Upload a folder" folder take={(haul) => upload(here(), haul)} />
          </>
        )}
        <span class="spring" />
        <Tool
          icon="search"
          label="Search in files"
          pressed={searching}
          act={() => (shelf.searching.value = !searching)}
        />
        <Tool
          icon="eye"
          label="Show hidden files"
          pressed={tree.hidden.value}
          act={() => tree.showHidden(!tree.hidden.value)}
        />
        <Tool icon="reload" label="Look again" act={() => tree.refreshAll()} />
      </div>
      {searching && <FileSearch page={page} shelf={shelf} />}
      <div class="tree-place" hidden={searching}>
        <TreeView page={page} shelf={shelf} upload={upload} />
      </div>
    </>
  );
}

interface ToolProps {
  icon: IconName;
  label: string;
  pressed?: boolean;
  act: () => void;
}

function Tool({ icon, label, pressed, act }: ToolProps) {
  return (
    <button class="icon" aria-label={label} title={label} aria-pressed={pressed} onClick={act}>
      <Icon name={icon} />
    </button>
  );
}

interface ChooseProps {
  icon: IconName;
  label: string;
  folder?: boolean;
  take: (haul: Haul) => void;
}

/** A button that asks the system for files. */
function Choose({ icon, label, folder = false, take }: ChooseProps) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <>
      <Tool icon={icon} label={label} act={() => field.current?.click()} />
      <input
        ref={field}
        type="file"
        multiple
        hidden
        tabIndex={-1}
        aria-hidden="true"
        {...(folder ? { webkitdirectory: true } : {})}
        onChange={(event) => {
          const haul = chosen([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
          take(haul);
        }}
      />
    </>
  );
}

/** Where something new goes: the current directory, or the one that the current file is in. */
export function directoryAt(shelf: Shelf): Place {
  const { value: current } = shelf.tree.current;
  if (current === null) return "";
  const entry = shelf.tree.entry(current);
  return entry && isDirectory(entry) && shelf.tree.isOpen(current) ? current : parentOf(current);
}

/** Upload, unless something is in the way: that is asked about first. */
export async function send(page: Page, shelf: Shelf, directory: Place, haul: Haul): Promise<void> {
  if (haul.files.length === 0 && haul.directories.length === 0) return;
  try {
    const names = await shelf.clashes(directory, haul);
    if (names.length > 0) page.dialog.value = { kind: "upload", directory, haul, names };
    else await shelf.upload(directory, haul, false);
  } catch (error) {
    page.say(error instanceof Error ? error.message : String(error));
  }
}

/** Have the browser keep a file, or a folder as a zip. */
export function download(path: string, name: string): void {
  const link = document.createElement("a");
  link.href = address(path).href;
  link.download = name;
  link.click();
}

function first(panel: HTMLElement | null): HTMLElement | null {
  return panel?.querySelector<HTMLElement>("#files-tree") ?? panel?.querySelector<HTMLElement>("select, button") ?? null;
}
