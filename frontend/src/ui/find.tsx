import type { ISearchOptions } from "@xterm/addon-search";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Page } from "../page";

// The active match is shown as a selection, whose colour the theme has.
const RULER = { matchOverviewRuler: "#c9a227", activeMatchColorOverviewRuler: "#e0702b" };
const DARK_MARKS = { ...RULER, matchBackground: "#8a6d1f" };
const LIGHT_MARKS = { ...RULER, matchBackground: "#f2dc9b" };

export function FindBar({ page }: { page: Page }) {
  const input = useRef<HTMLInputElement>(null);
  const [matchCase, setMatchCase] = useState(false);
  const [regex, setRegex] = useState(false);
  const [found, setFound] = useState<boolean | null>(null);
  const tab = page.terminals.active.value;
  useLayoutEffect(() => input.current?.focus(), []);
  useEffect(() => search(true, true), [matchCase, regex, tab]);

  function search(forward: boolean, incremental = false): void {
    const text = input.current?.value ?? "";
    const search = page.pane?.search;
    if (!search || !text) {
      search?.clearDecorations();
      return setFound(null);
    }
    const decorations = page.dark.value ? DARK_MARKS : LIGHT_MARKS;
    const options: ISearchOptions = { caseSensitive: matchCase, regex, incremental, decorations };
    try {
      setFound(forward ? search.findNext(text, options) : search.findPrevious(text, options));
    } catch {
      setFound(false); // an unfinished regular expression
    }
  }

  const close = (): void => {
    page.pane?.search.clearDecorations();
    page.finding.value = false;
    page.focus();
  };

  const key = (event: KeyboardEvent): void => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter") search(!event.shiftKey);
    else return;
    event.preventDefault();
  };

  return (
    <div class="find" role="search" onKeyDown={key}>
      <input
        ref={input}
        aria-label="Find in the scrollback"
        placeholder="Find"
        spellcheck={false}
        aria-invalid={found === false}
        onInput={() => search(false, true)}
      />
      <Toggle label="Match case" on={matchCase} set={setMatchCase} text="Aa" />
      <Toggle label="Regular expression" on={regex} set={setRegex} text=".*" />
      <button aria-label="Previous match" title="Previous (Shift+Enter)" onClick={() => search(false)}>
        ↑
      </button>
      <button aria-label="Next match" title="Next (Enter)" onClick={() => search(true)}>
        ↓
      </button>
      <button aria-label="Close the search" title="Close (Escape)" onClick={close}>
        ×
      </button>
    </div>
  );
}

function Toggle(props: { label: string; text: string; on: boolean; set: (on: boolean) => void }) {
  return (
    <button aria-label={props.label} title={props.label} aria-pressed={props.on} onClick={() => props.set(!props.on)}>
      {props.text}
    </button>
  );
}
