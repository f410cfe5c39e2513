/** How much room the screen has. */

/** Whether there is no room for the files beside the terminals, so that they lie over them. */
export function isNarrow(): boolean {
  return matchMedia("(max-width: 700px)").matches;
}
