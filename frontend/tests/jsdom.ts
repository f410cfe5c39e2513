/** jsdom draws nothing, and has neither media queries nor dialogs; xterm.js and the page ask for them. Import this first. */

window.matchMedia ??= () => Object.assign(new EventTarget(), { matches: false, addListener() {}, removeListener() {} }) as unknown as MediaQueryList;
HTMLCanvasElement.prototype.getContext = () => null;
Element.prototype.scrollIntoView ??= () => undefined;
HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) {
  this.open = true;
};
HTMLDialogElement.prototype.close ??= function (this: HTMLDialogElement) {
  this.open = false;
};

export function emptyPage(): HTMLElement {
  document.body.replaceChildren(document.createElement("div"));
  return document.body.firstElementChild as HTMLElement;
}
