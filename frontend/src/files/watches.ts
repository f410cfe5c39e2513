/**
 * Which directories somebody on this page wants to hear about.
 *
 * One watch of the server's for each directory, however many want it; taken again on each new socket, after which
 * everybody is told to look anew. Where the server has no watch left, the directory is looked at every few seconds.
 */

import { Refusal } from "../api";
import type { AnswerOf, Question } from "../requests";
import type { FileChangedMessage } from "../protocol.gen";
import { canonical, placeOf, spelled, type Place } from "./places";

const LOOK_MS = 4_000;

/** What happened in a directory: to these places, or, without them, perhaps to all. */
export type News = { places: ReadonlySet<Place> } | { places: null };
export type Hear = (news: News) => void;

export interface Watcher {
  /** Resolves once changes are told (or looked for) from now on. */
  begun: Promise<void>;
  stop(): void;
}

interface Watched {
  workspace: string;
  place: Place;
  hearers: Set<Hear>;
  /** The server's number; null while there is none. */
  watch: number | null;
  begun: Promise<void>;
  looking?: ReturnType<typeof setInterval>;
}

export interface Wire {
  watch(question: Question): Promise<AnswerOf<"watching">>;
  unwatch(watch: number): void;
}

export class Watches {
  private readonly all = new Map<string, Watched>();
  private readonly byNumber = new Map<number, Watched>();

  constructor(private readonly wire: Wire) {}

  watch(workspace: string, place: Place, hear: Hear): Watcher {
    const key = `${workspace}/${place}`;
    let watched = this.all.get(key);
    if (!watched) {
      watched = { workspace, place, hearers: new Set(), watch: null, begun: Promise.resolve() };
      this.all.set(key, watched);
      watched.begun = this.begin(watched);
    }
    // Each has an entry of its own, also where two use the same function.
    const own: Hear = (news) => hear(news);
    watched.hearers.add(own);
    return { begun: watched.begun, stop: () => this.leave(key, watched, own) };
  }

  /** A fresh socket: nobody knows what has happened meanwhile. */
  ready(): void {
    for (const watched of this.all.values()) {
      watched.begun = this.begin(watched).then(() => tell(watched, { places: null }));
    }
  }

  lost(): void {
    this.byNumber.clear();
    for (const watched of this.all.values()) watched.watch = null;
  }

  message(message: FileChangedMessage): void {
    const watched = this.byNumber.get(message.watch);
    if (!watched) return;
    if (message.ended) return this.ended(message.watch, watched);
    const prefix = watched.place === "" ? "" : `${watched.place}/`;
    const places = message.changes.map((change) => prefix + (change.encoded ? canonical(change.encoded) : placeOf(change.name)));
    tell(watched, { places: message.refresh ? null : new Set(places) });
  }

  /** Nobody wants anything any more. */
  clear(): void {
    for (const watched of this.all.values()) this.end(watched);
    this.all.clear();
  }

  private async begin(watched: Watched): Promise<void> {
    clearInterval(watched.looking);
    try {
      const { workspace, place } = watched;
      const answer = await this.wire.watch({ type: "watch", workspace, ...spelled(place) });
      if (this.all.get(`${workspace}/${place}`) !== watched) return this.wire.unwatch(answer.watch); // nobody waits for it any more
      watched.watch = answer.watch;
      this.byNumber.set(answer.watch, watched);
    } catch (error) {
      if (!(error instanceof Refusal) || error.code === "unreachable") return; // until the next socket
      if (this.all.get(`${watched.workspace}/${watched.place}`) !== watched) return;
      watched.looking = setInterval(() => void this.begin(watched).then(() => tell(watched, { places: null })), LOOK_MS);
    }
  }

  /** The directory has gone, or the right to see it; what comes in its place may be watched again. */
  private ended(number: number, watched: Watched): void {
    this.byNumber.delete(number);
    watched.watch = null;
    watched.begun = this.begin(watched).then(() => tell(watched, { places: null }));
  }

  private leave(key: string, watched: Watched, hear: Hear): void {
    watched.hearers.delete(hear);
    if (watched.hearers.size > 0 || this.all.get(key) !== watched) return;
    this.all.delete(key);
    this.end(watched);
  }

  private end(watched: Watched): void {
    clearInterval(watched.looking);
    if (watched.watch === null) return;
    this.byNumber.delete(watched.watch);
    this.wire.unwatch(watched.watch);
    watched.watch = null;
  }
}

function tell(watched: Watched, news: News): void {
  for (const hear of [...watched.hearers]) hear(news);
}
