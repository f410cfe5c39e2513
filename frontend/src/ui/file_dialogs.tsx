/** Questions about files: names, replacing, deleting, and what to do when both sides have changed. */

import { useEffect, useRef, useState } from "preact/hooks";
import { Refusal } from "../api";
import type { Comparison } from "../editing/comparing";
import type { Entry } from "../files/calls";
import type { FileDialog } from "../files/dialogs";
import { languageOf } from "../files/languages";
import type { OpenFile } from "../files/open_file";
import { joined, nameOf, nameProblem, parentOf, pathOf, placeOf, type Place } from "../files/places";
import { counted } from "../files/sizes";
import { topName } from "../files/uploads";
import type { Page } from "../page";
import { Field } from "./fields";
import { Modal } from "./modal";

type Of<Kind extends FileDialog["kind"]> = Extract<FileDialog, { kind: Kind }>;

export function FileDialogs({ page, dialog }: { page: Page; dialog: FileDialog }) {
  switch (dialog.kind) {
    case "new_file":
    case "new_directory":
      return <Make page={page} dialog={dialog} />;
    case "rename":
    case "move":
      return <Move page={page} dialog={dialog} />;
    case "remove":
      return <Remove page={page} dialog={dialog} />;
    case "replace":
      return <Replace page={page} dialog={dialog} />;
    case "upload":
      return <Overwrite page={page} dialog={dialog} />;
    case "close_file":
      return <CloseFile page={page} file={dialog.file} />;
    case "conflict":
      return <Conflict page={page} file={dialog.file} />;
  }
}

/** Where the focus goes afterwards: to the files if they are there. */
function leave(page: Page): void {
  page.dialog.value = null;
  const tree = document.getElementById("files-tree");
  if (tree) tree.focus();
  else page.focus();
}

function Make({ page, dialog }: { page: Page; dialog: Of<"new_file" | "new_directory"> }) {
  const [name, setName] = useState("");
  const what = dialog.kind === "new_file" ? "file" : "folder";
  const opened = useRef(false);
  const make = async (): Promise<void> => {
    const { shelf } = page.work;
    check(nameProblem(name));
    if (dialog.kind === "new_directory") return shelf.value?.makeDirectory(dialog.directory, name);
    const place = await shelf.value?.makeFile(dialog.directory, name);
    opened.current = place !== undefined && page.work.desk.open(place) !== null;
    if (opened.current) page.makeRoom();
  };
  return (
    <Modal
      title={`New ${what}`}
      accept="Make it"
      onClose={() => (opened.current ? page.closeDialog() : leave(page))}
      onAccept={make}
    >
      <Field
        label={`Name, in ${dialog.directory === "" ? "the workspace" : pathOf(dialog.directory)}`}
        name="file-name"
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        data-first
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
      />
    </Modal>
  );
}

function Move({ page, dialog }: { page: Page; dialog: Of<"rename" | "move"> }) {
  const { place } = dialog.entry;
  const renaming = dialog.kind === "rename";
  const [text, setText] = useState(renaming ? nameOf(place) : pathOf(place));
  const go = async (): Promise<void> => {
    let target: Place;
    if (renaming) {
      check(nameProblem(text));
      target = joined(parentOf(place), text);
    } else {
      const path = text.replace(/^\/+|\/+$/g, "");
      for (const part of path.split("/")) check(nameProblem(part));
      target = placeOf(path);
    }
    await page.work.shelf.value?.move(place, target);
  };
  return (
    <Modal
      title={renaming ? `Rename ${nameOf(place)}` : `Move ${nameOf(place)}`}
      accept={renaming ? "Rename" : "Move"}
      selected={renaming ? stem(dialog.entry) : undefined}
      onClose={() => leave(page)}
      onAccept={go}
    >
      <Field
        label={renaming ? "New name" : "New path, from the top of the workspace"}
        name="file-name"
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        data-first
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </Modal>
  );
}

/** How much of a name is in front of its ending, which mostly stays. */
function stem({ kind, place }: Entry): number {
  const name = nameOf(place);
  const dot = kind === "directory" ? -1 : name.lastIndexOf(".");
  return dot > 0 ? dot : name.length;
}

function Remove({ page, dialog }: { page: Page; dialog: Of<"remove"> }) {
  const { entry } = dialog;
  const remove = async (): Promise<void> => page.work.shelf.value?.remove(entry.place);
  return (
    <Modal title={`Delete ${entry.name}?`} accept="Delete" danger onClose={() => leave(page)} onAccept={remove}>
      <p>
        {entry.kind === "directory" ? "The folder and everything in it are" : "It is"} gone at once: there is no trash for
        single files.
      </p>
    </Modal>
  );
}

function Replace({ page, dialog }: { page: Page; dialog: Of<"replace"> }) {
  const go = async (): Promise<void> => page.work.shelf.value?.move(dialog.source, dialog.target, true);
  return (
    <Modal
      title={`Replace ${nameOf(dialog.target)}?`}
      accept="Replace"
      danger
      onClose={() => leave(page)}
      onAccept={go}
    >
      <p>
        <b>{pathOf(dialog.target)}</b> is there already, and will be gone.
      </p>
    </Modal>
  );
}

