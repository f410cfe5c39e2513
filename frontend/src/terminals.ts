/** All terminals of this page, and which message is for which of them. */

import { batch, computed, signal, type Signal } from "@preact/signals";
import type { Size, Whereabouts } from "./attachment";
import type { OutputFrame } from "./frames";
import type { ErrorMessage, ServerMessage, TerminalInfo } from "./protocol.gen";
import { Tab, type MakePane, type Wire } from "./tab";
import { cleanTitle } from "./titles";

const FALLBACK: Size = { cols: 80, rows: 24 };

export interface Surroundings {
  wire: Wire;
  makePane: MakePane;
  hint: (text: string) => void;
  /** The id of the terminal that was shown before the page was loaded again. */
  remembered?: string | null;
  /** The workspace whose terminals are shown; null is none. */
  workspace?: Signal<string | null>;
  /** Whether somebody can see the page: only then shells that were lost come back by themselves. */
  inSight?: () => boolean;
}

export class Terminals {
  readonly tabs = signal<Tab[]>([]);
  readonly active = signal<Tab | null>(null);
  readonly workspace: Signal<string | null>;
  /** The tabs of the workspace that is shown. */
  readonly shown = computed(() => this.tabs.value.filter((tab) => tab.workspace.value === this.workspace.value));
  /** Whether the server's list has come once: before that, "no terminals" means nothing. */
  readonly listed = signal(false);
  /** Why the last terminal could not be opened; null once another is asked for. */
  readonly refused = signal<string | null>(null);
  private readonly byChannel = new Map<number, Tab>();
  private lastChannel = 0;
  /** The tab that was shown last, of each workspace. */
  private readonly last = new Map<string | null, Tab>();
  /** Those that somebody else has removed: others may have come in their places. */
  private readonly removed = new Set<Tab>();

  constructor(private readonly around: Surroundings) {
    this.workspace = around.workspace ?? signal<string | null>(null);
  }

  /** A fresh socket: every tab takes its place again, the visible one first. */
  ready(): void {
    this.byChannel.clear();
    this.lastChannel = 0;
    for (const tab of this.tabs.value.filter((tab) => tab.attachment.terminal === null)) this.drop(tab);
    const active = this.active.value;
    const rest = this.tabs.value.filter((tab) => tab !== active && tab.phase.value !== "gone");
    if (active && active.phase.value !== "gone") this.attach(active);
    for (const tab of rest) this.attach(tab);
    this.around.wire.send({ type: "list" });
  }

  /** The socket is gone, and all channels with it. */
  lost(): void {
    this.byChannel.clear();
    batch(() => this.tabs.value.forEach((tab) => tab.lost()));
  }

  /** Let go of all tabs and of what they show; their programs run on. */
  forget(): void {
    this.byChannel.clear();
    this.last.clear();
    this.removed.clear();
    const tabs = this.tabs.value;
    batch(() => {
      this.tabs.value = [];
      this.active.value = null;
      this.listed.value = false;
      this.refused.value = null;
    });
    for (const tab of tabs) tab.dispose();
  }

  output(frame: OutputFrame): void {
    const tab = this.byChannel.get(frame.channel);
    if (tab?.output(frame) && tab !== this.active.value) tab.activity.value = true;
  }

  message(message: ServerMessage): void {
    if (message.type === "terminals") return batch(() => this.list(message.terminals));
    if (message.type === "notice") return this.around.hint(message.message);
    if (message.type === "error") return this.error(message);
    if (!("channel" in message)) return;
    const tab = this.byChannel.get(message.channel);
    if (message.type === "attached" && tab?.again.channel === message.channel) this.renewed(tab, message.channel);
    if (tab) batch(() => this.tell(tab, message));
  }

  /** A new terminal in the workspace that is shown; `cwd` is a directory in it. */
  open(cwd?: string): void {
    if (!this.around.wire.connected()) return this.around.hint("Not connected");
    this.refused.value = null;
    const workspace = this.workspace.value;
    const tab = this.add();
    tab.workspace.value = workspace;
    this.select(tab);
    const where = { ...(workspace === null ? {} : { workspace }), ...(cwd ? { cwd } : {}) };
    tab.open(this.number(tab), tab.pane.propose() ?? FALLBACK, where);
  }

