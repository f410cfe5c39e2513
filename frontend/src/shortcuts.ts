/** The page's own keys: all with Ctrl+Shift, which programs in a terminal do not get to see anyway. */

import type { Page } from "./page";

export const SHORTCUTS: [keys: string, meaning: string][] = [
  ["Ctrl+Shift+Enter", "New terminal"],
  ["Ctrl+Shift+PageUp / PageDown", "Previous / next tab"],
  ["Ctrl+Shift+1 … 9", "Tab 1 … 9"],
  ["Ctrl+Shift+E", "The files, and back"],
  ["Ctrl+Shift+C / ⌘C", "Copy the selection"],
  ["Ctrl+Shift+V / ⌘V", "Paste"],
  ["Ctrl+Shift+F", "Find in the scrollback"],
  ["Ctrl+Shift+Plus / Minus / 0", "Larger / smaller / usual text"],
  ["Shift+PageUp / PageDown", "Scroll"],
  ["Ctrl+S / ⌘S", "Save, in the editor"],
  ["Double-click a tab", "Rename its terminal"],
];

const ACTIONS: Record<string, (page: Page) => void> = {
  Enter: (page) => page.open(),
  PageUp: (page) => move(page, -1),
  PageDown: (page) => move(page, 1),
  KeyC: (page) => page.copy(),
  KeyE: (page) => toggleFiles(page),
  KeyF: (page) => find(page),
  Equal: (page) => page.preferences.zoom(1),
  NumpadAdd: (page) => page.preferences.zoom(1),
  Minus: (page) => page.preferences.zoom(-1),
  NumpadSubtract: (page) => page.preferences.zoom(-1),
  Digit0: (page) => (page.preferences.fontSize.value = 14),
};

export function listenForShortcuts(page: Page): void {
  // In the capturing phase: before xterm.js, which would send the key to the program.
  addEventListener("keydown", (event) => shortcut(page, event), true);
}

function shortcut(page: Page, event: KeyboardEvent): void {
  if (saves(event)) return save(page, event);
  if (!event.ctrlKey || !event.shiftKey || event.altKey || event.metaKey) return;
  if (page.dialog.value || page.covered.value) return;
  if (event.code === "KeyV") {
    event.stopPropagation(); // the browser pastes; xterm.js must not send ^V
    return;
  }
  const action = ACTIONS[event.code] ?? digit(event.code);
  if (!action) return;
  event.preventDefault();
  event.stopPropagation();
  action(page);
}

/** As the button does, from which the files take the focus: no other key leads out of a terminal. */
function toggleFiles(page: Page): void {
  if (!page.work.open.value) document.querySelector<HTMLElement>(".files-toggle")?.focus();
  page.toggleFiles();
}

function digit(code: string): ((page: Page) => void) | undefined {
  const number = /^Digit([1-9])$/.exec(code)?.[1];
  if (!number) return undefined;
  return (page) => {
    const item = page.strip.value[Number(number) - 1];
    if (item) page.select(item);
  };
}

function move(page: Page, step: number): void {
  page.step(step);
}

function saves({ key, ctrlKey, metaKey, shiftKey, altKey }: KeyboardEvent): boolean {
  return key === "s" && ctrlKey !== metaKey && !shiftKey && !altKey;
}

/** With a file in front the key saves it, wherever the focus is; a program in a terminal gets it as it is. */
function save(page: Page, event: KeyboardEvent): void {
  const file = page.work.desk.front.value;
  if (!file || page.dialog.value || page.covered.value) return;
  event.preventDefault();
  event.stopPropagation();
  void page.work.save(file);
}

/** An editor has a search of its own. */
function find(page: Page): void {
  if (!page.work.desk.front.value) page.finding.value = true;
}
