/** The environment of a workspace's programs: what they run in, and what they may use. */

import { useState } from "preact/hooks";
import { sentence } from "../api";
import type { Page } from "../page";
import { draftOf, environmentOf, type Draft } from "../runtimes/environment";
import { CONTAINED, placeOf, processors } from "../runtimes/words";
import { size } from "../files/sizes";
import type { Choices, Workspace } from "../rest";
import { cleanText } from "../titles";
import { useAnswer } from "./asking";
import { Field, Select } from "./fields";
import { Modal } from "./modal";
import { Variables } from "./variables";

interface Props {
  page: Page;
  workspace: Workspace;
  close: () => void;
}

export function EnvironmentDialog({ page, workspace, close }: Props) {
  const choices = useAnswer(() => page.rest.runtimeChoices());
  const [draft, setDraft] = useState(() => draftOf(workspace.environment));
  const owned = workspace.role === "own";
  const running = page.work.workspaces.runtimes.value.get(workspace.id)?.state === "ready";
  const change = (part: Partial<Draft>): void => setDraft((before) => ({ ...before, ...part }));
  const save = async (): Promise<void> => {
    const environment = environmentOf(draft);
    page.work.workspaces.put(await page.rest.changeWorkspace(workspace.id, { environment }));
  };
  const saveAndRestart = async (): Promise<void> => {
    await save();
    await page.work.runs.restart(workspace.id);
  };
  // Members with all rights change the rest, but where the owner's programs run and what all get is the owner's matter.
  const mine = workspace.owner === page.user.value?.id;
  return (
    <Modal
      title={`Environment of ${workspace.name}`}
      accept={owned ? "Save" : undefined}
      onClose={close}
      onAccept={owned ? save : undefined}
      others={owned && running ? [{ label: "Save and restart", act: saveAndRestart }] : []}
    >
      <fieldset class="environment" disabled={!owned}>
        <Kind draft={draft} choices={choices.value} fixed={!mine} change={change} />
        <Limits draft={draft} choices={choices.value} change={change} />
        {contained(draft, choices.value) && <Published draft={draft} change={change} />}
        <Variables variables={draft.variables} fixed={!mine} change={(variables) => change({ variables })} />
      </fieldset>
      {choices.problem && <p class="problem">{choices.problem}</p>}
      {owned && running && <p class="about">What is saved holds from the next start on; a restart ends all that runs.</p>}
    </Modal>
  );
}

interface PartProps {
  draft: Draft;
  choices: Choices | null;
  change: (part: Partial<Draft>) => void;
}

function contained(draft: Draft, choices: Choices | null): boolean {
  return (draft.driver || choices?.mode) === CONTAINED;
}

function Kind({ draft, choices, fixed, change }: PartProps & { fixed: boolean }) {
  const names = choices?.drivers ?? [];
  const usual = choices ? placeOf(choices.mode) : "…";
  const known = draft.driver === "" || names.includes(draft.driver) ? names : [...names, draft.driver];
  const drivers: [string, string][] = known.map((name) => [name, placeOf(name)]);
  return (
    <>
      <Select
        label="Programs run in"
        value={draft.driver}
        disabled={fixed}
        choices={[["", `usual: ${usual}`], ...drivers]}
        set={(driver) => change({ driver })}
      />
      {fixed && <p class="about">Only the person whose workspace it is changes where its programs run.</p>}
      {choices?.reason && draft.driver === "" && <p class="about">{sentence(cleanText(choices.reason))}</p>}
      {contained(draft, choices) && <Image draft={draft} choices={choices} change={change} />}
      <Field
        label="Programs begin in the folder"
        name="cwd"
        placeholder="the top of the workspace"
        autocomplete="off"
        spellcheck={false}
        maxLength={4096}
        value={draft.cwd}
        onInput={(event) => change({ cwd: event.currentTarget.value })}
      />
    </>
  );
}

/** The image of a container. Names with a `*` are only told; the others can be chosen. */
function Image({ draft, choices, change }: PartProps) {
  const images = choices?.images ?? [];
  const patterns = images.filter((name) => name.includes("*"));
  const hint = images.length === 0 ? "The server allows no other." : patterns.length > 0 ? `Allowed are ${images.join(", ")}.` : undefined;
  return (
    <>
      <Field
        label="Image of the container"
        name="image"
        list="images"
        placeholder={choices?.image}
        hint={hint}
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        maxLength={256}
        disabled={choices !== null && images.length === 0 && draft.image === ""}
        value={draft.image}
        onInput={(event) => change({ image: event.currentTarget.value })}
      />
      <datalist id="images">
        {images
          .filter((name) => !name.includes("*"))
          .map((name) => (
            <option key={name} value={name} />
          ))}
      </datalist>
    </>
  );
}

function Limits({ draft, choices, change }: PartProps) {
  const most = choices?.limits;
  const upTo = (limit: number | undefined, text: (limit: number) => string): string => (limit ? `at most ${text(limit)}` : "any number");
  const networked = choices?.networked.includes(draft.driver || choices.mode) ?? true;
  return (
    <>
      <div class="columns of-three">
        <Limit label="Memory" name="memory" placeholder={upTo(most?.memory, size)} value={draft.memory} set={(memory) => change({ memory })} />
        <Limit label="Processors" name="cpu" placeholder={upTo(most?.cpu, processors)} value={draft.cpu} set={(cpu) => change({ cpu })} />
        <Limit
          label="Processes"
          name="processes"
          placeholder={upTo(most?.processes, String)}
          value={draft.processes}
          set={(processes) => change({ processes })}
        />
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={draft.network && networked}
          disabled={!networked}
          onChange={(event) => change({ network: event.currentTarget.checked })}
        />
        <span>Programs may use the network{networked ? "" : ": the server's settings do not allow it"}</span>
      </label>
    </>
  );
}

function Published({ draft, change }: Omit<PartProps, "choices">) {
  return (
    <Field
      label="Published ports"
      name="ports"
      placeholder="none"
      hint="For what other machines are to reach directly, where the server allows it; the workspace's settings say at which port. Previews need none."
      autocomplete="off"
      value={draft.ports}
      onInput={(event) => change({ ports: event.currentTarget.value })}
    />
  );
}

interface LimitProps {
  label: string;
  name: string;
  placeholder: string;
  value: string;
  set: (text: string) => void;
}

function Limit({ set, ...rest }: LimitProps) {
  return <Field {...rest} autocomplete="off" spellcheck={false} maxLength={32} onInput={(event) => set(event.currentTarget.value)} />;
}
