/** xterm.js, set up for one tab, and the element around it. */

import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal, type ITheme } from "@xterm/xterm";
import { listen } from "./answers";
import type { Size } from "./attachment";
import { ignoreHugeCounts } from "./counts";
import { allowedLink, openLink } from "./links";
import type { Keys, Pane } from "./tab";
import { scrollByTouch } from "./touch";

export const FONT = "ui-monospace, 'Cascadia Mono', 'JetBrains Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace";
const SCROLLBACK = 5_000;

export interface Look {
  theme: ITheme;
  fontSize: number;
  screenReaderMode: boolean;
}

export interface PaneEvents {
  paste(text: string): void;
  /** The address under the pointer, or null. */
  link(href: string | null): void;
}

export class XtermPane implements Pane {
  readonly terminal: Terminal;
  readonly emulator: Terminal;
  readonly search = new SearchAddon();
  private readonly fit = new FitAddon();
  // Cells are measured with an error that depends on the current size; asking again could swing between two sizes.
  private proposal: { place: string; size: Size } | null = null;
  private readonly element = document.createElement("div");

  constructor(stage: HTMLElement, look: Look, keys: Keys, events: PaneEvents) {
    this.terminal = this.emulator = new Terminal(options(look, events));
    this.terminal.loadAddon(new UnicodeGraphemesAddon());
    this.terminal.unicode.activeVersion = "15-graphemes"; // before anything is written
    this.terminal.loadAddon(this.fit);
    this.terminal.loadAddon(this.search);
    this.terminal.loadAddon(new WebLinksAddon((_, text) => openLink(text), linkHints(events)));
    listen(this.terminal, keys);
    ignoreHugeCounts(this.terminal.parser);
    this.element.className = "pane";
    this.element.hidden = true;
    this.element.addEventListener("paste", (event) => paste(event, events), true);
    stage.append(this.element);
    this.terminal.open(this.element);
    scrollByTouch(this.element, this.terminal);
  }

  show(): void {
    this.element.hidden = false;
  }

  hide(): void {
    this.element.hidden = true;
  }

  focus(): void {
    this.terminal.focus();
  }

  propose(): Size | null {
    if (this.element.hidden) return null;
    const { clientWidth, clientHeight } = this.element;
    const place = `${clientWidth} ${clientHeight} ${devicePixelRatio} ${this.terminal.options.fontSize}`;
    if (place === this.proposal?.place) return this.proposal.size;
    const size = this.fit.proposeDimensions();
    if (!size || !(size.cols > 1 && size.rows > 0)) return null;
    this.proposal = { place, size };
    return size;
  }

  /** Leave so many pixels free below it. */
  leaveBelow(pixels: number): void {
    this.element.style.bottom = `${pixels}px`;
    if (pixels > 0) this.element.scrollTop = this.element.scrollHeight;
  }

  scrollable(on: boolean): void {
    const before = this.element.classList.contains("scrollable");
    this.element.classList.toggle("scrollable", on);
    if (on && !before) this.element.scrollTop = this.element.scrollHeight; // where the prompt is
  }

  look(look: Look): void {
    Object.assign(this.terminal.options, look);
  }

  /** The text of the visible screen, one line per row. */
  screen(): string {
    const buffer = this.terminal.buffer.active;
    const rows = Array.from({ length: this.terminal.rows }, (_, row) =>
      buffer.getLine(buffer.baseY + row)?.translateToString(true, 0, this.terminal.cols),
    );
    return rows.join("\n");
  }

  dispose(): void {
    this.terminal.dispose();
    this.element.remove();
  }
}

function options(look: Look, events: PaneEvents): ConstructorParameters<typeof Terminal>[0] {
  return {
    ...look,
    allowProposedApi: true, // the search addon's marks and the unicode addon need it
    fontFamily: FONT,
    lineHeight: 1.15,
    scrollback: SCROLLBACK,
    cursorBlink: false,
    macOptionClickForcesSelection: true,
    minimumContrastRatio: 1,
    windowOptions: {}, // a program may neither move this window nor ask about it
    linkHandler: {
      allowNonHttpProtocols: true, // our own rule decides
      activate: (_, text) => openLink(text),
      ...linkHints(events),
    },
  };
}

function linkHints(events: PaneEvents): { hover: (event: MouseEvent, text: string) => void; leave: () => void } {
  return {
    hover: (_, text) => events.link(allowedLink(text) ?? "This link may not be opened"),
    leave: () => events.link(null),
  };
}

function paste(event: ClipboardEvent, events: PaneEvents): void {
  event.preventDefault();
  event.stopPropagation();
  events.paste(event.clipboardData?.getData("text/plain") ?? "");
}
