/** The open files. All stay where they are, one over the other, so that each keeps its cursor and what is in sight. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { address } from "../api";
import type { Editor } from "../editing/editor";
import { filePath } from "../files/calls";
import { languageOf } from "../files/languages";
import { LARGE, TOO_LARGE, type OpenFile } from "../files/open_file";
import { nameOf, pathOf } from "../files/places";
import { size } from "../files/sizes";
import type { Page } from "../page";

export function DeskView({ page }: { page: Page }) {
  return (
    <>
      {page.work.desk.files.value.map((file) => (
        <FileView key={file.key} page={page} file={file} />
      ))}
    </>
  );
}

function FileView({ page, file }: { page: Page; file: OpenFile }) {
  const behind = page.work.desk.front.value !== file;
  const name = nameOf(file.place.value);
  const phase = file.phase.value;
  const conflict = file.conflict.value;
  useLayoutEffect(() => {
    if (!behind) page.drew(file);
  }, [behind]);
  useEffect(() => {
    if (conflict && !behind) page.dialog.value = { kind: "conflict", file };
  }, [conflict]);
  return (
    <section class="desk" id={`desk-${file.key}`} role="tabpanel" aria-label={name} inert={behind} data-behind={behind}>
      {phase === "text" && <News page={page} file={file} />}
      <Sheet page={page} file={file} shown={phase === "text"} />
      {phase !== "text" && <Instead file={file} />}
    </section>
  );
}

/** The editor. Its code comes when the first file is opened. */
function Sheet({ page, file, shown }: { page: Page; file: OpenFile; shown: boolean }) {
  const host = useRef<HTMLDivElement>(null);
  const [editor, setEditor] = useState<Editor | null>(null);
  const place = file.place.value;
  const dark = page.dark.value;
  const fontSize = page.preferences.fontSize.value;
  const readOnly = !page.work.workspaces.writable.value;
  const goal = file.goal.value;
  useEffect(() => {
    if (!shown || editor) return;
    let gone = false;
    const begin = async (): Promise<void> => {
      const { Editor } = await import("../editing/editor");
      if (gone || !host.current) return;
      const start = { text: file.text, label: nameOf(place), language: languageOf(nameOf(place)), readOnly };
      const made = new Editor(host.current, start, { dark, fontSize }, {
        edited: () => file.edited(),
        save: () => void page.work.save(file),
      });
      file.begin(made);
      setEditor(made);
    };
    void begin().catch(() => page.say("The editor could not be loaded"));
    return () => void (gone = true);
  }, [shown, editor]);
  useEffect(() => editor?.dress({ dark, fontSize }), [editor, dark, fontSize]);
  useEffect(() => editor?.allow(readOnly), [editor, readOnly]);
  useEffect(() => editor?.rename(nameOf(place), languageOf(nameOf(place))), [editor, place]);
  // Before the paint: whoever types at once types there.
  useLayoutEffect(() => {
    if (!editor || goal === null) return;
    editor.goTo(goal);
    file.goal.value = null;
  }, [editor, goal]);
  return <div class="sheet-of-text" ref={host} hidden={!shown} />;
}

/** What happened on the disk meanwhile. */
function News({ page, file }: { page: Page; file: OpenFile }) {
  const news = file.news.value;
  if (!news) return null;
  const decide = async (): Promise<void> => {
    try {
      await file.confront();
    } catch (error) {
      page.say(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <div class="news" role="alert">
      <span>{news === "changed" ? "This file has changed on the disk." : "This file is no longer on the disk."}</span>
      {news === "changed" && <button onClick={() => void decide()}>Compare…</button>}
      {news === "gone" && <button onClick={() => void decide()}>Save it again…</button>}
      <button onClick={() => (file.dismiss(), file.focus())}>Go on</button>
    </div>
  );
}

/** What is shown in the place of a text. */
function Instead({ file }: { file: OpenFile }) {
  const phase = file.phase.value;
  const bytes = file.entry.value?.size ?? 0;
  if (phase === "loading") return <div class="instead" aria-busy="true" />;
  const download = (
    <a class="button" href={address(filePath(file.workspace, file.place.value)).href} download={nameOf(file.place.value)}>
      Download
    </a>
  );
  return (
    <div class="instead">
      <h2>{pathOf(file.place.value)}</h2>
      {phase === "binary" && <p>This is no text ({size(bytes)}).</p>}
      {phase === "too_large" && (
        <p>
          This file has {size(bytes)}. The editor takes files of up to {size(TOO_LARGE)}.
        </p>
      )}
      {phase === "large" && (
        <p>
          This file has {size(bytes)}. Files of more than {size(LARGE)} may make this page slow.
        </p>
      )}
      {phase === "failed" && <p role="alert">{file.problem.value}</p>}
      <div class="buttons">
        {phase === "large" && <button onClick={() => void file.load(true)}>Open it anyway</button>}
        {phase === "failed" ? <button onClick={() => void file.load()}>Try again</button> : download}
      </div>
    </div>
  );
}
