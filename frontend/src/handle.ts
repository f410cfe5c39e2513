/**
 * `window.webterm`: what end-to-end tests read. It gives nothing that the page does not show or count, and does nothing.
 */

import { XtermPane } from "./pane";
import type { Terminals } from "./terminals";

export interface Handle {
  /** The text of a terminal's visible screen; of the active one without an index. */
  screen(index?: number): string;
  /** One row per tab, in their order. */
  tabs(): { id: string | null; title: string; phase: string; ended: string | null; offset: number; answers: number }[];
  /** The index of the visible tab, or -1. */
  active(): number;
}

declare global {
  interface Window {
    webterm?: Handle;
  }
}

export function exposeHandle(terminals: Terminals): void {
  const active = (): number => terminals.tabs.value.findIndex((tab) => tab === terminals.active.value);
  window.webterm = {
    active,
    screen(index = active()) {
      const pane = terminals.tabs.value[index]?.pane;
      return pane instanceof XtermPane ? pane.screen() : "";
    },
    tabs: () =>
      terminals.tabs.value.map(({ title, phase, ended, attachment }) => ({
        id: attachment.terminal,
        title: title.value,
        phase: phase.value,
        ended: ended.value,
        offset: attachment.have ?? 0,
        answers: attachment.answers,
      })),
  };
}
