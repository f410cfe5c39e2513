/** CodeMirror, set up for one file. Loaded when the first file is opened. */

import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, foldGutter, foldKeymap, indentOnInput, indentUnit } from "@codemirror/language";
import { diff } from "@codemirror/merge";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, Transaction, type ChangeSpec, type Extension } from "@codemirror/state";
import {
  crosshairCursor, drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars,
  keymap, lineNumbers, rectangularSelection,
} from "@codemirror/view";
import type { Sheet } from "../files/open_file";
import { grammar } from "./grammars";
import { dressed } from "./looks";

export interface EditorLook {
  dark: boolean;
  fontSize: number;
}

export interface EditorEvents {
  edited(): void;
  save(): void;
}

export interface EditorStart {
  text: string;
  label: string;
  language: string | null;
  readOnly: boolean;
}

/** Enough for any change that people make; a file that is all new is replaced in one piece. */
const DIFF = { scanLimit: 1000, timeout: 40 };

export class Editor implements Sheet {
  readonly view: EditorView;
  private readonly looks = new Compartment();
  private readonly language = new Compartment();
  private readonly rights = new Compartment();
  private readonly name = new Compartment();

  constructor(parent: HTMLElement, start: EditorStart, look: EditorLook, events: EditorEvents) {
    const listener = EditorView.updateListener.of((update) => {
      if (update.docChanged) events.edited();
    });
    const saving = keymap.of([{ key: "Mod-s", run: () => (events.save(), true), preventDefault: true }]);
    this.view = new EditorView({
      parent,
      state: EditorState.create({
        doc: start.text,
        extensions: [
          saving,
          basics(),
          listener,
          this.looks.of(dressed(look)),
          this.language.of([]),
          this.rights.of(EditorState.readOnly.of(start.readOnly)),
          this.name.of(labelled(start.label)),
        ],
      }),
    });
    void this.speak(start.language);
  }

  text(): string {
    return this.view.state.doc.toString(); // joined by line feeds, whatever the separator
  }

  replace(text: string): void {
    const changes = changesTo(this.text(), text);
    if (changes.length === 0) return;
    // Undoing goes back to what was typed, not to what was on the disk before.
    this.view.dispatch({ changes, annotations: [Transaction.addToHistory.of(false), Transaction.remote.of(true)] });
  }

  dress(look: EditorLook): void {
    this.view.dispatch({ effects: this.looks.reconfigure(dressed(look)) });
  }

  allow(readOnly: boolean): void {
    this.view.dispatch({ effects: this.rights.reconfigure(EditorState.readOnly.of(readOnly)) });
  }

  /** It has another name, and perhaps another language. */
  rename(label: string, language: string | null): void {
    this.view.dispatch({ effects: this.name.reconfigure(labelled(label)) });
    void this.speak(language);
  }

  /** Show a line, counted from 1, in the middle, with the cursor in it. */
  goTo(line: number): void {
    const { doc } = this.view.state;
    const { from } = doc.line(Math.min(Math.max(1, line), doc.lines));
    this.view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
  }

  focus(): void {
    this.view.focus();
  }

  dispose(): void {
    this.view.destroy();
  }

  private async speak(language: string | null): Promise<void> {
    // Without its grammar a file is plain text.
    const extension = language === null ? [] : await grammar(language).catch((): Extension => []);
    this.view.dispatch({ effects: this.language.reconfigure(extension) });
  }
}

/** The smallest changes that make one text of the other, so that cursors and scrolling find their place again. */
export function changesTo(before: string, after: string): ChangeSpec[] {
  return diff(before, after, DIFF).map(({ fromA, toA, fromB, toB }) => ({ from: fromA, to: toA, insert: after.slice(fromB, toB) }));
}

function labelled(label: string): Extension {
  return EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", autocapitalize: "off" });
}

function basics(): Extension {
  return [
    // Lines end in LF and in nothing else, so that what is read and what is saved are the same.
    EditorState.lineSeparator.of("\n"),
    EditorView.clipboardInputFilter.of((text) => text.replace(/\r\n?/g, "\n")),
    EditorState.allowMultipleSelections.of(true),
    indentUnit.of("    "),
    lineNumbers(),
    foldGutter(),
    highlightSpecialChars(),
    history(),
    drawSelection(),
    indentOnInput(),
    bracketMatching(),
    closeBrackets(),
    autocompletion({ activateOnTyping: false }),
    rectangularSelection(),
    crosshairCursor(),
    highlightActiveLine(),
    highlightActiveLineGutter(),
    highlightSelectionMatches(),
    search({ top: true }),
    keymap.of([
      ...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...completionKeymap,
      indentWithTab,
    ]),
  ];
}
