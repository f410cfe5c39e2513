/**
 * One file that is open for editing: what is on the disk, what is in the editor, and what to do when both have changed.
 *
 *     loading ──▶ text             any of them but text can be tried again by `load`
 *             ├─▶ large  (asks)  ──▶ text
 *             ├─▶ too_large, binary, failed
 *
 * The tag of what was read is what a save expects to find. A file that changes on the disk is taken at once where nothing
 * would be lost; otherwise `news` says so, and a save that finds another tag makes a `conflict` that people decide about.
 */

import { batch, signal } from "@preact/signals";
import { isConflict, isMissing, type Content, type Entry, type Expected } from "./calls";
import { nameOf, parentOf, type Place } from "./places";
import { bytesFor, looksBinary, textIn, type Text } from "./texts";
import type { Hear, News, Watcher } from "./watches";

export const LARGE = 2 * 1024 * 1024;
export const TOO_LARGE = 16 * 1024 * 1024;

export type Phase = "loading" | "text" | "large" | "too_large" | "binary" | "failed";

/** What shows the text, in the page an editor. */
export interface Sheet {
  text(): string;
  focus(): void;
  /** Show another text; the cursor and what is in sight stay where they are. */
  replace(text: string): void;
  dispose(): void;
}

/** What is on the disk and is not what was read; null where there is no file any more. */
export type Theirs = { tag: string; text: Text } | null;

export interface Disk {
  stat(place: Place): Promise<Entry>;
  head(place: Place): Promise<Content>;
  read(place: Place): Promise<Content>;
  write(place: Place, bytes: Uint8Array<ArrayBuffer>, expected: Expected): Promise<Entry>;
  watch(place: Place, hear: Hear): Watcher;
}

let keys = 0;

export class OpenFile {
  readonly key = `file-${++keys}`;
  readonly place = signal<Place>("");
  readonly phase = signal<Phase>("loading");
  readonly problem = signal<string | null>(null);
  readonly entry = signal<Entry | null>(null);
  readonly dirty = signal(false);
  readonly saving = signal(false);
  /** What happened on the disk while there were changes of one's own. */
  readonly news = signal<"changed" | "gone" | null>(null);
  /** The line that is to be shown once, counted from 1. */
  readonly goal = signal<number | null>(null);
  readonly conflict = signal<{ theirs: Theirs } | null>(null);
  /** Given by `begin`. */
  sheet: Sheet | null = null;
  /** What was read or saved last. */
  private saved: Text = { text: "", ending: "\n", marked: false };
  private tag: string | null = null;
  private watcher: Watcher | null = null;
  private checking = false;
  private again = false;
  private over = false;
  private wantsFocus = false;

  constructor(
    readonly workspace: string,
    place: Place,
    private readonly disk: Disk,
  ) {
    this.place.value = place;
  }

  get name(): string {
    return nameOf(this.place.value);
  }

  /** What the editor starts with. */
  get text(): string {
    return this.saved.text;
  }

  get lineEnding(): Text["ending"] {
    return this.saved.ending;
  }

  /** Read it, and look after it from then on. `large`: people have said yes to that. */
  async load(large = false): Promise<void> {
    this.phase.value = "loading";
    this.follow();
    try {
      await this.watcher?.begun;
      const head = await this.disk.head(this.place.value);
      if (this.over) return;
      this.entry.value = head.entry;
      const phase = verdict(head, large);
      if (phase !== "text") return void (this.phase.value = phase);
      const content = head.bytes.length >= head.entry.size ? head : await this.disk.read(this.place.value);
      if (!this.over) this.take(content);
    } catch (error) {
      if (this.over) return;
      this.problem.value = said(error);
      this.phase.value = "failed";
    }
  }

  focus(): void {
    if (this.sheet) this.sheet.focus();
    else this.wantsFocus = true;
  }

  /** The editor is there. */
  begin(sheet: Sheet): void {
    this.sheet = sheet;
    if (this.wantsFocus) sheet.focus();
    this.wantsFocus = false;
  }

  /** The editor's text has changed. */
  edited(): void {
    this.dirty.value = this.sheet !== null && this.sheet.text() !== this.saved.text;
  }

