/** Which workspace is shown. */

import type { Page } from "../page";
import { Icon } from "./icons";

export function Switcher({ page }: { page: Page }) {
  const { workspaces } = page.work;
  const chosen = workspaces.chosen.value;
  // Whoever has terminals outside all workspaces, or may have them, gets back to them.
  const outside = chosen === null || page.me.value?.owner || page.terminals.tabs.value.some((tab) => tab.workspace.value === null);
  const choose = (id: string): void => page.work.choose(id === "" ? null : id);
  return (
    <>
      <select
        class="switcher"
        aria-label="Workspace"
        value={chosen ?? ""}
        onFocus={() => void page.work.load()} // somebody may have shared one meanwhile
        onChange={(event) => choose(event.currentTarget.value)}
      >
        {outside && (
          <option value="" selected={chosen === null}>
            No workspace
          </option>
        )}
        {workspaces.lost.value && (
          <option value={chosen ?? ""} selected disabled>
            No longer there
          </option>
        )}
        {workspaces.all.value.map(({ id, name }) => (
          <option key={id} value={id} selected={id === chosen}>
            {name}
          </option>
        ))}
      </select>
      <button class="icon" aria-label="All workspaces" title="All workspaces" onClick={() => page.panels.show("workspaces")}>
        <Icon name="boxes" />
      </button>
    </>
  );
}
