/**
 * Putting the focus where people type next. Whatever moves the focus or the selection does both at once, in a layout
 * effect: after the paint somebody may have typed already, and the keys that follow would go elsewhere.
 */

import { useLayoutEffect, useRef } from "preact/hooks";

/** Focus a field with its text selected up to `end`: what is typed replaces that. */
export function focusSelected(field: HTMLInputElement | null | undefined, end = field?.value.length ?? 0): void {
  field?.focus();
  field?.setSelectionRange(0, end);
}

/**
 * Select what was sent once it is `refused`, unless somebody has gone on in the form meanwhile. What is given back
 * belongs to the form.
 */
export function useRetry(field: { current: HTMLInputElement | null }, refused: boolean) {
  const wentOn = useRef(false);
  useLayoutEffect(() => {
    if (refused && !wentOn.current) focusSelected(field.current);
  }, [refused]);
  const goOn = (): void => void (wentOn.current = true);
  return { onInput: goOn, onFocusIn: goOn, onSubmitCapture: () => void (wentOn.current = false) };
}