const SHOWN = 8;

function Overwrite({ page, dialog }: { page: Page; dialog: Of<"upload"> }) {
  const { names, haul, directory } = dialog;
  const stays = (path: string): boolean => !names.includes(topName(path));
  const without = {
    files: haul.files.filter(({ path }) => stays(path)),
    directories: haul.directories.filter(stays),
  };
  const send = (chosen: typeof haul, overwrite: boolean) => async (): Promise<void> =>
    page.work.shelf.value?.upload(directory, chosen, overwrite);
  const skip = { label: "Leave these out", act: send(without, false) };
  return (
    <Modal
      title="Replace what is there?"
      accept="Replace"
      danger
      onClose={() => leave(page)}
      onAccept={send(haul, true)}
      others={without.files.length > 0 || without.directories.length > 0 ? [skip] : []}
    >
      <p>These are there already. In folders, only files of the same names are replaced.</p>
      <ul>
        {names.slice(0, SHOWN).map((name) => (
          <li key={name}>{name}</li>
        ))}
        {names.length > SHOWN && <li>and {counted(names.length - SHOWN, "other")}</li>}
      </ul>
    </Modal>
  );
}

function CloseFile({ page, file }: { page: Page; file: OpenFile }) {
  const save = async (): Promise<void> => {
    const done = await file.save();
    if (done) page.work.desk.close(file);
  };
  // A conflict has a dialog of its own, which comes in the place of this one.
  const close = (): void => {
    if (file.conflict.value) page.dialog.value = { kind: "conflict", file };
    else page.closeDialog();
  };
  return (
    <Modal
      title={`Save ${nameOf(file.place.value)}?`}
      accept="Save"
      onClose={close}
      onAccept={save}
      others={[{ label: "Do not save", act: () => page.work.desk.close(file) }]}
    >
      <p>It has changes that are not saved.</p>
    </Modal>
  );
}

/** Somebody else has changed the file that is being saved. */
function Conflict({ page, file }: { page: Page; file: OpenFile }) {
  // What was decided about stays in sight until the dialog has gone.
  const last = useRef(file.conflict.value);
  if (file.conflict.value) last.current = file.conflict.value;
  const conflict = last.current;
  const theirs = conflict?.theirs ?? null;
  const [comparing, setComparing] = useState(false);
  const comparison = useRef<Comparison | null>(null);
  const name = nameOf(file.place.value);
  const close = (): void => {
    file.conflict.value = null;
    page.closeDialog();
  };
  const mine = async (): Promise<void> => {
    if (!conflict) return;
    if (comparison.current) file.sheet?.replace(comparison.current.text());
    const saved = await file.save(conflict);
    if (!saved) throw new Refusal(412, "edit_conflict", "It has changed once more. Look again.");
  };
  const others = [
    { label: "Take theirs", act: () => file.takeTheirs(theirs) },
    { label: "Compare", act: () => (setComparing(true), false) },
  ];
  if (!theirs) {
    return (
      <Modal title={`${name} is no longer on the disk`} accept="Save it again" onClose={close} onAccept={mine}>
        <p>Somebody has deleted or renamed it. What is in the editor can be saved under its name.</p>
      </Modal>
    );
  }
  return (
    <Modal
      title={`${name} has changed on the disk`}
      accept={comparing ? "Save the right side" : "Save mine"}
      danger={!comparing}
      wide={comparing}
      onClose={close}
      onAccept={mine}
      others={comparing ? others.slice(0, 1) : others}
    >
      {comparing ? (
        <Sides page={page} file={file} theirs={theirs.text.text} made={(view) => (comparison.current = view)} />
      ) : (
        <p>
          It is no longer what you began with. <b>Save mine</b> overwrites what is on the disk, <b>Take theirs</b> gives up
          what is in the editor.
        </p>
      )}
    </Modal>
  );
}

interface SidesProps {
  page: Page;
  file: OpenFile;
  theirs: string;
  made: (view: Comparison | null) => void;
}

function Sides({ page, file, theirs, made }: SidesProps) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let view: Comparison | null = null;
    let gone = false;
    const begin = async (): Promise<void> => {
      const { compare } = await import("../editing/comparing");
      if (gone || !host.current) return;
      const texts = { theirs, mine: file.sheet?.text() ?? "", language: languageOf(nameOf(file.place.value)) };
      view = await compare(host.current, texts, { dark: page.dark.value, fontSize: page.preferences.fontSize.value });
      if (gone) view.dispose();
      else made(view);
    };
    void begin();
    return () => {
      gone = true;
      made(null);
      view?.dispose();
    };
  }, []);
  return (
    <>
      <div class="sides" aria-hidden="true">
        <span>On the disk</span>
        <span>Yours</span>
      </div>
      <div class="comparison" ref={host} />
    </>
  );
}

function check(problem: string | null): void {
  if (problem) throw new Refusal(0, "invalid_name", problem);
}
