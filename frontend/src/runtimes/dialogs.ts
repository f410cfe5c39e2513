/** What the page asks people about runtimes. */

import type { Workspace } from "../rest";

export type RuntimeDialog =
  | { kind: "environment"; workspace: Workspace }
  | { kind: "stop_runtime" | "restart_runtime"; workspace: Workspace }
  | { kind: "share_preview"; workspace: Workspace; port: number };

const KINDS = new Set<string>(["environment", "stop_runtime", "restart_runtime", "share_preview"] satisfies RuntimeDialog["kind"][]);

export function isAboutRuntimes(dialog: { kind: string }): dialog is RuntimeDialog {
  return KINDS.has(dialog.kind);
}