  /** Start a program like it in the place of one that has ended. `alone`: nobody has asked for it. */
  startAgain(tab: Tab, alone = false): void {
    const { again, attachment, workspace } = tab;
    if (alone && !this.mayReturn(tab)) return again.later();
    if (!this.around.wire.connected()) return this.around.hint("Not connected");
    if (tab.readOnly.value) return this.around.hint("You may only look at this terminal");
    if (tab.ended.value === null || again.channel !== null) return;
    const gone = tab.phase.value === "gone" || attachment.terminal === null;
    const where: Whereabouts = {
      ...(workspace.value === null ? {} : { workspace: workspace.value }),
      ...(gone ? {} : { replaces: attachment.terminal }),
      // Somebody else may take what there is instead; by itself it comes back to where it was.
      ...(alone && workspace.value !== null && tab.driver !== null ? { driver: tab.driver } : {}),
    };
    const channel = this.number(tab);
    again.asked(channel, alone);
    this.around.wire.send({ type: "open", channel, ...(tab.pane.propose() ?? tab.size.value), ...where });
  }

  /** Something has changed, here or in a workspace: shells that were lost may be able to come back. */
  wake(workspace = this.workspace.value): void {
    for (const tab of this.tabs.value) if (tab.workspace.value === workspace && this.mayReturn(tab)) tab.again.now();
  }

  /** Nothing is started by itself that nobody would see. */
  private mayReturn(tab: Tab): boolean {
    const { wire, inSight = () => true } = this.around;
    return tab.workspace.value === this.workspace.value && wire.connected() && inSight();
  }

  /** Show the terminals of another workspace. */
  enter(workspace: string | null): void {
    if (workspace === this.workspace.value) return;
    const before = this.active.value;
    batch(() => {
      this.workspace.value = workspace;
      this.refused.value = null;
      this.active.value = null;
    });
    before?.pane.hide();
    const shown = this.shown.value;
    const last = this.last.get(workspace);
    const tab = last && shown.includes(last) ? last : shown.at(-1);
    if (tab) this.select(tab);
    this.wake();
  }

  /** End the program (if it runs) and forget the terminal. */
  close(tab: Tab): void {
    const channel = tab.attachment.channel;
    if (tab.phase.value === "detached") return this.around.hint("Not connected");
    for (const each of [channel, tab.again.channel]) {
      if (each !== null) this.around.wire.send({ type: "close", channel: each });
    }
    this.drop(tab);
  }

  rename(tab: Tab, title: string): void {
    const channel = tab.attachment.channel;
    if (channel === null) return this.around.hint("Not connected");
    this.around.wire.send({ type: "rename", channel, title: cleanTitle(title) });
  }

  select(tab: Tab): void {
    const before = this.active.value;
    this.last.set(tab.workspace.value, tab);
    batch(() => {
      this.active.value = tab;
      tab.activity.value = false;
    });
    if (before !== tab) before?.pane.hide();
    tab.pane.show();
    this.fit();
  }

  /** Select the tab `step` places further, going round. */
  step(step: number): void {
    const tabs = this.shown.value;
    const at = this.active.value ? tabs.indexOf(this.active.value) : 0;
    const tab = tabs[(at + step + tabs.length) % tabs.length];
    if (tab) this.select(tab);
  }

  /** Offer the place that the visible terminal has. */
  fit(): void {
    const tab = this.active.value;
    const size = tab?.pane.propose();
    if (tab && size) tab.offer(size);
  }

  /** Attach anew: the writer that attached last leads, so its size counts. */
  takeLead(tab: Tab): void {
    const channel = tab.attachment.channel;
    if (channel === null) return this.around.hint("Not connected");
    this.byChannel.delete(channel);
    this.around.wire.send({ type: "detach", channel });
    this.attach(tab);
  }

  private tell(tab: Tab, message: Exclude<ServerMessage, ErrorMessage>): void {
    switch (message.type) {
      case "attached":
        tab.attached(message);
        if (tab === this.active.value) this.enterWith(tab);
        break;
      case "output":
        this.output({ ...message, data: new TextEncoder().encode(message.data) });
        break;
      case "skipped":
        tab.skipped(message);
        break;
      case "resized":
        tab.resized(message);
        if (tab === this.active.value && !tab.lead.value) this.fit();
        break;
      case "title":
        tab.title.value = cleanTitle(message.title);
        break;
      case "viewers":
        tab.watched(message.viewers);
        if (tab === this.active.value) this.fit();
        break;
      case "exited":
        tab.exited(message);
        break;
      case "input_paused":
        tab.pauseInput();
        break;
      case "input_resumed":
        tab.resumeInput();
        break;
      case "detached":
        this.detached(tab, message.reason);
        break;
    }
  }

  /** The server may have put a new terminal into a workspace that nobody had named. */
  private enterWith(tab: Tab): void {
    this.workspace.value = tab.workspace.value;
    this.last.set(tab.workspace.value, tab);
    this.fit();
  }

  private detached(tab: Tab, reason: string): void {
    const channel = tab.attachment.channel;
    if (channel !== null) this.byChannel.delete(channel);
    if (reason === "closed") return this.wasRemoved(tab);
    tab.lost();
    if (reason === "revoked") tab.gone();
  }

