/** What the page asks of a workspace's files: small things over the socket, which is never rate-limited, bytes over REST. */

import { Refusal, type Api } from "../api";
import type { AnswerOf, Requests } from "../requests";
import type { FileEntry, FoundEntry } from "../protocol.gen";
import { canonical, pathOf, placeOf, spelled, type Place } from "./places";
import { fromBase64, toBase64 } from "./texts";

export type { FoundEntry };

/** One file as the page knows it. `tag` changes whenever the file does. */
export interface Entry extends Omit<FileEntry, "path" | "encoded"> {
  place: Place;
}

/** Whether it can be opened like a directory: one, or a link that leads to one. */
export function isDirectory(entry: Pick<Entry, "kind" | "target">): boolean {
  return entry.kind === "directory" || (entry.kind === "link" && entry.target === "directory");
}

export interface Listing {
  items: Entry[];
  /** Where the next items begin; null at the end. */
  next: string | null;
}

export interface Content {
  entry: Entry;
  bytes: Uint8Array;
}

/** What a write expects to find: a tag, null for nothing there yet, undefined for whatever there is. */
export type Expected = string | null | undefined;

/** What fits into one message, with some room. */
export const ONE_MESSAGE = 256 * 1024;
const ONE_WRITE = 32 * 1024;
export const PAGE = 1000;

export class FileCalls {
  constructor(
    private readonly requests: Requests,
    private readonly api: Api,
  ) {}

  async list(workspace: string, place: Place, hidden: boolean, after: string | null = null, limit = PAGE): Promise<Listing> {
    const question = { type: "list_files", workspace, ...spelled(place), depth: 1, hidden, after, limit } as const;
    const { items, next } = await this.requests.ask(question, "files");
    return { items: items.map(entryOf), next: next ?? null };
  }

  async stat(workspace: string, place: Place): Promise<Entry> {
    return this.file(this.requests.ask({ type: "stat_file", workspace, ...spelled(place) }, "file"));
  }

  /** The first bytes; all of them where the file is small. */
  async head(workspace: string, place: Place, length = ONE_MESSAGE): Promise<Content> {
    const question = { type: "read_file", workspace, ...spelled(place), offset: 0, length } as const;
    const answer = await this.requests.ask(question, "file_data");
    return { entry: entryOf(answer.entry), bytes: fromBase64(answer.data) };
  }

  /** All of a file, as it was at one moment. */
  async read(workspace: string, place: Place): Promise<Content> {
    const head = await this.head(workspace, place);
    if (head.bytes.length >= head.entry.size) return head;
    const response = await this.api.raw("GET", filePath(workspace, place));
    const bytes = new Uint8Array(await response.arrayBuffer());
    const tag = response.headers.get("ETag")?.replace(/^"|"$/g, "") ?? head.entry.tag;
    return { entry: { ...head.entry, tag, size: bytes.length }, bytes };
  }

  /** Throws a `Refusal` with `edit_conflict` when the file is not what was expected. */
  async write(workspace: string, place: Place, bytes: Uint8Array<ArrayBuffer>, expected: Expected): Promise<Entry> {
    if (bytes.length > ONE_WRITE) return this.put(workspace, place, bytes, expected);
    const how = expected === undefined ? {} : { expected };
    const question = { type: "write_file", workspace, ...spelled(place), data: toBase64(bytes), ...how } as const;
    return this.file(this.requests.ask(question, "file"));
  }

  async makeDirectory(workspace: string, place: Place, parents = false): Promise<Entry> {
    return this.file(this.requests.ask({ type: "make_directory", workspace, ...spelled(place), parents }, "file"));
  }

  async move(workspace: string, source: Place, target: Place, overwrite = false): Promise<Entry> {
    return this.file(this.requests.ask({ type: "move_file", workspace, ...pair(source, target), overwrite }, "file"));
  }

  async copy(workspace: string, source: Place, target: Place): Promise<Entry> {
    return this.file(this.requests.ask({ type: "copy_file", workspace, ...pair(source, target), overwrite: false }, "file"));
  }

  async setExecutable(workspace: string, place: Place, executable: boolean): Promise<Entry> {
    return this.file(this.requests.ask({ type: "set_executable", workspace, ...spelled(place), executable }, "file"));
  }

  async remove(workspace: string, place: Place): Promise<void> {
    await this.requests.ask({ type: "remove_file", workspace, ...spelled(place), recursive: true }, "done");
  }

  search(workspace: string, place: Place, query: string, content: boolean, hidden: boolean): Promise<AnswerOf<"matches">> {
    const question = { type: "search_files", workspace, ...spelled(place), query, content, hidden, limit: 200 } as const;
    return this.requests.ask(question, "matches");
  }

  private async put(workspace: string, place: Place, bytes: Uint8Array<ArrayBuffer>, expected: Expected): Promise<Entry> {
    const headers: Record<string, string> = { "Content-Type": "application/octet-stream" };
    if (expected === null) headers["If-None-Match"] = "*";
    else if (expected !== undefined) headers["If-Match"] = `"${expected}"`;
    const response = await this.api.raw("PUT", filePath(workspace, place), { headers, body: bytes });
    return entryOf((await response.json()) as FileEntry);
  }

  private async file(answer: Promise<AnswerOf<"file">>): Promise<Entry> {
    return entryOf((await answer).entry);
  }
}

export function entryOf({ path, encoded, ...rest }: FileEntry): Entry {
  return { ...rest, place: encoded ? canonical(encoded) : placeOf(path) };
}

/** Where a match was found. */
export function placeOfMatch(match: FoundEntry): Place {
  return match.encoded ? canonical(match.encoded) : placeOf(match.path);
}

/** The path of a route of one workspace, to be made an address by `address`. */
export function routeOf(workspace: string, route: string, place: Place = ""): string {
  return `/api/v1/workspaces/${encodeURIComponent(workspace)}/${route}${place === "" ? "" : `/${place}`}`;
}

export function filePath(workspace: string, place: Place): string {
  return routeOf(workspace, "files", place);
}

export function isConflict(error: unknown): boolean {
  return error instanceof Refusal && (error.code === "edit_conflict" || error.code === "already_exists");
}

export function isMissing(error: unknown): boolean {
  return error instanceof Refusal && (error.code === "no_such_file" || error.code === "not_a_directory");
}

/** Both in the same spelling: percent-encoded as soon as one of them is no text. */
function pair(source: Place, target: Place): { source: string; target: string; encoded?: boolean } {
  const [one, other] = [spelled(source), spelled(target)];
  if (one.encoded || other.encoded) return { source, target, encoded: true };
  return { source: pathOf(source), target: pathOf(target) };
}
