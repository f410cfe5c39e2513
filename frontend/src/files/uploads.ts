/** How files get to the server: large ones in pieces that can be resumed, small ones many at a time. */

import { Refusal, type Api } from "../api";
import type { UploadState } from "../api.gen";
import { filePath, routeOf } from "./calls";
import type { Gift, Haul } from "./dropping";
import { joined, spelled, type Place } from "./places";
import { counted } from "./sizes";
import type { Work } from "./transfers";

/** Larger files are sent in pieces. */
export const SMALL = 8 * 1024 * 1024;
const BATCH_BYTES = 8 * 1024 * 1024;
const BATCH_FILES = 200;
const PIECE = 64 * 1024 * 1024;
/** Seconds after which one looks again whether the server has ended with a piece that was cut off. */
const BUSY_S = 2;

export interface Target {
  workspace: string;
  directory: Place;
  /** Whether files that are there already are replaced. */
  overwrite: boolean;
}

/** Numbers of uploads that are not complete, kept over a reload of the page: the same file goes on where it was. */
export interface Notebook {
  get(key: string): string | null;
  set(key: string, upload: string | null): void;
}

/** The work for all that was dropped: one for each large file, and one for all small ones together. */
export function worksFor(api: Api, target: Target, gifts: readonly Gift[], notes: Notebook): Work[] {
  const large = gifts.filter(({ file }) => file.size > SMALL);
  const small = gifts.filter(({ file }) => file.size <= SMALL);
  const works: Work[] = large.map((gift) => new LargeUpload(api, target, gift, notes));
  return small.length > 0 ? [new SmallUploads(api, target, small), ...works] : works;
}

export class LargeUpload implements Work {
  readonly title: string;
  readonly size: number;
  private upload: string | null;
  /** Whether some of it was sent from here. */
  private sending = false;
  private readonly place: Place;

  constructor(
    private readonly api: Api,
    private readonly target: Target,
    private readonly gift: Gift,
    private readonly notes: Notebook,
  ) {
    this.title = gift.path;
    this.size = gift.file.size;
    this.place = placeAt(target.directory, gift.path);
    this.upload = notes.get(this.key);
  }

  async run(signal: AbortSignal, sent: (bytes: number) => void): Promise<void> {
    let state = await this.begin(signal);
    sent(state.offset);
    while (!state.entry) {
      state = await this.put(state.offset, signal, sent);
      sent(state.offset);
    }
    this.remember(null);
  }

  async forget(): Promise<void> {
    const { upload } = this;
    if (upload === null) return;
    this.remember(null);
    const names = { workspace: this.target.workspace, upload };
    await this.api.ask("DELETE /api/v1/workspaces/{workspace}/uploads/{upload}", { names });
  }

  /** The next piece; without one, the file is put in its place. */
  private async put(from: number, signal: AbortSignal, sent: (bytes: number) => void): Promise<UploadState> {
    const piece = this.gift.file.slice(from, from + PIECE);
    const call = { query: { offset: from }, signal, sent: (bytes: number) => sent(from + bytes) };
    this.sending = true;
    try {
      return await this.api.deliver<UploadState>("PUT", this.route, piece, call);
    } catch (error) {
      // A piece that was cut off may have come, or not, or still be under way: what the server has counts.
      if (error instanceof Refusal && error.code === "wrong_offset") return this.ask(signal);
      if (error instanceof Refusal && error.code === "conflict") throw new Refusal(error.status, error.code, error.message, BUSY_S);
      throw error;
    }
  }

  /** Where to go on: at the end of what the server has, which may be all, or at the start of a new upload. */
  private async begin(signal: AbortSignal): Promise<UploadState> {
    const left = this.upload === null ? null : await this.left(signal);
    // What ended before this page was loaded may have been changed or deleted since, and is wanted anew.
    if (left && (this.sending || !left.entry)) return left;
    this.remember(null);
    const body = {
      ...spelled(this.place),
      size: this.size,
      modified: this.gift.file.lastModified / 1000,
      overwrite: this.target.overwrite,
    };
    const names = { workspace: this.target.workspace };
    const begun = await this.api.ask("POST /api/v1/workspaces/{workspace}/uploads", { names, body });
    this.remember(begun.upload);
    return begun;
  }

