/** What a person chooses for this browser; kept in its local storage. */

import { effect, signal, type Signal } from "@preact/signals";

export type ThemeChoice = "system" | "light" | "dark";

export const SMALLEST_FONT = 8;
export const LARGEST_FONT = 32;

export class Preferences {
  readonly theme = stored<ThemeChoice>("theme", "system", (text) => (text === "light" || text === "dark" ? text : null));
  readonly fontSize = stored<number>("font-size", 14, (text) => bounded(Number(text)));
  /** Whether the files are shown beside the terminals. */
  readonly files = stored<boolean>("files", false, (text) => text === "true");
  /** Whether what runs is shown below the files. */
  readonly runs = stored<boolean>("runs", true, (text) => text === "true");
  /** How much of the width a preview gets, in percent. */
  readonly previewWidth = stored<number>("preview-width", 50, (text) => previewShare(Number(text)));
  readonly screenReader = stored<boolean>("screen-reader", false, (text) => text === "true");

  zoom(step: number): void {
    this.fontSize.value = bounded(this.fontSize.value + step);
  }
}

export const NARROWEST_PREVIEW = 20;
export const WIDEST_PREVIEW = 80;

export function previewShare(percent: number): number {
  return Number.isFinite(percent) ? Math.min(WIDEST_PREVIEW, Math.max(NARROWEST_PREVIEW, Math.round(percent))) : 50;
}

function bounded(size: number): number {
  return Number.isFinite(size) ? Math.min(LARGEST_FONT, Math.max(SMALLEST_FONT, Math.round(size))) : 14;
}

function stored<T extends string | number | boolean>(
  name: string,
  initial: T,
  parse: (text: string) => T | null,
): Signal<T> {
  const key = `webterm.${name}`;
  const text = read(key);
  const value = signal<T>((text === null ? null : parse(text)) ?? initial);
  effect(() => write(key, String(value.value)));
  return value;
}

// Storage may be forbidden; then choices last as long as the page.
function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, text: string): void {
  try {
    localStorage.setItem(key, text);
  } catch {
    // see read
  }
}
