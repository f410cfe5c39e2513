import type { Page } from "../page";

/** The keys that keyboards on a screen lack. A key is either text or the final letter of a cursor key. */
const KEYS: [label: string, text: string, name?: string][] = [
  ["Esc", "\x1b", "Escape"],
  ["Tab", "\t"],
  ["^C", "\x03", "Control C"],
  ["|", "|"],
  ["/", "/"],
  ["~", "~"],
  ["-", "-"],
];
const CURSOR: [label: string, final: string, name: string][] = [
  ["←", "D", "Left"],
  ["↓", "B", "Down"],
  ["↑", "A", "Up"],
  ["→", "C", "Right"],
];

export function KeyBar({ page }: { page: Page }) {
  const { ctrl, alt } = page.modifiers;
  const keep = (event: Event): void => event.preventDefault(); // the keyboard stays open
  const type = (text: string): void => page.pane?.terminal.input(text);
  const cursor = (final: string): void => {
    const application = page.pane?.terminal.modes.applicationCursorKeysMode;
    type(application ? `\x1bO${final}` : `\x1b[${final}`);
  };
  return (
    <div class="keybar" role="toolbar" aria-label="Keys" onPointerDown={keep} onMouseDown={keep}>
      <button aria-pressed={ctrl.value} onClick={() => (ctrl.value = !ctrl.value)}>
        Ctrl
      </button>
      <button aria-pressed={alt.value} onClick={() => (alt.value = !alt.value)}>
        Alt
      </button>
      {KEYS.slice(0, 3).map((key) => (
        <Key key={key[0]} label={key[0]} name={key[2]} press={() => type(key[1])} />
      ))}
      {CURSOR.map(([label, final, name]) => (
        <Key key={label} label={label} name={name} press={() => cursor(final)} />
      ))}
      {KEYS.slice(3).map((key) => (
        <Key key={key[0]} label={key[0]} name={key[2]} press={() => type(key[1])} />
      ))}
    </div>
  );
}

function Key({ label, name, press }: { label: string; name?: string; press: () => void }) {
  return (
    <button aria-label={name ?? label} onClick={press}>
      {label}
    </button>
  );
}
