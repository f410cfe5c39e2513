/** The ports on which programs of a workspace listen, each one click away. */

import type { Page } from "../page";
import type { Workspace } from "../rest";
import { previewAddress } from "../runtimes/previews";
import { Icon } from "./icons";

interface Props {
  page: Page;
  workspace: Workspace;
}

export function Ports({ page, workspace }: Props) {
  const ports = page.work.runs.looking.at(workspace.id).ports.value;
  if (ports.length === 0) return null;
  return (
    <ul class="ports" aria-label="Ports">
      {ports.map((port) => (
        <PortRow key={port} page={page} workspace={workspace} port={port} />
      ))}
    </ul>
  );
}

function PortRow({ page, workspace, port }: Props & { port: number }) {
  return (
    <li>
      <button class="port" aria-label={`Preview port ${port}`} title="Show it beside the terminals" onClick={() => showPreview(page, workspace.id, port)}>
        <Icon name="globe" />
        <span>{port}</span>
      </button>
      <OpenInTab workspace={workspace.id} port={port} />
      {workspace.role !== "read" && (
        <button
          class="icon"
          aria-label={`Share port ${port}`}
          title="Share…"
          onClick={() => (page.dialog.value = { kind: "share_preview", workspace, port })}
        >
          <Icon name="link" />
        </button>
      )}
    </li>
  );
}

/** The preview in a tab of its own, `at` a path of the app. */
export function OpenInTab({ workspace, port, at = "/" }: { workspace: string; port: number; at?: string }) {
  const label = `Open port ${port} in a tab`;
  return (
    <a class="icon" href={previewAddress(workspace, port, at)} target="_blank" rel="noopener noreferrer" aria-label={label} title="Open in a tab">
      <Icon name="out" />
    </a>
  );
}

/** Show what listens on a port beside the terminals; where there is no room, over them. */
export function showPreview(page: Page, workspace: string, port: number): void {
  if (page.covered.value) page.closePanel();
  if (page.work.workspaces.chosen.value !== workspace) page.work.choose(workspace);
  page.work.runs.previews.open(workspace, port);
  page.makeRoom();
}