  /** By somebody else. In the place of one that had ended another may run: the list says so. */
  private wasRemoved(tab: Tab): void {
    if (tab.again.channel !== null) return; // that is ours, which is just coming
    if (tab.ended.value === null) return this.drop(tab);
    tab.gone();
    tab.again.stop();
    this.removed.add(tab);
    this.around.wire.send({ type: "list" });
  }

  /** The answer to `startAgain`. */
  private renewed(tab: Tab, channel: number): void {
    if (tab.attachment.channel !== null) this.byChannel.delete(tab.attachment.channel);
    tab.renew(null);
    tab.attachment.answered(channel);
  }

  private error(message: ErrorMessage): void {
    const tab = message.channel == null ? undefined : this.byChannel.get(message.channel);
    if (tab && message.channel === tab.again.channel) return this.notAgain(tab, message);
    this.around.hint(message.message);
    if (tab?.phase.value === "opening") {
      this.refused.value = message.message;
      this.drop(tab);
    } else if (tab?.phase.value === "attaching") tab.gone();
  }

  private notAgain(tab: Tab, { code, message, channel }: ErrorMessage): void {
    this.byChannel.delete(channel ?? 0);
    if (!tab.again.alone) this.around.hint(message);
    tab.again.refused(code, message);
    // Somebody else was faster, and the old one went while we asked.
    if (code === "no_such_terminal") this.wasRemoved(tab);
  }

  /** Those in whose place others have come, elsewhere, show them now. */
  private follow(infos: TerminalInfo[]): void {
    const known = new Set(this.tabs.value.map((tab) => tab.attachment.terminal));
    for (const tab of this.tabs.value.filter((tab) => tab.ended.value !== null)) {
      const info = infos.find(({ id, replaces }) => replaces && replaces === tab.attachment.terminal && !known.has(id));
      if (!info) continue;
      if (tab.attachment.channel !== null) this.byChannel.delete(tab.attachment.channel);
      this.removed.delete(tab);
      tab.renew(info.id);
      tab.describe(info);
      this.attach(tab);
    }
    for (const tab of this.removed) this.drop(tab);
  }

  private list(infos: TerminalInfo[]): void {
    this.follow(infos);
    const known = new Set(this.tabs.value.map((tab) => tab.attachment.terminal));
    const fresh = infos.filter((info) => !known.has(info.id)).sort((one, other) => one.created - other.created);
    const first = !this.listed.value;
    this.listed.value = true;
    const added = fresh.map((info) => {
      const tab = this.add();
      tab.describe(info);
      return tab;
    });
    this.choose(first);
    const active = this.active.value;
    for (const tab of added) if (tab === active) this.attach(tab);
    for (const tab of added) if (tab !== active) this.attach(tab);
    if (first && this.tabs.value.length === 0) this.open();
  }

  private choose(first: boolean): void {
    if (this.active.value) return;
    const tabs = this.tabs.value;
    // Whoever has not chosen a workspace sees the one that they work in.
    const free = first && this.workspace.value === null;
    const remembered = (free ? tabs : first ? this.shown.value : []).find(
      (tab) => tab.attachment.terminal === this.around.remembered,
    );
    const tab = remembered ?? this.shown.value.at(-1) ?? (free ? tabs.at(-1) : undefined);
    if (!tab) return;
    this.workspace.value = tab.workspace.value;
    this.select(tab);
  }

  private add(): Tab {
    const { wire, makePane, hint } = this.around;
    const tab = new Tab(wire, makePane, hint, (ended, alone) => this.startAgain(ended, alone));
    this.tabs.value = [...this.tabs.value, tab];
    return tab;
  }

  private attach(tab: Tab): void {
    const visible = tab === this.active.value && tab.ended.value === null;
    tab.attach(this.number(tab), visible ? tab.pane.propose() : null);
  }

  /** A channel number that this socket has not seen. */
  private number(tab: Tab): number {
    const channel = ++this.lastChannel;
    this.byChannel.set(channel, tab);
    return channel;
  }

  private drop(tab: Tab): void {
    const at = this.shown.value.indexOf(tab);
    if (!this.tabs.value.includes(tab)) return;
    if (tab.attachment.channel !== null) this.byChannel.delete(tab.attachment.channel);
    if (tab.again.channel !== null) this.byChannel.delete(tab.again.channel);
    this.removed.delete(tab);
    batch(() => {
      this.tabs.value = this.tabs.value.filter((other) => other !== tab);
      if (this.active.value === tab) this.active.value = null;
    });
    tab.dispose();
    const rest = this.shown.value;
    const next = rest[Math.min(Math.max(0, at), rest.length - 1)];
    if (this.active.value === null && next) this.select(next);
  }
}
