import { useEffect, useRef } from "preact/hooks";
import type { Page } from "../page";
import type { ThemeChoice } from "../preferences";

const THEMES: [ThemeChoice, string][] = [
  ["system", "System"],
  ["light", "Light"],
  ["dark", "Dark"],
];

export function Menu({ page }: { page: Page }) {
  const details = useRef<HTMLDetailsElement>(null);
  const close = (): void => {
    if (details.current) details.current.open = false;
  };
  useEffect(() => closeOutside(details, close), []);
  const act = (action: () => void) => () => {
    close();
    action();
  };
  return (
    <details class="menu" ref={details} onKeyDown={(event) => event.key === "Escape" && act(() => page.focus())()}>
      <summary class="icon" aria-label="Menu" title="Menu">
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M3 4.5h10M3 8h10M3 11.5h10" />
        </svg>
      </summary>
      <div class="sheet">
        {page.user.value && <p class="who">Signed in as {page.me.value?.username ?? page.user.value.name}</p>}
        <fieldset class="segments">
          <legend>Theme</legend>
          {THEMES.map(([choice, label]) => (
            <label key={choice}>
              <input
                type="radio"
                name="theme"
                checked={page.preferences.theme.value === choice}
                onChange={() => (page.preferences.theme.value = choice)}
              />
              <span>{label}</span>
            </label>
          ))}
        </fieldset>
        <div class="row">
          <span>Text size</span>
          <span class="stepper">
            <button aria-label="Smaller text" onClick={() => page.preferences.zoom(-1)}>
              −
            </button>
            <output>{page.preferences.fontSize.value}</output>
            <button aria-label="Larger text" onClick={() => page.preferences.zoom(1)}>
              +
            </button>
          </span>
        </div>
        <label class="row">
          <span>Screen reader support</span>
          <input
            type="checkbox"
            checked={page.preferences.screenReader.value}
            onChange={(event) => (page.preferences.screenReader.value = event.currentTarget.checked)}
          />
        </label>
        <hr />
        <button onClick={act(() => page.panels.show("workspaces"))}>Workspaces…</button>
        <button onClick={act(() => page.copy())}>Copy</button>
        <button onClick={act(() => void page.pasteFromClipboard())}>Paste</button>
        <button onClick={act(() => (page.finding.value = true))}>Find…</button>
        <button onClick={act(() => (page.dialog.value = { kind: "help" }))}>Keys and help</button>
        {!page.hosted.value && <hr />}
        {page.me.value && <button onClick={act(() => page.panels.show("account"))}>Account…</button>}
        {page.me.value?.scopes.includes("admin") && (
          <button onClick={act(() => page.panels.show("admin"))}>Administration…</button>
        )}
        {!page.hosted.value && <button onClick={act(() => void leave(page))}>Sign out</button>}
      </div>
    </details>
  );
}

function closeOutside(details: { current: HTMLDetailsElement | null }, close: () => void): () => void {
  const pressed = (event: Event): void => {
    if (!(event.target instanceof Node) || !details.current?.contains(event.target)) close();
  };
  addEventListener("pointerdown", pressed);
  return () => removeEventListener("pointerdown", pressed);
}

async function leave(page: Page): Promise<void> {
  try {
    await page.signOut(() => page.rest.signOut());
  } catch (error) {
    page.say(error instanceof Error ? error.message : "Signing out did not work");
  }
}
