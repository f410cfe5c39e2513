/** Everything the page holds, wired once. */

import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { Api, Refusal, socketAddress } from "./api";
import { goOn, invitationIn, leaveAfresh, refusalIn } from "./arrival";
import { Connection, SUBPROTOCOL, type State } from "./connection";
import { encodeInput } from "./frames";
import { exposeHandle } from "./handle";
import { Modifiers } from "./modifiers";
import { XtermPane, type Look } from "./pane";
import { inspectPaste, type Paste } from "./paste";
import { Panels } from "./panels";
import { Preferences } from "./preferences";
import { isDirectory } from "./files/calls";
import { nameOf, pathOf, type Place } from "./files/places";
import { cleanTitle } from "./titles";
import { Rest, type Me } from "./rest";
import { isNarrow } from "./screen";
import type { ServerMessage, User } from "./protocol.gen";
import type { Keys, Tab } from "./tab";
import type { OpenFile } from "./files/open_file";
import { Terminals } from "./terminals";
import { DARK, LIGHT } from "./themes";
import type { Dialog } from "./dialogs";
import { Workplace } from "./workplace";

const REMEMBERED = "webterm.terminal";
const HINT_MS = 5_000;
const FIT_MS = 80;
const INVITED = "You are signed in already, and an invitation makes another account.";

