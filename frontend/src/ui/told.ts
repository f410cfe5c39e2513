/** Why there is no terminal, where that is said once: in the place of the terminal that did not come, or does not come again. */

import type { Page } from "../page";

/** What that place says now, as the server has said it; empty where something else is shown there. Nothing beside it repeats it. */
export function toldInPlace(page: Page): string {
  if (page.work.desk.front.value !== null) return "";
  const tab = page.terminals.active.value;
  if (tab) return tab.ended.value === null || tab.again.waiting.value ? "" : (tab.again.problem.value ?? "");
  const workspace = page.work.workspaces.current.value;
  const runtime = workspace && page.work.workspaces.runtimes.value.get(workspace.id);
  const ended = runtime && (runtime.state === "absent" || runtime.state === "failed") ? runtime.message : "";
  return page.terminals.refused.value || ended;
}

/** A word of the page that passes, unless it stands elsewhere, and stays: where the terminals are, or as the state of the workspace. */
export function hintOf(page: Page): string | null {
  const { hint, work } = page;
  const workspace = work.workspaces.current.value;
  const runtime = workspace && work.workspaces.runtimes.value.get(workspace.id);
  const stays = [toldInPlace(page), runtime?.state === "failed" ? runtime.message : ""];
  return hint.value && stays.includes(hint.value) ? null : hint.value;
}