  /**
   * Save; returns whether what was in the editor is on the disk now. Throws `Refusal` for all but a conflict, which is
   * `conflict` afterwards. `over`: save whatever has happened to the file, but only as far as `conflict` knows of it.
   */
  async save(over?: { theirs: Theirs }): Promise<boolean> {
    if (!this.sheet || this.saving.value) return false;
    const text: Text = { ...this.saved, text: this.sheet.text() };
    this.saving.value = true;
    try {
      const expected = over ? (over.theirs?.tag ?? null) : this.tag;
      const entry = await this.disk.write(this.place.value, bytesFor(text), expected);
      this.settle(text, entry);
      return true;
    } catch (error) {
      if (!isConflict(error) && !isMissing(error)) throw error;
      await this.confront();
      return false;
    } finally {
      this.saving.value = false;
      if (this.again) void this.check();
    }
  }

  /** Have people decide between what is on the disk and what is in the editor. Throws `Refusal`. */
  async confront(): Promise<void> {
    const theirs = await this.look();
    batch(() => {
      this.news.value = theirs ? "changed" : "gone";
      this.conflict.value = { theirs };
    });
  }

  /** Give up what is in the editor for what is on the disk. */
  takeTheirs(theirs: Theirs): void {
    if (theirs) this.show(theirs.text, theirs.tag);
  }

  /** What is on the disk now. Throws `Refusal`. */
  async look(): Promise<Theirs> {
    try {
      const { entry, bytes } = await this.disk.read(this.place.value);
      return { tag: entry.tag, text: textIn(bytes) ?? { text: "(binary)", ending: "\n", marked: false } };
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /** It has another name now. */
  renamed(place: Place): void {
    this.place.value = place;
    this.follow();
    void this.check();
  }

  /** The person has seen the news and goes on. */
  dismiss(): void {
    this.news.value = null;
  }

  close(): void {
    this.over = true;
    this.watcher?.stop();
    this.sheet?.dispose();
    this.sheet = null;
  }

  private follow(): void {
    this.watcher?.stop();
    this.watcher = this.disk.watch(parentOf(this.place.value), (news) => this.hear(news));
  }

  private hear(news: News): void {
    if (news.places === null || news.places.has(this.place.value)) void this.check();
  }

  /** Whether the file is what was read. One look at a time; none while it is being saved. */
  private async check(): Promise<void> {
    if (this.over || this.phase.value === "loading") return;
    if (this.checking || this.saving.value) return void (this.again = true);
    this.checking = true;
    try {
      do {
        this.again = false;
        await this.compare();
      } while (this.again && !this.saving.value);
    } catch {
      // Refused or not connected: the next change, or the next socket, brings another look.
    } finally {
      this.checking = false;
    }
  }

  private async compare(): Promise<void> {
    if (this.phase.value !== "text") {
      const entry = await this.disk.stat(this.place.value);
      if (entry.tag !== this.entry.value?.tag && this.phase.value !== "large") await this.load();
      return;
    }
    const content = await this.disk.read(this.place.value).catch((error: unknown) => {
      if (isMissing(error)) return null;
      throw error;
    });
    if (this.over || this.saving.value || this.place.value !== (content?.entry.place ?? this.place.value)) return;
    if (content === null) this.news.value = "gone";
    else if (content.entry.tag !== this.tag) this.meet(content);
    else if (this.news.value === "gone") this.news.value = null;
  }

  /** Another content than what was read. */
  private meet(content: Content): void {
    const text = textIn(content.bytes);
    if (text && same(text, this.saved)) return this.settle(this.saved, content.entry); // touched, and nothing else
    if (!this.dirty.value) return this.take(content);
    if (text && this.sheet && text.text === this.sheet.text()) return this.settle(text, content.entry);
    this.news.value = "changed";
  }

  private take({ entry, bytes }: Content): void {
    const text = textIn(bytes);
    this.entry.value = entry;
    if (text) return this.show(text, entry.tag);
    this.phase.value = "binary";
  }

  private show(text: Text, tag: string): void {
    this.saved = text;
    this.tag = tag;
    this.sheet?.replace(text.text);
    batch(() => {
      this.phase.value = "text";
      this.dirty.value = false;
      this.news.value = this.problem.value = this.conflict.value = null;
    });
  }

  private settle(text: Text, entry: Entry): void {
    this.saved = text;
    this.tag = entry.tag;
    batch(() => {
      this.entry.value = entry;
      this.news.value = this.conflict.value = null;
      this.edited(); // somebody may have typed on meanwhile
    });
  }
}

function verdict({ entry, bytes }: Content, large: boolean): Phase {
  if (looksBinary(bytes)) return "binary";
  if (entry.size > TOO_LARGE) return "too_large";
  return entry.size > LARGE && !large ? "large" : "text";
}

function same(one: Text, other: Text): boolean {
  return one.text === other.text && one.ending === other.ending && one.marked === other.marked;
}

function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
