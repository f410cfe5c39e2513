/** What is typed into a search field, told when the typing pauses. */

const PAUSE_MS = 250;

export class Pause {
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Call `then` once nothing else has come for a moment. */
  after(then: () => void): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(then, PAUSE_MS);
  }
}
