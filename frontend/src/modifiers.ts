/** Ctrl and Alt for the next key, as keyboards on a screen have none. */

import { signal } from "@preact/signals";

const ESC = 0x1b;

export class Modifiers {
  readonly ctrl = signal(false);
  readonly alt = signal(false);

  apply(data: Uint8Array): Uint8Array {
    const { ctrl, alt } = this;
    if (data.length === 0 || (!ctrl.value && !alt.value)) return data;
    let bytes = [...data];
    const key = bytes[0];
    if (ctrl.value && bytes.length === 1 && key !== undefined) bytes = [control(key)];
    if (alt.value && key !== ESC) bytes = [ESC, ...bytes];
    ctrl.value = alt.value = false;
    return Uint8Array.from(bytes);
  }
}

/** What Ctrl makes of an ASCII character: `c` gives 3, space gives 0, `?` gives DEL. */
function control(key: number): number {
  if (key === 0x3f) return 0x7f;
  if (key === 0x20) return 0;
  const upper = key >= 0x61 && key <= 0x7a ? key - 0x20 : key;
  return upper >= 0x40 && upper <= 0x5f ? upper & 0x1f : key;
}
