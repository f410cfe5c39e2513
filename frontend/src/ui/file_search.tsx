/** Searching a workspace, by name or by what is in the files. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { placeOfMatch, type FoundEntry } from "../files/calls";
import type { Shelf } from "../files/shelf";
import type { Page } from "../page";
import { Pause } from "../searching";
import { cleanTitle } from "../titles";

interface Found {
  query: string;
  items: FoundEntry[];
  complete: boolean;
}

export function FileSearch({ page, shelf }: { page: Page; shelf: Shelf }) {
  const field = useRef<HTMLInputElement>(null);
  const [query, setQuery] = useState("");
  const [content, setContent] = useState(false);
  const [found, setFound] = useState<Found | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const pause = useMemo(() => new Pause(), []);
  const question = useRef(0);
  useLayoutEffect(() => field.current?.focus(), []);
  useEffect(() => {
    const number = ++question.current;
    const text = query.trim();
    if (text === "") return void (setFound(null), setProblem(null));
    pause.after(() => {
      shelf.search(text, content).then(
        ({ items, complete }) => {
          if (number !== question.current) return;
          setFound({ query: text, items, complete });
          setProblem(null);
        },
        (error: unknown) => number === question.current && setProblem(error instanceof Error ? error.message : String(error)),
      );
    });
  }, [query, content]);
  const close = (event: KeyboardEvent): void => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    shelf.searching.value = false;
  };
  return (
    <div class="file-search" role="search" onKeyDown={close}>
      <input
        type="search"
        ref={field}
        aria-label={content ? "Search for text in the files" : "Search for names"}
        placeholder={content ? "Text in files" : "Name"}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => setQuery(event.currentTarget.value)}
      />
      <fieldset class="segments">
        <legend>Search for</legend>
        {([false, true] as const).map((choice) => (
          <label key={String(choice)}>
            <input type="radio" name="search-kind" checked={content === choice} onChange={() => setContent(choice)} />
            <span>{choice ? "Text" : "Names"}</span>
          </label>
        ))}
      </fieldset>
      <p class="found" role="status">
        {problem ?? (found && summary(found))}
      </p>
      <ul>
        {found?.items.map((item, number) => (
          <li key={number}>
            <button onClick={() => page.openFound(placeOfMatch(item), item.line ?? null)}>
              <span class="path">{cleanTitle(item.path)}</span>
              {item.line != null && (
                <code>
                  <b>{item.line}</b> {cleanTitle(item.text ?? "")}
                </code>
              )}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function summary({ items, complete }: Found): string {
  if (items.length === 0) return complete ? "Nothing found." : "Nothing found in what was looked at.";
  return complete ? `${items.length} found.` : `${items.length} found, and perhaps more.`;
}
