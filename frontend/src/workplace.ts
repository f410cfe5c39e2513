/** Workspaces and files on the page, wired once: what is chosen, what is listed, what is open, what is under way. */

import { effect, signal, untracked } from "@preact/signals";
import { Refusal, type Api } from "./api";
import type { State } from "./connection";
import { FileCalls } from "./files/calls";
import { Desk } from "./files/desk";
import type { OpenFile, Disk } from "./files/open_file";
import { Shelf } from "./files/shelf";
import { Transfers } from "./files/transfers";
import type { Notebook } from "./files/uploads";
import { Watches } from "./files/watches";
import type { ClientMessage, ServerMessage } from "./protocol.gen";
import { Requests, type AnswerOf, type Question } from "./requests";
import type { Rest } from "./rest";
import { Runs } from "./runtimes/runs";
import { Workspaces } from "./workspaces";

const CHOSEN = "webterm.workspace";
const UPLOADS = "webterm.uploads";
/** Refusals that say that a right has ended or changed. */
const RIGHTS = new Set(["no_such_workspace", "read_only"]);

export interface Surroundings {
  api: Api;
  rest: Rest;
  send(message: ClientMessage): boolean;
  say(text: string): void;
  /** Show the terminals of another workspace. */
  enter(workspace: string | null): void;
}

export class Workplace {
  readonly requests: Requests;
  readonly calls: FileCalls;
  readonly watches: Watches;
  readonly transfers = new Transfers();
  readonly workspaces: Workspaces;
  readonly desk: Desk;
  readonly runs: Runs;
  /** The files of the chosen workspace, while they are shown. */
  readonly shelf = signal<Shelf | null>(null);
  /** Whether the files are shown. */
  readonly open = signal(false);

  constructor(private readonly around: Surroundings) {
    this.requests = new Requests(around.send);
    this.calls = new FileCalls(this.requests, around.api);
    this.watches = new Watches({
      watch: (question) => this.watch(question),
      unwatch: (watch) => void around.send({ type: "unwatch", watch }),
    });
    this.workspaces = new Workspaces(around.rest, (workspace) => this.gone(workspace));
    this.workspaces.chosen.value = stored(CHOSEN);
    const { rest, send } = around;
    this.runs = new Runs({ rest, send, requests: this.requests, workspaces: this.workspaces });
    this.desk = new Desk(this.workspaces.chosen, (workspace) => this.disk(workspace));
  }

  /** Begin to follow what is chosen. */
  start(): void {
    effect(() => this.stock());
    effect(() => void this.workspaces.meet()); // the server may choose, too
    this.runs.begin();
    effect(() => store(CHOSEN, this.workspaces.chosen.value));
    // What is let go beside the files would take the page's place.
    for (const type of ["dragover", "drop"] as const) {
      addEventListener(type, (event) => {
        if (event.defaultPrevented || !event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        event.dataTransfer.dropEffect = "none";
      });
    }
    addEventListener("beforeunload", (event) => {
      if (this.desk.dirty.value || this.transfers.all.value.some((one) => one.unfinished)) event.preventDefault();
    });
  }

  /** Whether the message was for somebody here. */
  message(message: ServerMessage): boolean {
    if (message.type === "file_changed") this.watches.message(message);
    else return this.runs.message(message) || this.requests.take(message);
    return true;
  }

  /** A fresh socket. */
  ready(): void {
    this.watches.ready();
    this.runs.ready();
    this.transfers.resumeAll();
    void this.load();
  }

  entered(state: State): void {
    if (state.kind === "open") return;
    this.watches.lost();
    this.runs.lost();
    this.requests.lost();
  }

  choose(workspace: string | null): void {
    this.around.enter(workspace);
  }

  async load(): Promise<void> {
    try {
      await this.workspaces.load();
    } catch (error) {
      this.around.say(error instanceof Error ? error.message : String(error));
    }
  }

  /** Nothing of the person who was here may be seen by the next. */
  forget(): void {
    this.transfers.dispose();
    this.runs.forget();
    this.desk.forget();
    this.workspaces.forget();
    this.watches.clear();
    store(UPLOADS, null);
  }

  /** Save; what is refused is said. Returns whether it is saved now. */
  async save(file: OpenFile): Promise<boolean> {
    try {
      return await file.save();
    } catch (error) {
      this.around.say(`${file.name} is not saved: ${reasonOf(error)}`);
      if (error instanceof Refusal && RIGHTS.has(error.code)) void this.load();
      return false;
    }
  }

  /** The files that are shown are those of the chosen workspace. */
  private stock(): void {
    const workspace = this.open.value ? this.workspaces.chosen.value : null;
    untracked(() => {
      if (this.shelf.value?.workspace === workspace) return;
      this.shelf.value?.dispose();
      this.shelf.value = workspace === null ? null : this.shelve(workspace);
    });
  }

  private shelve(workspace: string): Shelf {
    const { calls, watches, transfers } = this;
    const renamed = this.desk.moved.bind(this.desk, workspace);
    return new Shelf(workspace, { calls, watches, transfers, renamed, notes, api: this.around.api });
  }

  /** A watch that is refused is how one learns of rights that have ended while nothing was done. */
  private async watch(question: Question): Promise<AnswerOf<"watching">> {
    try {
      return await this.requests.ask(question, "watching");
    } catch (error) {
      if (error instanceof Refusal && RIGHTS.has(error.code)) void this.load();
      throw error;
    }
  }

  private disk(workspace: string): Disk {
    const { calls, watches } = this;
    return {
      stat: (place) => calls.stat(workspace, place),
      head: (place) => calls.head(workspace, place),
      read: (place) => calls.read(workspace, place),
      write: (place, bytes, expected) => calls.write(workspace, place, bytes, expected),
      watch: (place, hear) => watches.watch(workspace, place, hear),
    };
  }

  /** The chosen workspace has been deleted, or may not be seen any more. */
  private gone(workspace: string): void {
    const files = this.desk.files.value.filter((file) => file.workspace === workspace);
    if (files.some((file) => file.dirty.value)) {
      return this.around.say("This workspace is no longer there. What is not saved can still be copied from here.");
    }
    for (const file of files) this.desk.close(file);
    this.around.say("This workspace is no longer there");
    if (this.workspaces.chosen.value === workspace) this.choose(null);
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Refusal && error.code === "no_such_workspace") return "its workspace is no longer there";
  return error instanceof Error ? error.message : String(error);
}

/** Which uploads go on where they were, after the page was loaded again. */
const notes: Notebook = {
  get: (key) => noted()[key] ?? null,
  set: (key, upload) => {
    const { [key]: _, ...rest } = noted();
    store(UPLOADS, JSON.stringify(upload === null ? rest : { ...rest, [key]: upload }));
  },
};

function noted(): Record<string, string> {
  try {
    return JSON.parse(stored(UPLOADS) ?? "{}") as Record<string, string>;
  } catch {
    return {};
  }
}

// Storage may be forbidden; then nothing is remembered.
function stored(key: string): string | null {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

function store(key: string, text: string | null): void {
  try {
    if (text === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, text);
  } catch {
    // see stored
  }
}
