/** How runtimes are spoken of. */

import type { RuntimeStatsMessage } from "../protocol.gen";
import { size } from "../files/sizes";
import type { RuntimeState } from "./states";

export const STATES: Record<RuntimeState, string> = {
  absent: "not running",
  starting: "starting",
  ready: "ready",
  stopping: "stopping",
  failed: "failed",
};

/** The driver that runs each workspace in a container. */
export const CONTAINED = "docker";
const PLACES = new Map([
  [CONTAINED, "a container"],
  ["local", "the server's machine"],
]);

/** In what the programs of a driver run. */
export function placeOf(driver: string): string {
  return PLACES.get(driver) ?? driver;
}

/** One line of the meters. `part` is how much of what is allowed is used, from 0 to 1; null where nothing is set. */
export interface Reading {
  name: string;
  text: string;
  part: number | null;
}

/** What programs use, and of how much. What cannot be told is left out. */
export function readings(stats: RuntimeStatsMessage): Reading[] {
  const found: Reading[] = [];
  const add = (name: string, value: number | null | undefined, most: number, spell: (value: number) => string): void => {
    if (value === null || value === undefined) return;
    found.push({ name, text: spell(value) + (most > 0 ? ` of ${spell(most)}` : ""), part: most > 0 ? value / most : null });
  };
  add("Processors", stats.cpu, stats.cpu_limit ?? 0, processors);
  add("Memory", stats.memory, stats.memory_limit ?? 0, size);
  add("Processes", stats.processes, stats.processes_limit ?? 0, (value) => value.toLocaleString("en"));
  return found;
}

/** "0.25", "2", "12": two digits that say something. */
export function processors(value: number): string {
  return value >= 10 ? value.toFixed(0) : String(Number(value.toFixed(value >= 1 ? 1 : 2)));
}

const LIFETIMES = [
  ["1", "for an hour"],
  ["24", "for a day"],
  ["168", "for a week"],
] as const;

/** For how many hours a link may be good where it may be for so many days; empty is as long as that. */
export function lifetimes(days: number): (readonly [hours: string, label: string])[] {
  const found = LIFETIMES.filter(([hours]) => Number(hours) <= days * 24);
  return found.length === LIFETIMES.length ? found : [...found, ["", "for as long as the server allows"]];
}

/** "9 min", "40 s": how long it still is until something happens. */
export function remaining(seconds: number): string {
  if (seconds >= 90) return `${Math.round(seconds / 60)} min`;
  return `${Math.max(0, Math.ceil(seconds))} s`;
}

/** How far a start has come, from 0 to 1, where its line says so: how much is there of an image. A build tells of its parts only. */
export function progressIn(line: string): number | null {
  const [, here, whole] = /: (\d+) of (\d+) MiB$/.exec(line) ?? [];
  return Number(whole) > 0 ? Math.min(1, Number(here) / Number(whole)) : null;
}
