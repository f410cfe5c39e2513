/** Everybody who has an account. */

import { useEffect, useMemo, useState } from "preact/hooks";
import type { Page } from "../page";
import { Pages } from "../pages";
import type { Account, Me } from "../rest";
import { Pause } from "../searching";
import { day, moment } from "../times";
import { Nothing, Section } from "./panel";
import { AddPerson, EditPerson } from "./person";
import { Cell, More, Table } from "./table";

export function People({ page, me, tiers }: { page: Page; me: Me; tiers: string[] }) {
  const people = useMemo(() => new Pages<Account>((after) => page.rest.users(after, ""), ({ id }) => id), []);
  const pause = useMemo(() => new Pause(), []);
  const [editing, setEditing] = useState<Account | null>(null);
  const [adding, setAdding] = useState(false);
  useEffect(() => void people.restart(), []);
  const search = (text: string): void =>
    pause.after(() => void people.restart((after) => page.rest.users(after, text.trim())));
  const items = people.items.value;
  return (
    <Section title="People">
      <div class="tools">
        <input
          type="search"
          aria-label="Search people"
          placeholder="User name or e-mail"
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => search(event.currentTarget.value)}
        />
        <button class="primary" onClick={() => setAdding(true)}>
          Add a person…
        </button>
      </div>
      {items.length === 0 || people.problem.value ? (
        <Nothing problem={people.problem.value} text="Nobody is called that." known={!people.busy.value} />
      ) : (
        <Table columns={["User name", "E-mail", "Role", "Tier", "Since", ""]}>
          {items.map((person) => (
            <Row key={person.id} person={person} edit={() => setEditing(person)} />
          ))}
        </Table>
      )}
      <More pages={people} />
      {adding && (
        <AddPerson page={page} tiers={tiers} done={() => setAdding(false)} added={(person) => people.put(person)} />
      )}
      {editing && (
        <EditPerson
          page={page}
          me={me}
          person={editing}
          tiers={tiers}
          done={() => setEditing(null)}
          changed={(person) => people.put(person)}
          deleted={() => void people.restart()}
        />
      )}
    </Section>
  );
}

function Row({ person, edit }: { person: Account; edit: () => void }) {
  const role = person.owner ? "owner" : person.role;
  return (
    <tr role="row" class={person.disabled ? "off" : undefined}>
      <Cell label="User name" kind="head">
        {person.username}
        {person.disabled && <span class="tag bad">disabled</span>}
      </Cell>
      <Cell label="E-mail">{person.email ?? <span class="none">none</span>}</Cell>
      <Cell label="Role" kind="tight">{role}</Cell>
      <Cell label="Tier" kind="tight">{person.tier}</Cell>
      <Cell label="Since" kind="tight">
        <span title={moment(person.created)}>{day(person.created)}</span>
      </Cell>
      <Cell label="" kind="action">
        <button aria-label={`Edit ${person.username}`} onClick={edit}>
          Edit…
        </button>
      </Cell>
    </tr>
  );
}
