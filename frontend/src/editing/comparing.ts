/** Two texts side by side: the editor's on the right, where it can be changed, and the disk's on the left. */

import { history, historyKeymap, defaultKeymap } from "@codemirror/commands";
import { MergeView } from "@codemirror/merge";
import { EditorState, type Extension } from "@codemirror/state";
import { EditorView, keymap, lineNumbers } from "@codemirror/view";
import type { EditorLook } from "./editor";
import { grammar } from "./grammars";
import { dressed } from "./looks";

export interface Comparison {
  /** What is on the right now. */
  text(): string;
  dispose(): void;
}

export async function compare(
  parent: HTMLElement,
  texts: { theirs: string; mine: string; language: string | null },
  look: EditorLook,
): Promise<Comparison> {
  const language = texts.language === null ? [] : await grammar(texts.language).catch((): Extension => []);
  const both = [EditorState.lineSeparator.of("\n"), lineNumbers(), EditorView.lineWrapping, dressed(look), language];
  const named = (label: string): Extension => EditorView.contentAttributes.of({ "aria-label": label });
  const view = new MergeView({
    parent,
    a: { doc: texts.theirs, extensions: [both, EditorState.readOnly.of(true), named("On the disk")] },
    b: { doc: texts.mine, extensions: [both, history(), keymap.of([...defaultKeymap, ...historyKeymap]), named("Yours")] },
    revertControls: "a-to-b",
    collapseUnchanged: { margin: 3, minSize: 6 },
    diffConfig: { scanLimit: 1000, timeout: 500 },
  });
  return { text: () => view.b.state.doc.toString(), dispose: () => view.destroy() };
}
