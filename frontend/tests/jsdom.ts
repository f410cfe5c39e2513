/** jsdom draws nothing and has no media queries; xterm.js asks for both. Import this before xterm.js. */

window.matchMedia ??= () => Object.assign(new EventTarget(), { matches: false, addListener() {}, removeListener() {} }) as unknown as MediaQueryList;
HTMLCanvasElement.prototype.getContext = () => null;

export function emptyPage(): HTMLElement {
  document.body.replaceChildren(document.createElement("div"));
  return document.body.firstElementChild as HTMLElement;
}
