/** One person's account, as an administrator makes and changes it. */

import { useRef, useState } from "preact/hooks";
import type { Page } from "../page";
import type { Account, Me, Role } from "../rest";
import { useAnswer } from "./asking";
import { Field, NewPassword, Select } from "./fields";
import { Modal } from "./modal";

export const ROLES = [
  ["user", "User"],
  ["admin", "Administrator"],
] as const;

interface AddProps {
  page: Page;
  tiers: string[];
  done: () => void;
  added: (person: Account) => void;
}

export function AddPerson({ page, tiers, done, added }: AddProps) {
  const options = useAnswer(() => page.rest.options());
  const name = useRef<HTMLInputElement>(null);
  const email = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  const [role, setRole] = useState<Role>("user");
  const [tier, setTier] = useState("");
  const create = async (): Promise<void> => {
    const person = await page.rest.createUser({
      username: name.current?.value.trim() ?? "",
      role,
      email: email.current?.value.trim() || null,
      password: password.current?.value || null,
      tier: tier || null,
    });
    added(person);
  };
  return (
    <Modal title="Add a person" accept="Add" onClose={done} onAccept={create}>
      <Field label="User name" name="new-username" autocomplete="off" spellcheck={false} required data-first field={name} />
      <Field label="E-mail (optional)" name="new-email" type="email" autocomplete="off" field={email} />
      <NewPassword
        label="Password (optional)"
        least={options.value?.min_password ?? 10}
        required={false}
        hint="Without one, they sign in with a linked provider only"
        field={password}
      />
      <div class="columns">
        <Select label="Role" value={role} choices={ROLES} set={setRole} />
        <Select label="Tier" value={tier} choices={tierChoices(tiers)} set={setTier} />
      </div>
      <p class="hint">Or send them an invitation, and they choose their own name and password.</p>
    </Modal>
  );
}

/** With the server's usual tier first, which has no name here. */
export function tierChoices(tiers: string[]): [value: string, label: string][] {
  return [["", "As usual"], ...tiers.map((tier): [string, string] => [tier, tier])];
}

interface EditProps {
  page: Page;
  me: Me;
  person: Account;
  tiers: string[];
  done: () => void;
  changed: (person: Account) => void;
  deleted: () => void;
}

export function EditPerson({ page, me, person, tiers, done, changed, deleted }: EditProps) {
  const [role, setRole] = useState<Role>(person.role);
  const [tier, setTier] = useState(person.tier);
  const [enabled, setEnabled] = useState(!person.disabled);
  const [doing, setDoing] = useState<"password" | "deletion" | null>(null);
  const protectedPerson = person.owner || person.id === me.id;
  const save = async (): Promise<void> => {
    const change = {
      ...(role === person.role ? {} : { role }),
      ...(tier === person.tier ? {} : { tier }),
      ...(enabled === !person.disabled ? {} : { disabled: !enabled }),
    };
    if (Object.keys(change).length > 0) changed(await page.rest.changeUser(person.id, change));
  };
  // Beside the dialog and not inside: its form must not hear of what theirs submit.
  return (
    <>
      <Modal title={person.username} accept="Save" onClose={done} onAccept={save}>
        {person.email && <p class="about">{person.email}</p>}
        <div class="columns">
          <Select label="Role" value={role} choices={ROLES} set={setRole} disabled={protectedPerson} />
          <Select label="Tier" value={tier} choices={tiers.map((name) => [name, name] as const)} set={setTier} />
        </div>
        <label class="check">
          <input
            type="checkbox"
            checked={enabled}
            disabled={protectedPerson}
            onChange={(event) => setEnabled(event.currentTarget.checked)}
          />
          May sign in
        </label>
        <p class="hint">
          {protectedPerson
            ? `This is ${person.owner ? "the owner" : "you"}: role and sign-in stay as they are.`
            : "Changes reach open pages and programs at once."}
        </p>
        {!protectedPerson && (
          <div class="also">
            <button type="button" onClick={() => setDoing("password")}>
              Set a new password…
            </button>
            <button type="button" class="danger" onClick={() => setDoing("deletion")}>
              Delete…
            </button>
          </div>
        )}
      </Modal>
      {doing === "password" && <ResetPassword page={page} person={person} done={() => setDoing(null)} />}
      {doing === "deletion" && (
        <DeletePerson
          page={page}
          person={person}
          done={() => setDoing(null)}
          deleted={() => {
            done();
            deleted();
          }}
        />
      )}
    </>
  );
}

function ResetPassword({ page, person, done }: { page: Page; person: Account; done: () => void }) {
  const options = useAnswer(() => page.rest.options());
  const field = useRef<HTMLInputElement>(null);
  const set = (): Promise<unknown> => page.rest.changeUser(person.id, { password: field.current?.value ?? "" });
  return (
    <Modal title={`A new password for ${person.username}`} accept="Set it" onClose={done} onAccept={set}>
      <NewPassword label="New password" least={options.value?.min_password ?? 10} first field={field} />
      <p class="hint">All their devices are signed out. Tell them the password yourself.</p>
    </Modal>
  );
}

interface DeleteProps {
  page: Page;
  person: Account;
  done: () => void;
  deleted: () => void;
}

function DeletePerson({ page, person, done, deleted }: DeleteProps) {
  const remove = async (): Promise<void> => {
    await page.rest.deleteUser(person.id);
    deleted();
  };
  return (
    <Modal title={`Delete ${person.username}?`} accept={`Delete ${person.username}`} danger onClose={done} onAccept={remove}>
      <p>
        The account of <b>{person.username}</b>
        {person.email && ` (${person.email})`} goes, with its devices and tokens. This cannot be undone. To keep
        somebody out for a while, take away “May sign in” instead.
      </p>
    </Modal>
  );
}
