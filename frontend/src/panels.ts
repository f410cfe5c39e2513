/** Which panel lies over the terminals; the part of the address behind `#` says it, so that it can be linked. */

import { signal, type ReadonlySignal } from "@preact/signals";

export const ADMIN_SECTIONS = ["people", "invitations", "running", "audit", "tiers"] as const;
export type AdminSection = (typeof ADMIN_SECTIONS)[number];
export type Panel = { kind: "account" } | { kind: "workspaces"; workspace: string | null } | { kind: "admin"; section: AdminSection };

export function panelIn(hash: string): Panel | null {
  const [kind, section] = hash.replace(/^#/, "").split("/");
  if (kind === "account" && section === undefined) return { kind };
  if (kind === "workspaces") return { kind, workspace: section || null };
  if (kind !== "admin") return null;
  const known = ADMIN_SECTIONS.find((name) => name === (section ?? "people"));
  return known ? { kind, section: known } : null;
}

export class Panels {
  private readonly wanted = signal<Panel | null>(panelIn(location.hash));
  readonly open: ReadonlySignal<Panel | null> = this.wanted;

  constructor() {
    addEventListener("hashchange", () => (this.wanted.value = panelIn(location.hash)));
  }

  /** The panel that can be shown: the account and the administration need to know whose they are. */
  shown(me: unknown): Panel | null {
    const panel = this.open.value;
    return me !== null || panel?.kind === "workspaces" ? panel : null;
  }

  /** A step in the history, so that a phone's way back closes the panel. */
  show(hash: string): void {
    location.hash = hash;
    this.wanted.value = panelIn(location.hash);
  }

  /** From one section to the next without a step in the history. */
  turn(hash: string): void {
    history.replaceState(null, "", `#${hash}`);
    this.wanted.value = panelIn(hash);
  }

  close(): void {
    history.replaceState(null, "", location.pathname + location.search);
    this.wanted.value = null;
  }
}
