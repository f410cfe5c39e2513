/**
 * A screen without a browser, for comparing what viewers see.
 *
 *     node tests/screen.mjs [COLS ROWS]
 *
 * Reads one JSON object a line: {"write": BASE64}, {"resize": [COLS, ROWS]}, {"fresh": [COLS, ROWS]} for a screen that
 * has seen nothing, or {"dump": true, "scrollback"?: ROWS}.
 * Prints one JSON object a line for each dump: `screen` (text and attributes as escape sequences, by the serialize
 * addon, modes included), `lines` (plain text of the visible rows), `cursor` ([column, row], from 0), `buffer`
 * ("normal" or "alternate"), `modes`, `size`, and `answers` (what the emulator has said by itself so far).
 */

import { createInterface } from "node:readline";
import serialize from "@xterm/addon-serialize";
import graphemes from "@xterm/addon-unicode-graphemes";
import headless from "@xterm/headless";

const [cols = 80, rows = 24] = process.argv.slice(2).map(Number);
let { terminal, serializer, answers } = fresh(cols, rows);

function fresh(cols, rows) {
  const terminal = new headless.Terminal({ cols, rows, scrollback: 5000, allowProposedApi: true });
  const serializer = new serialize.SerializeAddon();
  const answers = [];
  terminal.loadAddon(new graphemes.UnicodeGraphemesAddon());
  terminal.unicode.activeVersion = "15-graphemes"; // before anything is written
  terminal.loadAddon(serializer);
  terminal.onData((data) => answers.push(data));
  terminal.onBinary((data) => answers.push(data));
  return { terminal, serializer, answers };
}

const parsed = (bytes) => new Promise((resolve) => terminal.write(bytes, resolve));

function dump(scrollback) {
  const buffer = terminal.buffer.active;
  const lines = Array.from({ length: terminal.rows }, (_, row) =>
    buffer.getLine(buffer.baseY + row).translateToString(true, 0, terminal.cols),
  );
  return {
    screen: serializer.serialize({ scrollback }),
    lines,
    cursor: [buffer.cursorX, buffer.cursorY],
    buffer: buffer.type,
    modes: terminal.modes,
    size: [terminal.cols, terminal.rows],
    answers,
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const step = JSON.parse(line);
  if (step.fresh) ({ terminal, serializer, answers } = fresh(...step.fresh));
  if (step.write !== undefined) await parsed(Buffer.from(step.write, "base64"));
  if (step.resize) terminal.resize(...step.resize);
  if (step.dump) process.stdout.write(`${JSON.stringify(dump(step.scrollback ?? 0))}\n`);
}
