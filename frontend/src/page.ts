/** Everything the page holds, wired once. */

import { computed, effect, signal, untracked } from "@preact/signals";
import { Connection, SUBPROTOCOL, type State } from "./connection";
import { encodeInput } from "./frames";
import { exposeHandle } from "./handle";
import { Modifiers } from "./modifiers";
import { XtermPane, type Look } from "./pane";
import { inspectPaste, type Paste } from "./paste";
import { Preferences } from "./preferences";
import { amSignedIn } from "./sign_in";
import type { Keys, Tab } from "./tab";
import { Terminals } from "./terminals";
import { DARK, LIGHT } from "./themes";

const REMEMBERED = "webterm.terminal";
const HINT_MS = 5_000;
const FIT_MS = 80;

export type Dialog =
  | { kind: "paste"; tab: Tab; paste: Paste }
  | { kind: "close"; tab: Tab }
  | { kind: "help" };

export class Page {
  readonly state = signal<State>({ kind: "idle" });
  readonly user = signal("");
  readonly latency = signal<number | null>(null);
  readonly hint = signal<string | null>(null);
  readonly link = signal<string | null>(null);
  readonly dialog = signal<Dialog | null>(null);
  readonly finding = signal(false);
  readonly preferences = new Preferences();
  readonly modifiers = new Modifiers();
  readonly terminals: Terminals;
  readonly connection: Connection;
  private readonly systemDark = signal(matchMedia("(prefers-color-scheme: dark)").matches);
  readonly dark = computed(() => {
    const choice = this.preferences.theme.value;
    return choice === "system" ? this.systemDark.value : choice === "dark";
  });
  private stage: HTMLElement | null = null;
  private hintTimer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.terminals = new Terminals({
      wire: {
        connected: () => this.connection.state.kind === "open",
        send: (message) => this.connection.send(message),
        input: (channel, data) => this.connection.send(encodeInput(channel, data)),
        fence: (done) => this.connection.ping(done),
      },
      makePane: (keys) => this.makePane(keys),
      hint: (text) => this.say(text),
      remembered: sessionStorage.getItem(REMEMBERED),
    });
    this.connection = new Connection(
      { open: () => new WebSocket(socketAddress(), SUBPROTOCOL), admitted: amSignedIn },
      {
        state: (state) => this.entered(state),
        ready: (message) => {
          this.user.value = message.user.name;
          this.terminals.ready();
        },
        message: (message) => this.terminals.message(message),
        output: (frame) => this.terminals.output(frame),
        latency: (ms) => (this.latency.value = ms),
      },
    );
  }

  /** Begin, once the element that holds the terminals is there. */
  start(stage: HTMLElement): void {
    this.stage = stage;
    let timer: ReturnType<typeof setTimeout> | undefined;
    new ResizeObserver(() => {
      clearTimeout(timer);
      timer = setTimeout(() => this.terminals.fit(), FIT_MS);
    }).observe(stage);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
      this.systemDark.value = event.matches;
    });
    effect(() => this.dress());
    effect(() => this.remember());
    effect(() => this.focusNewest());
    addEventListener("online", () => this.connection.wake());
    addEventListener("pageshow", (event) => event.persisted && this.connection.wake());
    document.addEventListener("visibilitychange", () => !document.hidden && this.connection.wake());
    exposeHandle(this.terminals);
    this.connection.connect();
  }

  get pane(): XtermPane | null {
    const pane = this.terminals.active.value?.pane;
    return pane instanceof XtermPane ? pane : null;
  }

  say(text: string): void {
    clearTimeout(this.hintTimer);
    this.hint.value = text;
    this.hintTimer = setTimeout(() => (this.hint.value = null), HINT_MS);
  }

  select(tab: Tab): void {
    this.terminals.select(tab);
    tab.pane.focus();
  }

  /** A new terminal, ready to type in. */
  open(): void {
    this.terminals.open();
    this.pane?.focus();
  }

  /** Close a tab; a running program is asked about first. */
  close(tab: Tab): void {
    const runs = tab.ended.value === null && tab.phase.value !== "gone";
    if (runs) this.dialog.value = { kind: "close", tab };
    else this.terminals.close(tab);
  }

  paste(text: string): void {
    const tab = this.terminals.active.value;
    const paste = inspectPaste(text);
    if (!tab || !paste.text) return;
    if (paste.reasons.length > 0) this.dialog.value = { kind: "paste", tab, paste };
    else this.deliver(tab, paste);
  }

  deliver(tab: Tab, paste: Paste): void {
    if (tab.pane instanceof XtermPane) tab.pane.terminal.paste(paste.text);
    tab.pane.focus();
  }

  async pasteFromClipboard(): Promise<void> {
    try {
      this.paste(await navigator.clipboard.readText());
    } catch {
      this.say("The browser does not hand out the clipboard here: use its own paste key");
    }
  }

  copy(): void {
    const text = this.pane?.terminal.getSelection();
    if (!text) return this.say("Nothing is selected");
    const done = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error("no clipboard"));
    done.catch(() => document.execCommand("copy") || this.say("The browser refused to copy"));
  }

  closeDialog(): void {
    this.dialog.value = null;
    this.pane?.focus();
  }

  private makePane(keys: Keys): XtermPane {
    if (!this.stage) throw new Error("no place for a terminal yet");
    const typed: Keys = { input: (data) => keys.input(this.modifiers.apply(data)), answer: (data) => keys.answer(data) };
    return new XtermPane(this.stage, this.look(), typed, {
      paste: (text) => this.paste(text),
      link: (href) => (this.link.value = href),
    });
  }

  private entered(state: State): void {
    this.state.value = state;
    if (state.kind === "open") return;
    this.latency.value = null;
    this.terminals.lost();
  }

  private look(): Look {
    return {
      theme: this.dark.value ? DARK : LIGHT,
      fontSize: this.preferences.fontSize.value,
      screenReaderMode: this.preferences.screenReader.value,
    };
  }

  private dress(): void {
    const look = this.look();
    document.documentElement.dataset.theme = this.dark.value ? "dark" : "light";
    // Fitting reads and writes much that this effect must not follow.
    untracked(() => {
      for (const tab of this.terminals.tabs.value) if (tab.pane instanceof XtermPane) tab.pane.look(look);
      this.terminals.fit();
    });
  }

  /** Whatever had the focus may have gone with a tab; on a phone a focus would bring up the keyboard. */
  private focusNewest(): void {
    const pane = this.terminals.active.value?.pane;
    const idle = document.activeElement === document.body || document.activeElement === null;
    if (idle && !matchMedia("(pointer: coarse)").matches) pane?.focus();
  }

  private remember(): void {
    const tab = this.terminals.active.value;
    const named = tab && tab.phase.value === "attached" ? tab.attachment.terminal : null;
    if (named) sessionStorage.setItem(REMEMBERED, named);
    const title = tab?.title.value;
    document.title = title ? `${title} – webterm` : "webterm";
  }
}

/** `{prefix}/ws`, whatever the prefix: the page is served at `{prefix}/`. */
function socketAddress(): string {
  const url = new URL("ws", new URL(".", document.baseURI));
  url.protocol = url.protocol.replace("http", "ws");
  url.search = url.hash = "";
  return url.href;
}
