/** Personal access tokens: proofs for programs, with fewer rights and an end. */

import { useRef, useState } from "preact/hooks";
import type { Page } from "../page";
import type { Me, PersonalToken, TokenScope } from "../rest";
import { day, moment, relative } from "../times";
import { useAction, useAnswer } from "./asking";
import { Field, Problem, Select, ToCopy } from "./fields";
import { Modal } from "./modal";
import { Nothing, Section } from "./panel";

const SCOPES: [scope: TokenScope, meaning: string][] = [
  ["terminals:read", "See terminals"],
  ["terminals:write", "Use terminals"],
  ["workspaces:read", "See workspaces and their files"],
  ["workspaces:write", "Change workspaces and their files"],
  ["admin", "Administration"],
];
const USUAL: readonly TokenScope[] = ["terminals:read", "terminals:write"];
const EXPIRIES = [
  ["7", "In 7 days"],
  ["30", "In 30 days"],
  ["90", "In 90 days"],
  ["365", "In a year"],
  ["never", "Never"],
] as const;
type Expiry = (typeof EXPIRIES)[number][0];

export function Tokens({ page, me }: { page: Page; me: Me }) {
  const tokens = useAnswer(() => page.rest.tokens());
  const [made, setMade] = useState<{ name: string; token: string } | null>(null);
  const [revoking, setRevoking] = useState<PersonalToken | null>(null);
  const list = tokens.value ?? [];
  return (
    <Section title="Access tokens" about="For scripts and programs, in the header “Authorization: Bearer …”.">
      {list.length === 0 && <Nothing problem={tokens.problem} text="None yet." known={tokens.value !== null} />}
      <ul class="cards">
        {list.map((token) => (
          <TokenCard key={token.id} token={token} revoke={() => setRevoking(token)} />
        ))}
      </ul>
      {made && (
        <div class="made">
          <ToCopy label={`The token “${made.name}”`} text={made.token}>
            It is shown this once only: keep it in a safe place.
          </ToCopy>
          <button onClick={() => setMade(null)}>Done</button>
        </div>
      )}
      <CreateToken
        page={page}
        scopes={SCOPES.filter(([scope]) => me.scopes.includes(scope))}
        created={(name, token) => {
          setMade({ name, token });
          void tokens.reload();
        }}
      />
      {revoking && (
        <Modal
          title={`Revoke “${revoking.name}”?`}
          accept="Revoke it"
          danger
          onClose={() => setRevoking(null)}
          onAccept={async () => {
            await page.rest.revokeToken(revoking.id);
            await tokens.reload();
          }}
        >
          <p>Programs that use it are cut off at once.</p>
        </Modal>
      )}
    </Section>
  );
}

function TokenCard({ token, revoke }: { token: PersonalToken; revoke: () => void }) {
  const over = token.expires !== null && token.expires * 1000 < Date.now();
  return (
    <li>
      <div>
        <p class="title">
          {token.name}
          {over && <span class="tag bad">expired</span>}
        </p>
        <p class="detail">
          <span>{token.scopes.join(", ")}</span>
          <span title={token.expires === null ? undefined : moment(token.expires)}>
            {token.expires === null ? "never expires" : `expires ${day(token.expires)}`}
          </span>
          <span title={moment(token.seen ?? token.created)}>
            {token.seen === null ? `made ${relative(token.created)}, never used` : `used ${relative(token.seen)}`}
          </span>
        </p>
      </div>
      <button aria-label={`Revoke ${token.name}`} onClick={revoke}>
        Revoke
      </button>
    </li>
  );
}

interface CreateProps {
  page: Page;
  scopes: [scope: TokenScope, meaning: string][];
  created: (name: string, token: string) => void;
}

function CreateToken({ page, scopes, created }: CreateProps) {
  const action = useAction();
  const name = useRef<HTMLInputElement>(null);
  const [chosen, setChosen] = useState<readonly TokenScope[]>(USUAL);
  const [expiry, setExpiry] = useState<Expiry>("90");
  const toggle = (scope: TokenScope, on: boolean): void =>
    setChosen(on ? [...chosen, scope] : chosen.filter((other) => other !== scope));
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    await action.run(async () => {
      const days = expiry === "never" ? null : Number(expiry);
      const token = await page.rest.createToken(name.current?.value.trim() ?? "", [...chosen], days);
      created(token.name, token.token);
      form.reset();
    });
  };
  return (
    <form class="create" aria-label="New token" onSubmit={(event) => void submit(event)}>
      <div class="columns">
        <Field label="Name of a new token" name="token-name" required maxLength={64} autocomplete="off" field={name} />
        <Select label="Expires" value={expiry} choices={EXPIRIES} set={setExpiry} />
      </div>
      <fieldset class="checks">
        <legend>It may</legend>
        {scopes.map(([scope, meaning]) => (
          <label key={scope}>
            <input
              type="checkbox"
              checked={chosen.includes(scope)}
              onChange={(event) => toggle(scope, event.currentTarget.checked)}
            />
            {meaning} <code>{scope}</code>
          </label>
        ))}
      </fieldset>
      <div class="buttons">
        <Problem action={action} />
        <button class="primary" disabled={action.busy || chosen.length === 0}>
          Create token
        </button>
      </div>
    </form>
  );
}
