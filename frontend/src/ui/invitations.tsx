/** Invitations that are open, and new ones. */

import { useRef, useState } from "preact/hooks";
import { invitationLink } from "../arrival";
import type { Page } from "../page";
import type { Invitation, Role } from "../rest";
import { moment, relative } from "../times";
import { useAction, useAnswer } from "./asking";
import { Field, Problem, Select, ToCopy } from "./fields";
import { Nothing, Section } from "./panel";
import { ROLES, tierChoices } from "./person";

export function Invitations({ page, tiers }: { page: Page; tiers: string[] }) {
  const open = useAnswer(() => page.rest.invitations());
  const options = useAnswer(() => page.rest.options());
  const action = useAction();
  const [link, setLink] = useState<string | null>(null);
  const list = open.value ?? [];
  const revoke = async (id: string): Promise<void> => {
    await action.run(() => page.rest.revokeInvitation(id));
    await open.reload();
  };
  return (
    <Section title="Invitations" about="Whoever opens the link of an invitation can make one account with it.">
      {options.value?.registration === "closed" && (
        <p class="notice">Registration is closed: invitations work once the setting accounts.registration is “invite”.</p>
      )}
      <Invite
        page={page}
        tiers={tiers}
        made={(token) => {
          setLink(invitationLink(token));
          void open.reload();
        }}
      />
      {link && (
        <div class="made">
          <ToCopy label="The link" text={link}>
            It is shown this once only: send it to whom you invite.
          </ToCopy>
          <button onClick={() => setLink(null)}>Done</button>
        </div>
      )}
      {list.length === 0 && <Nothing problem={open.problem} text="No invitation is open." known={open.value !== null} />}
      <ul class="cards">
        {list.map((invitation) => (
          <Card key={invitation.id} invitation={invitation} busy={action.busy} revoke={revoke} />
        ))}
      </ul>
      <Problem action={action} />
    </Section>
  );
}

interface CardProps {
  invitation: Invitation;
  busy: boolean;
  revoke: (id: string) => Promise<void>;
}

function Card({ invitation: { id, email, role, tier, created, expires }, busy, revoke }: CardProps) {
  return (
    <li>
      <div>
        <p class="title">{email ?? "For anybody"}</p>
        <p class="detail">
          <span>{role === "admin" ? "administrator" : "user"}</span>
          <span>tier {tier}</span>
          <span title={moment(created)}>made {relative(created)}</span>
          <span title={moment(expires)}>ends {relative(expires)}</span>
        </p>
      </div>
      <button disabled={busy} aria-label={`Revoke the invitation for ${email ?? "anybody"}`} onClick={() => void revoke(id)}>
        Revoke
      </button>
    </li>
  );
}

function Invite({ page, tiers, made }: { page: Page; tiers: string[]; made: (token: string) => void }) {
  const action = useAction();
  const email = useRef<HTMLInputElement>(null);
  const [role, setRole] = useState<Role>("user");
  const [tier, setTier] = useState("");
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    await action.run(async () => {
      const address = email.current?.value.trim();
      const { token } = await page.rest.invite({ role, email: address || null, tier: tier || null });
      form.reset();
      made(token);
    });
  };
  return (
    <form class="create" aria-label="New invitation" onSubmit={(event) => void submit(event)}>
      <div class="columns">
        <Field label="E-mail (optional)" name="invited" type="email" autocomplete="off" maxLength={254} field={email} />
        <Select label="Role" value={role} choices={ROLES} set={setRole} />
        <Select label="Tier" value={tier} choices={tierChoices(tiers)} set={setTier} />
      </div>
      <div class="buttons">
        <Problem action={action} />
        <button class="primary" disabled={action.busy}>
          Make an invitation
        </button>
      </div>
    </form>
  );
}
