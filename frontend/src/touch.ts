/**
 * Scrolling with a finger, which xterm.js 6 does not know.
 *
 * A drag moves the scrollback; where there is none (alternate screen) or the program wants the mouse, it becomes wheel
 * events, which xterm.js turns into cursor keys or mouse reports.
 */

import type { Terminal } from "@xterm/xterm";

const SLOP = 8;

export function scrollByTouch(element: HTMLElement, terminal: Terminal): void {
  let last: number | null = null;
  let moving = false;
  element.addEventListener("touchstart", (event) => {
    last = event.touches.length === 1 ? (event.touches[0]?.clientY ?? null) : null;
    moving = false;
  });
  element.addEventListener(
    "touchmove",
    (event) => {
      const touch = event.touches[0];
      const screen = element.querySelector<HTMLElement>(".xterm-screen");
      if (last === null || !touch || !screen) return;
      moving ||= Math.abs(last - touch.clientY) >= SLOP;
      if (!moving) return;
      event.preventDefault();
      const row = screen.clientHeight / terminal.rows;
      const rows = Math.trunc((last - touch.clientY) / row);
      last -= rows * row;
      if (rows !== 0) scroll(terminal, screen, rows, touch);
    },
    { passive: false },
  );
}

function scroll(terminal: Terminal, screen: HTMLElement, rows: number, { clientX, clientY }: Touch): void {
  if (terminal.buffer.active.type === "normal" && terminal.modes.mouseTrackingMode === "none") {
    terminal.scrollLines(rows);
    return;
  }
  const wheel = { deltaY: rows, deltaMode: WheelEvent.DOM_DELTA_LINE, clientX, clientY, bubbles: true, cancelable: true };
  screen.dispatchEvent(new WheelEvent("wheel", wheel));
}
