/** The editor in the page's colours, by its variables, so that light and dark are the page's own. */

import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import type { Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { FONT } from "../pane";
import { DARK, LIGHT } from "../themes";

export function dressed({ dark, fontSize }: { dark: boolean; fontSize: number }): Extension {
  const colours = dark ? DARK : LIGHT;
  const theme = EditorView.theme(
    {
      "&": { height: "100%", fontSize: `${fontSize}px`, color: "var(--text)", backgroundColor: "var(--terminal)" },
      "&.cm-focused": { outline: "none" },
      ".cm-scroller": { fontFamily: FONT, lineHeight: "1.45" },
      ".cm-content": { caretColor: colours.cursor },
      ".cm-cursor, .cm-dropCursor": { borderLeftColor: colours.cursor, borderLeftWidth: "2px" },
      ".cm-gutters": { backgroundColor: "var(--terminal)", color: "var(--quiet)", border: "none", paddingLeft: "6px" },
      ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--faint) 55%, transparent)" },
      "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
        backgroundColor: colours.selectionInactiveBackground,
      },
      ".cm-selectionMatch": { backgroundColor: "color-mix(in srgb, var(--accent) 20%, transparent)" },
      ".cm-searchMatch": { backgroundColor: dark ? "#8a6d1f" : "#f2dc9b" },
      ".cm-searchMatch.cm-searchMatch-selected": { backgroundColor: dark ? "#b0561f" : "#f0b07a" },
      ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--text)" },
      ".cm-panels.cm-panels-top": { borderBottom: "1px solid var(--line)" },
      ".cm-panel.cm-search": { font: "12px system-ui, sans-serif", padding: "6px 30px 6px 10px" },
      ".cm-textfield": { border: "1px solid var(--edge)", borderRadius: "5px", backgroundColor: "var(--terminal)", padding: "3px 8px" },
      ".cm-button": { backgroundImage: "none", border: "1px solid var(--line)", borderRadius: "5px", color: "var(--text)" },
      ".cm-tooltip": { border: "1px solid var(--line)", borderRadius: "7px", backgroundColor: "var(--raised)" },
      ".cm-foldPlaceholder": { backgroundColor: "var(--faint)", border: "none", color: "var(--quiet)", padding: "0 5px" },
      ".cm-specialChar": { color: "var(--danger)" },
    },
    { dark },
  );
  const syntax = HighlightStyle.define([
    { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: colours.magenta },
    { tag: [tags.string, tags.special(tags.string), tags.regexp], color: colours.green },
    { tag: [tags.number, tags.bool, tags.null, tags.atom], color: colours.yellow },
    { tag: [tags.comment, tags.meta], color: "var(--quiet)", fontStyle: "italic" },
    { tag: [tags.function(tags.variableName), tags.function(tags.propertyName), tags.heading], color: colours.blue },
    { tag: [tags.typeName, tags.className, tags.namespace, tags.tagName], color: colours.cyan },
    { tag: [tags.propertyName, tags.attributeName, tags.labelName], color: colours.blue },
    { tag: [tags.definition(tags.variableName)], color: "var(--text)" },
    { tag: [tags.link, tags.url], color: colours.cyan, textDecoration: "underline" },
    { tag: tags.strong, fontWeight: "bold" },
    { tag: tags.emphasis, fontStyle: "italic" },
    { tag: [tags.inserted], color: colours.green },
    { tag: [tags.deleted, tags.invalid], color: colours.red },
  ]);
  return [theme, syntaxHighlighting(syntax)];
}
