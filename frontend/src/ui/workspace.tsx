/** One workspace: how it stands, what it is called, who is in it, and its end. */

import { useRef, useState } from "preact/hooks";
import type { Page } from "../page";
import type { Member, Workspace } from "../rest";
import { CONTAINED } from "../runtimes/words";
import { useAction, useAnswer } from "./asking";
import { Field, Problem, Select } from "./fields";
import { Modal } from "./modal";
import { Nothing, Section } from "./panel";
import { Standing } from "./standing";
import { show } from "./workspaces";

interface Props {
  page: Page;
  workspace: Workspace;
}

const ROLES: [Member["role"], string][] = [
  ["read", "may look"],
  ["write", "may change files and run programs"],
  ["own", "may do everything"],
];

export function WorkspaceDetails({ page, workspace, deleted }: Props & { deleted: () => void }) {
  const owned = workspace.role === "own";
  const back = (): void => page.panels.turn("workspaces");
  return (
    <>
      <div class="path-back">
        <button onClick={back}>← All workspaces</button>
        <button class="primary" onClick={() => show(page, workspace)}>
          Open {workspace.name}
        </button>
      </div>
      <Standing page={page} workspace={workspace} />
      {owned ? <Naming page={page} workspace={workspace} /> : workspace.description && <p>{workspace.description}</p>}
      <Members page={page} workspace={workspace} left={back} />
      {owned && <End page={page} workspace={workspace} deleted={() => (deleted(), back())} />}
    </>
  );
}

function Naming({ page, workspace }: Props) {
  const action = useAction();
  const [saved, setSaved] = useState(false);
  const name = useRef<HTMLInputElement>(null);
  const description = useRef<HTMLInputElement>(null);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    setSaved(false);
    const body = { name: name.current?.value.trim(), description: description.current?.value.trim() };
    setSaved(await action.run(async () => page.work.workspaces.put(await page.rest.changeWorkspace(workspace.id, body))));
  };
  return (
    <Section title="Name">
      <form aria-label="Name and description" onSubmit={(event) => void submit(event)}>
        <div class="columns">
          <Field label="Name" name="name" required maxLength={100} autocomplete="off" defaultValue={workspace.name} field={name} />
          <Field
            label="Description"
            name="description"
            maxLength={2000}
            autocomplete="off"
            defaultValue={workspace.description}
            field={description}
          />
        </div>
        <div class="buttons">
          <Problem action={action} />
          {saved && (
            <p class="done" role="status">
              Saved.
            </p>
          )}
          <button class="primary" disabled={action.busy}>
            Save
          </button>
        </div>
      </form>
    </Section>
  );
}

function Members({ page, workspace, left }: Props & { left: () => void }) {
  const action = useAction();
  const owned = workspace.role === "own";
  const person = useRef<HTMLInputElement>(null);
  const [role, setRole] = useState<Member["role"]>("write");
  const reload = async (): Promise<void> => page.work.workspaces.put(await page.rest.workspace(workspace.id));
  const act = (work: () => Promise<unknown>): Promise<boolean> =>
    action.run(async () => {
      await work();
      await reload();
    });
  const me = page.user.value?.id;
  const choices = useAnswer(() => page.rest.runtimeChoices());
  const contained = (workspace.environment.driver || choices.value?.mode) === CONTAINED;
  const leave = (): void =>
    void action.run(async () => {
      await page.rest.removeMember(workspace.id, me ?? "");
      page.work.workspaces.remove(workspace.id);
      left();
    });
  const add = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const name = person.current?.value.trim() ?? "";
    if (await act(() => page.rest.setMember(workspace.id, name, role))) form.reset();
  };
  return (
    <Section title="People" about={owned ? "Whoever is in here sees the files of this workspace; terminals are each one's own." : undefined}>
      {page.me.value?.owner && workspace.owner === me && !contained && (
        <p class="about">Your own programs run outside any sandbox here: what these people may change is not for you to run blindly.</p>
      )}
      <ul class="cards">
        {workspace.members.map((member) => (
          <li key={member.user}>
            <div>
              <p class="title">{member.name || member.user}</p>
              {!owned && <p class="detail">{ROLES.find(([name]) => name === member.role)?.[1]}</p>}
            </div>
            {owned && (
              <span class="card-buttons">
                <select
                  aria-label={`What ${member.name || member.user} may do`}
                  disabled={action.busy}
                  value={member.role}
                  onChange={(event) => {
                    const wanted = event.currentTarget.value as Member["role"];
                    void act(() => page.rest.setMember(workspace.id, member.user, wanted));
                  }}
                >
                  {ROLES.map(([name, label]) => (
                    <option key={name} value={name} selected={name === member.role}>
                      {label}
                    </option>
                  ))}
                </select>
                <button
                  class="danger"
                  aria-label={`Remove ${member.name || member.user}`}
                  disabled={action.busy}
                  onClick={() => void act(() => page.rest.removeMember(workspace.id, member.user))}
                >
                  Remove
                </button>
              </span>
            )}
            {!owned && member.user === me && (
              <button disabled={action.busy} onClick={leave}>
                Leave
              </button>
            )}
          </li>
        ))}
      </ul>
      {workspace.members.length === 0 && <Nothing problem={null} text="Nobody else is in here." known />}
      {owned ? (
        <form class="create" aria-label="Add somebody" onSubmit={(event) => void add(event)}>
          <div class="columns">
            <Field label="User name of somebody else" name="member" required autocomplete="off" autocapitalize="none" field={person} />
            <Select label="They" value={role} choices={ROLES} set={setRole} />
          </div>
          <div class="buttons">
            <Problem action={action} />
            <button class="primary" disabled={action.busy}>
              Add
            </button>
          </div>
        </form>
      ) : (
        <Problem action={action} />
      )}
    </Section>
  );
}

function End({ page, workspace, deleted }: Props & { deleted: () => void }) {
  const [asking, setAsking] = useState(false);
  const remove = async (): Promise<void> => {
    await page.rest.deleteWorkspace(workspace.id);
    page.work.workspaces.remove(workspace.id);
  };
  const gone = useRef(false);
  return (
    <Section title="Delete">
      <div class="buttons">
        <button class="danger" onClick={() => setAsking(true)}>
          Delete this workspace…
        </button>
      </div>
      {asking && (
        <Modal
          title={`Delete ${workspace.name}?`}
          accept="Delete"
          danger
          onClose={() => (gone.current ? deleted() : setAsking(false))}
          onAccept={async () => {
            await remove();
            gone.current = true;
          }}
        >
          <p>Everything that runs in it ends. Its files go into the trash, from which they can be restored for some days.</p>
        </Modal>
      )}
    </Section>
  );
}