  /** What the server has; null where it knows of none any more: it has expired, or ended long ago. */
  private async left(signal: AbortSignal): Promise<UploadState | null> {
    try {
      return await this.ask(signal);
    } catch (error) {
      if (error instanceof Refusal && error.status === 404) return null;
      throw error;
    }
  }

  private async ask(signal: AbortSignal): Promise<UploadState> {
    const response = await this.api.raw("GET", this.route, { signal });
    return (await response.json()) as UploadState;
  }

  private get route(): string {
    return routeOf(this.target.workspace, "uploads", encodeURIComponent(this.upload ?? ""));
  }

  private get key(): string {
    return [this.target.workspace, this.place, this.gift.file.size, this.gift.file.lastModified].join(" ");
  }

  private remember(upload: string | null): void {
    this.upload = upload;
    this.notes.set(this.key, upload);
  }
}

export class SmallUploads implements Work {
  readonly title: string;
  readonly size: number;
  private readonly batches: Gift[][];
  private done = 0;
  /** Whether part of the next batch may have come before the network broke. */
  private broken = false;
  private sentBytes = 0;

  constructor(
    private readonly api: Api,
    private readonly target: Target,
    gifts: readonly Gift[],
  ) {
    this.batches = batched(gifts);
    this.size = total(gifts);
    this.title = gifts.length === 1 ? (gifts[0] as Gift).path : counted(gifts.length, "file");
  }

  async run(signal: AbortSignal, sent: (bytes: number) => void): Promise<void> {
    while (this.done < this.batches.length) {
      const gifts = this.batches[this.done] as Gift[];
      const before = this.sentBytes;
      const call = { signal, sent: (bytes: number) => sent(before + Math.min(bytes, total(gifts))) };
      try {
        await this.send(gifts, call);
      } catch (error) {
        this.broken ||= error instanceof Refusal && error.code === "unreachable";
        throw error;
      }
      this.broken = false;
      this.done += 1;
      this.sentBytes = before + total(gifts);
      sent(this.sentBytes);
    }
  }

  async forget(): Promise<void> {
    // What has come is complete, and stays.
  }

  private async send(gifts: readonly Gift[], call: { signal: AbortSignal; sent: (bytes: number) => void }): Promise<void> {
    const { workspace, directory } = this.target;
    const overwrite = this.target.overwrite || this.broken;
    const [first] = gifts;
    if (first && !plain(first.path)) {
      const path = filePath(workspace, placeAt(directory, first.path));
      const headers: Record<string, string> = overwrite ? {} : { "If-None-Match": "*" };
      await this.api.deliver("PUT", path, first.file, { ...call, headers, query: { parents: true } });
      return;
    }
    const form = new FormData();
    for (const { path, file } of gifts) form.append("file", file, path);
    await this.api.deliver("POST", routeOf(workspace, "upload", directory), form, { ...call, query: { overwrite } });
  }
}

/** A form's file names cannot say these characters for sure. */
function plain(path: string): boolean {
  return !/["\r\n\\%]/.test(path);
}

/** What goes together in one call; names that a form cannot say go alone. */
export function batched(gifts: readonly Gift[]): Gift[][] {
  const batches: Gift[][] = [];
  let current: Gift[] = [];
  const close = (): void => {
    if (current.length > 0) batches.push(current);
    current = [];
  };
  for (const gift of gifts) {
    if (!plain(gift.path)) batches.push([gift]);
    else {
      if (current.length >= BATCH_FILES || total(current) + gift.file.size > BATCH_BYTES) close();
      current.push(gift);
    }
  }
  close();
  return batches;
}

function total(gifts: readonly Gift[]): number {
  return gifts.reduce((sum, { file }) => sum + file.size, 0);
}

function placeAt(directory: Place, path: string): Place {
  return path.split("/").reduce(joined, directory);
}

/** The names at the top of what is dropped, which may be there already. */
export function topNames({ files, directories }: Haul): string[] {
  return [...new Set([...files.map(({ path }) => path), ...directories].map(topName))];
}

export function topName(path: string): string {
  return path.split("/", 1)[0] as string;
}
