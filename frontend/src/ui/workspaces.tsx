/** All workspaces: choosing, making, and what is in the trash. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Page } from "../page";
import { Pages } from "../pages";
import type { Workspace } from "../rest";
import { moment, relative } from "../times";
import { useAction, useAnswer } from "./asking";
import { Field, Problem, Select } from "./fields";
import { Modal } from "./modal";
import { Nothing, Section } from "./panel";
import { More } from "./table";
import { WorkspaceDetails } from "./workspace";

export function Dashboard({ page, workspace }: { page: Page; workspace: string | null }) {
  const trash = useMemo(() => new Pages<Workspace>((after) => page.rest.workspaces(after, true), ({ id }) => id), []);
  useEffect(() => {
    void page.work.load();
    void trash.restart();
  }, []);
  const { all, known } = page.work.workspaces;
  const one = all.value.find(({ id }) => id === workspace);
  if (workspace !== null) {
    if (one) return <WorkspaceDetails key={one.id} page={page} workspace={one} deleted={() => void trash.restart()} />;
    if (!known.value) return <Nothing problem={null} text="" known={false} />;
  }
  return (
    <>
      <Section title="Your workspaces">
        {all.value.length === 0 && <Nothing problem={null} text="You have none yet." known={known.value} />}
        <ul class="cards">
          {all.value.map((item) => (
            <Card key={item.id} page={page} workspace={item} />
          ))}
        </ul>
        <Create page={page} />
      </Section>
      <Trash page={page} trash={trash} />
    </>
  );
}

function Card({ page, workspace }: { page: Page; workspace: Workspace }) {
  const runtime = page.work.workspaces.runtimes.value.get(workspace.id);
  const shown = page.work.workspaces.chosen.value === workspace.id;
  return (
    <li>
      <div>
        <p class="title">
          {workspace.name}
          {shown && <span class="tag">shown</span>}
          {workspace.role !== "own" && <span class="tag">{workspace.role === "read" ? "to look at" : "shared with you"}</span>}
          {runtime && runtime.state !== "absent" && <span class="tag">{runtime.state}</span>}
        </p>
        {workspace.description && <p class="about-workspace">{workspace.description}</p>}
        <p class="detail">
          <span title={moment(workspace.updated)}>changed {relative(workspace.updated)}</span>
          {workspace.template && <span>from {workspace.template}</span>}
          {workspace.members.length > 0 && <span>{workspace.members.length + 1} people</span>}
        </p>
      </div>
      <span class="card-buttons">
        <button aria-label={`Settings of ${workspace.name}`} onClick={() => page.panels.turn(`workspaces/${workspace.id}`)}>
          Settings…
        </button>
        <button class="primary" aria-label={`Open ${workspace.name}`} onClick={() => show(page, workspace)}>
          Open
        </button>
      </span>
    </li>
  );
}

/** Go to a workspace, with its files in sight. */
export function show(page: Page, workspace: Workspace): void {
  page.work.choose(workspace.id);
  page.work.open.value = true;
  page.closePanel();
}

function Create({ page }: { page: Page }) {
  const action = useAction();
  const templates = useAnswer(() => page.rest.templates());
  const name = useRef<HTMLInputElement>(null);
  const description = useRef<HTMLInputElement>(null);
  const [template, setTemplate] = useState("");
  const choices: [string, string][] = [["", "Nothing"], ...(templates.value ?? []).map(({ name, title }): [string, string] => [name, title])];
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    await action.run(async () => {
      const made = await page.rest.createWorkspace({
        name: name.current?.value.trim() ?? "",
        description: description.current?.value.trim() ?? "",
        template,
      });
      page.work.workspaces.put(made);
      show(page, made);
    });
  };
  const about = templates.value?.find((one) => one.name === template)?.description;
  return (
    <form class="create" aria-label="New workspace" onSubmit={(event) => void submit(event)}>
      <div class="columns">
        <Field label="Name of a new workspace" name="workspace-name" required maxLength={100} autocomplete="off" field={name} />
        <Field label="Description" name="workspace-description" maxLength={2000} autocomplete="off" field={description} />
        {choices.length > 1 && <Select label="Begin with" value={template} choices={choices} set={setTemplate} />}
      </div>
      {about && <p class="hint">{about}</p>}
      <div class="buttons">
        <Problem action={action} />
        <button class="primary" disabled={action.busy || action.wait > 0}>
          Make it
        </button>
      </div>
    </form>
  );
}

function Trash({ page, trash }: { page: Page; trash: Pages<Workspace> }) {
  const [purging, setPurging] = useState<Workspace | null>(null);
  const action = useAction();
  const items = trash.items.value;
  if (items.length === 0) return null;
  const restore = (workspace: Workspace): void =>
    void action.run(async () => {
      page.work.workspaces.put(await page.rest.restoreWorkspace(workspace.id));
      await trash.restart();
    });
  return (
    <Section title="Trash" about="What is in here is removed for good after a time that the server's owner has set.">
      <ul class="cards">
        {items.map((workspace) => (
          <li key={workspace.id}>
            <div>
              <p class="title">{workspace.name}</p>
              <p class="detail">
                {workspace.deleted !== null && (
                  <span title={moment(workspace.deleted)}>deleted {relative(workspace.deleted)}</span>
                )}
              </p>
            </div>
            <span class="card-buttons">
              <button aria-label={`Restore ${workspace.name}`} disabled={action.busy} onClick={() => restore(workspace)}>
                Restore
              </button>
              <button class="danger" aria-label={`Delete ${workspace.name} for good`} onClick={() => setPurging(workspace)}>
                Delete for good…
              </button>
            </span>
          </li>
        ))}
      </ul>
      {action.refusal && <Problem action={action} />}
      <More pages={trash} />
      {purging && (
        <Modal
          title={`Delete ${purging.name} for good?`}
          accept="Delete"
          danger
          onClose={() => setPurging(null)}
          onAccept={async () => {
            await page.rest.deleteWorkspace(purging.id, true);
            await trash.restart();
          }}
        >
          <p>Its files cannot be brought back.</p>
        </Modal>
      )}
    </Section>
  );
}