export class Page {
  readonly state = signal<State>({ kind: "idle" });
  /** Whose connection this is, by the server's word. */
  readonly user = signal<User | null>(null);
  /** The account behind it; null while it is not known, and where people sign in at a host application. */
  readonly me = signal<Me | null>(null);
  readonly latency = signal<number | null>(null);
  readonly hint = signal<string | null>(null);
  readonly link = signal<string | null>(null);
  readonly dialog = signal<Dialog | null>(null);
  readonly finding = signal(false);
  readonly panels = new Panels();
  readonly preferences = new Preferences();
  readonly modifiers = new Modifiers();
  readonly terminals: Terminals;
  readonly connection: Connection;
  private readonly api = new Api(() => this.connection.stop({ kind: "signed_out", reason: null }));
  readonly rest = new Rest(this.api);
  readonly work: Workplace;
  private readonly systemDark = signal(matchMedia("(prefers-color-scheme: dark)").matches);
  readonly dark = computed(() => {
    const choice = this.preferences.theme.value;
    return choice === "system" ? this.systemDark.value : choice === "dark";
  });
  /** Whether people sign in at a host application, and hence out there, too. */
  readonly hosted = signal(false);
  /** The tabs, from left to right. */
  readonly strip = computed<readonly (Tab | OpenFile)[]>(() => [
    ...this.terminals.shown.value,
    ...this.work.desk.shown.value,
  ]);
  /** What of them is shown. */
  readonly front = computed<Tab | OpenFile | null>(() => this.work.desk.front.value ?? this.terminals.active.value);
  /** Whether a panel lies over the terminals. */
  readonly covered = computed(() => this.panels.shown(this.me.value) !== null);
  private stage: HTMLElement | null = null;
  private drawn: Tab | OpenFile | null = null;
  private unfocused = false;
  private hintTimer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.work = new Workplace({
      api: this.api,
      rest: this.rest,
      send: (message) => this.connection.send(message),
      say: (text) => this.say(text),
      enter: (workspace) => this.enter(workspace),
    });
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
      workspace: this.work.workspaces.chosen,
      inSight: () => !document.hidden,
    });
    this.connection = new Connection(
      { open: () => new WebSocket(socketAddress(), SUBPROTOCOL), admitted: () => this.admitted() },
      {
        state: (state) => this.entered(state),
        ready: ({ user }) => goOn() || this.meet(user),
        message: (message) => this.hear(message),
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
    const awake = [this.connection, this.terminals];
    document.addEventListener("visibilitychange", () => document.hidden || awake.forEach((part) => part.wake()));
    this.work.open.value = this.preferences.files.value && !isNarrow();
    effect(() => void (isNarrow() || (this.preferences.files.value = this.work.open.value)));
    this.work.start();
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

  /** Where keys go when nothing else has them: the file in front, or the terminal. */
  focus(): void {
    this.unfocused = this.front.value !== this.drawn; // what is not in front yet cannot be focused
    const front = this.work.desk.front.value;
    if (front) front.focus();
    else this.pane?.focus();
  }

  /** What is in front has been drawn. */
  drew(front: Tab | OpenFile | null): void {
    this.drawn = front;
    if (this.unfocused) this.focus();
  }

  /** Take a terminal, or an open file, to the front; `enter` says whether keys go to it from now on. */
  select(item: Tab | OpenFile, enter = true): void {
    if ("pane" in item) {
      this.work.desk.show(null);
      this.terminals.select(item);
    } else this.work.desk.show(item);
    if (enter) this.focus();
  }

  /** The tab `step` places further, going round: terminals first, then files. */
  step(step: number, enter = true): void {
    const items = this.strip.value;
    const at = items.findIndex((item) => item === this.front.value);
    const item = items[(Math.max(0, at) + step + items.length) % items.length];
    if (item) this.select(item, enter);
  }

  /** Show another workspace: its terminals, its files. */
  enter(workspace: string | null): void {
    this.terminals.enter(workspace);
    this.finding.value = false;
  }

  /** Show the files beside the terminals, or hide them. */
  toggleFiles(): void {
    const { open } = this.work;
    open.value = !open.value;
    if (open.value) void this.work.load(); // somebody may have shared a workspace meanwhile
    else this.focus();
  }

  /** A new terminal, ready to type in; `cwd` is a directory of the workspace. */
  open(cwd?: string): void {
    this.work.desk.show(null);
    this.terminals.open(cwd);
    this.focus();
  }

  /** Open a file for editing; where the files lie over everything, they make room. */
  openFile(place: Place, line: number | null = null): void {
    this.work.desk.open(place, line);
    this.makeRoom();
    this.focus();
  }

  /** Where the files lie over everything, hide them. */
  makeRoom(): void {
    if (isNarrow()) this.work.open.value = false;
  }

  /** Open what a search has found: a file at its line, a directory in the tree. */
  async openFound(place: Place, line: number | null): Promise<void> {
    const { shelf } = this.work;
    await shelf.value?.tree.reveal(place);
    const entry = shelf.value?.tree.entry(place);
    if (line !== null || !entry || !isDirectory(entry)) return this.openFile(place, line);
    if (shelf.value) shelf.value.searching.value = false;
    await shelf.value?.tree.open(place);
  }

  /** A new terminal in a directory of the workspace. */
  openHere(directory: Place): void {
    this.makeRoom();
    this.open(pathOf(directory) || undefined);
  }

  /** Close a file; changes that are not saved are asked about first. */
  closeFile(file: OpenFile): void {
    if (file.dirty.value) this.dialog.value = { kind: "close_file", file };
    else this.work.desk.close(file);
    if (!this.dialog.value) this.focus();
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
    this.focus();
  }

  closePanel(): void {
    this.panels.close();
    this.focus();
  }

  /**
   * Make a call that signs out here, and `go`. It is the fresh page that shows the way in: here the form would be gone
   * while somebody types into it already. Throws `Refusal`.
   */
  async signOut(call: () => Promise<unknown>, go = leaveAfresh): Promise<void> {
    const idle: State = { kind: "idle" };
    this.connection.stop(idle);
    try {
      await call();
    } catch (error) {
      if (this.state.value === idle) this.connection.connect();
      throw error;
    }
    this.putAway();
    go();
  }

  /** Ask who is signed in here, and what the account may do. */
  async learn(): Promise<void> {
    try {
      const me = await this.rest.me();
      if (me.id !== this.user.value?.id) return;
      this.hosted.value = me.alias === 0;
      this.me.value = this.hosted.value ? null : me;
    } catch (error) {
      // A connection that is no longer good ends by itself; all else is as good as not knowing.
      const wait = error instanceof Refusal ? error.retryAfter : null;
      if (wait !== null) setTimeout(() => void this.learn(), wait * 1000);
    }
  }

  /** Whether the server would let us in. False only when it says so: being unreachable is no reason to sign in. */
  private async admitted(): Promise<boolean> {
    try {
      const me = await this.rest.me();
      if (this.user.value && this.user.value.id !== me.id) this.putAway(); // signed in anew, in another tab
      return true;
    } catch (error) {
      return !(error instanceof Refusal && error.status === 401);
    }
  }

  private hear(message: ServerMessage): void {
    if (!this.work.message(message)) this.terminals.message(message);
    if (message.type === "runtime" && ["ready", "absent"].includes(message.state)) this.terminals.wake(message.workspace);
  }

  private meet(user: User): void {
    if (this.user.value && this.user.value.id !== user.id) this.putAway();
    this.user.value = user;
    this.answerLink();
    void this.learn();
    this.terminals.ready();
    this.work.ready();
  }

  /** What a link asked for that only means something to somebody who is not signed in, or went wrong. */
  private answerLink(): void {
    const invited = invitationIn(location.search) !== null;
    const text = invited ? INVITED : refusalIn(location.search);
    if (text) this.dialog.value = { kind: "link", text, invited };
  }

  /** Nothing of the person who was here may be seen by the next. */
  private putAway(): void {
    this.terminals.forget();
    this.work.forget();
    batch(() => {
      this.user.value = this.me.value = this.dialog.value = this.hint.value = this.link.value = null;
      this.finding.value = false;
    });
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
    this.work.entered(state);
    if (state.kind === "open") return;
    this.latency.value = null;
    this.terminals.lost();
    if (state.kind === "signed_out") this.putAway();
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
    void this.front.value;
    const idle = document.activeElement === document.body || document.activeElement === null;
    if (idle && !matchMedia("(pointer: coarse)").matches) this.focus();
  }

  private remember(): void {
    const tab = this.terminals.active.value;
    const named = tab && tab.phase.value === "attached" ? tab.attachment.terminal : null;
    if (named) sessionStorage.setItem(REMEMBERED, named);
    const file = this.work.desk.front.value;
    const title = file ? `${file.dirty.value ? "• " : ""}${cleanTitle(nameOf(file.place.value))}` : tab?.title.value;
    document.title = title ? `${title} – webterm` : "webterm";
  }
}
