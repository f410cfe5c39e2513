/** What runs in workspaces: how it is, what is seen of it, what is asked of it. */

import { computed, effect, signal, untracked } from "@preact/signals";
import type { ClientMessage, RuntimeMessage, ServerMessage } from "../protocol.gen";
import type { Requests } from "../requests";
import type { Rest, RuntimeInfo } from "../rest";
import type { Workspaces } from "../workspaces";
import { Looking } from "./looking";
import { Previews } from "./previews";

export interface Surroundings {
  rest: Rest;
  requests: Requests;
  workspaces: Workspaces;
  send(message: ClientMessage): boolean;
}

export class Runs {
  readonly looking: Looking;
  readonly previews: Previews;
  /** The domain of which each previewed page has a name of its own; null where they are below this
   * page's address, undefined while that is being asked. */
  readonly previewDomain = signal<string | null | undefined>(undefined);
  private readonly inSight = signal(!document.hidden);
  private readonly looked = computed(() => (this.inSight.value ? (this.around.workspaces.current.value?.id ?? null) : null));

  constructor(private readonly around: Surroundings) {
    this.looking = new Looking({
      watch: (workspace) => around.requests.ask({ type: "watch_runtime", workspace }, "done"),
      unwatch: (workspace) => void around.send({ type: "unwatch_runtime", workspace }),
    });
    this.previews = new Previews(around.workspaces.chosen, {
      look: (workspace) => this.looking.at(workspace),
      begin: (workspace) => this.looking.begin(workspace),
      where: (workspace, port) => around.rest.preview(workspace, port),
    });
  }

  /** Begin to follow what is chosen. */
  begin(): void {
    effect(() => this.look());
    effect(() => {
      if (this.previews.shown.value) untracked(() => this.learnDomain());
    });
    document.addEventListener("visibilitychange", () => (this.inSight.value = !document.hidden));
  }

  /** Whether the message was about what runs. */
  message(message: ServerMessage): boolean {
    if (message.type !== "runtime") return this.looking.message(message);
    this.ran(message);
    return true;
  }

  ready(): void {
    this.looking.ready();
    this.previews.ready();
    const { value: workspace } = this.looked;
    if (workspace !== null) this.learn(workspace);
    this.learnDomain();
  }

  lost(): void {
    this.looking.lost();
  }

  forget(): void {
    this.previews.forget();
    this.looking.forget();
  }

  // Each throws a `Refusal`.

  start(workspace: string): Promise<void> {
    return this.ask(workspace, this.around.rest.startRuntime(workspace));
  }

  /** End everything that runs there. */
  stop(workspace: string): Promise<void> {
    return this.ask(workspace, this.around.rest.stopRuntime(workspace));
  }

  restart(workspace: string): Promise<void> {
    return this.ask(workspace, this.around.rest.restartRuntime(workspace));
  }

  /** Have it go on though nothing runs in it. */
  keep(workspace: string): Promise<void> {
    return this.ask(workspace, this.around.rest.keepRuntime(workspace));
  }

  /** What was told over the socket meanwhile is newer than the answer. */
  private async ask(workspace: string, answer: Promise<RuntimeInfo>): Promise<void> {
    const { workspaces } = this.around;
    const before = workspaces.runtimes.value.get(workspace);
    const info = await answer;
    if (workspaces.runtimes.value.get(workspace) === before) workspaces.runtime(info);
  }

  private learnDomain(): void {
    if (!this.previews.shown.value || this.previewDomain.value !== undefined) return;
    void this.around.rest.runtimeChoices().then(
      (choices) => (this.previewDomain.value = choices.preview_domain),
      () => undefined, // asked again with the next preview, or socket
    );
  }

  private learn(workspace: string): void {
    // Who may see it no more is told so by the list of workspaces.
    void this.ask(workspace, this.around.rest.runtime(workspace)).catch(() => undefined);
  }

  /** While the page is in sight, it looks at what runs in the chosen workspace. */
  private look(): () => void {
    const { value: workspace } = this.looked;
    return workspace === null ? () => undefined : untracked(() => this.watched(workspace));
  }

  private watched(workspace: string): () => void {
    this.learn(workspace);
    return this.looking.begin(workspace);
  }

  private ran(message: RuntimeMessage): void {
    this.around.workspaces.runtime(message);
    if (message.state === "absent" || message.state === "failed") this.looking.ended(message.workspace);
  }
}
