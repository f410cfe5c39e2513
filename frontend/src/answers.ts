/**
 * Telling what a person types from what the emulator says by itself.
 *
 * Both leave xterm.js by the same event. Parsing is synchronous, so whatever is said between a question in the output
 * and the end of that task is the answer to it: no key press can come in between.
 */

import type { IDisposable, IParser } from "@xterm/xterm";

type CsiName = Parameters<IParser["registerCsiHandler"]>[0];

/** The control sequences that xterm.js 6 answers (`InputHandler.ts`, `CoreBrowserTerminal.ts`). */
const CSI_QUESTIONS: CsiName[] = [
  { final: "c" }, // DA1
  { prefix: ">", final: "c" }, // DA2
  { prefix: "=", final: "c" }, // DA3
  { final: "n" }, // DSR, CPR
  { prefix: "?", final: "n" }, // DECXCPR and other DEC reports
  { intermediates: "$", final: "p" }, // DECRQM
  { prefix: "?", intermediates: "$", final: "p" }, // DECRQM, private modes
  { prefix: "?", final: "h" }, // DECSET 1004 reports the focus at once
  { final: "t" }, // XTWINOPS reports
];
const OSC_QUESTIONS = [4, 10, 11, 12];

/** DECRQSS ends in `$ q`; XTVERSION is `CSI > q`, which xterm.js leaves to us. */
const DECRQSS: CsiName = { intermediates: "$", final: "q" };
const XTVERSION: CsiName = { prefix: ">", final: "q" };
const VERSION = "\x1bP>|webterm\x1b\\";

export interface Talker {
  readonly parser: IParser;
  onData(listener: (data: string) => void): IDisposable;
  onBinary(listener: (data: string) => void): IDisposable;
}

export interface Hearer {
  /** Bytes that a person typed, pasted or pointed. */
  input(data: Uint8Array): void;
  /** What the emulator answers to the program. */
  answer(data: string): void;
}

export function listen(terminal: Talker, hearer: Hearer): void {
  let answering = false;
  const question = (): boolean => {
    if (!answering) queueMicrotask(() => (answering = false));
    answering = true;
    return false; // xterm.js goes on to its own handler
  };
  for (const name of CSI_QUESTIONS) terminal.parser.registerCsiHandler(name, question);
  for (const number of OSC_QUESTIONS) terminal.parser.registerOscHandler(number, question);
  terminal.parser.registerDcsHandler(DECRQSS, question);
  terminal.parser.registerCsiHandler(XTVERSION, (params) => {
    if ((params[0] ?? 0) === 0) hearer.answer(VERSION);
    return true;
  });
  const encoder = new TextEncoder();
  terminal.onData((data) => (answering ? hearer.answer(data) : hearer.input(encoder.encode(data))));
  terminal.onBinary((data) => (answering ? hearer.answer(data) : hearer.input(latin1(data))));
}

/** xterm.js uses its binary event for mouse reports whose coordinates are single bytes. */
function latin1(data: string): Uint8Array {
  return Uint8Array.from(data, (character) => character.charCodeAt(0) & 0xff);
}
