/** One's own account. */

import { useRef, useState } from "preact/hooks";
import type { Page } from "../page";
import type { Me } from "../rest";
import { day } from "../times";
import { useAction, useAnswer } from "./asking";
import { Devices } from "./devices";
import { NewPassword, Password, Problem } from "./fields";
import { Identities } from "./identities";
import { Section } from "./panel";
import { Tokens } from "./tokens";

export function Account({ page, me }: { page: Page; me: Me }) {
  const options = useAnswer(() => page.rest.options());
  return (
    <>
      <Profile me={me} />
      <ChangePassword page={page} me={me} least={options.value?.min_password ?? 10} />
      <Devices page={page} />
      <Tokens page={page} me={me} />
      {options.value && <Identities page={page} providers={options.value.providers} />}
    </>
  );
}

function Profile({ me }: { me: Me }) {
  const role = me.owner ? "Owner of this server" : me.role === "admin" ? "Administrator" : "User";
  return (
    <Section title="Profile">
      <dl class="facts">
        <dt>User name</dt>
        <dd>{me.username}</dd>
        <dt>E-mail</dt>
        <dd>{me.email ?? "none"}</dd>
        <dt>Role</dt>
        <dd>{role}</dd>
        <dt>Tier</dt>
        <dd>{me.tier}</dd>
        <dt>Since</dt>
        <dd>{day(me.created)}</dd>
      </dl>
    </Section>
  );
}

function ChangePassword({ page, me, least }: { page: Page; me: Me; least: number }) {
  const action = useAction();
  const [changes, setChanges] = useState(0);
  const current = useRef<HTMLInputElement>(null);
  const fresh = useRef<HTMLInputElement>(null);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const old = me.has_password ? current.current?.value : undefined;
    if (!(await action.run(() => page.rest.setPassword(old, fresh.current?.value ?? "")))) return;
    setChanges(changes + 1); // a new key: the form starts empty again
    await page.learn();
  };
  const about = me.has_password
    ? "A new password signs out all your other devices. Access tokens stay."
    : "You have none yet: you signed in by a link, or with a provider. With one, you can sign in anywhere.";
  return (
    <Section title="Password" about={about}>
      <form key={changes} onSubmit={(event) => void submit(event)}>
        <input hidden name="username" autocomplete="username" readOnly value={me.username} />
        <div class="columns">
          {me.has_password && (
            <Password label="Current password" name="password" autocomplete="current-password" field={current} />
          )}
          <NewPassword label="New password" least={least} field={fresh} />
        </div>
        <div class="buttons">
          <Problem action={action} />
          {changes > 0 && !action.refusal && (
            <p class="done" role="status">
              The password is set.
            </p>
          )}
          <button class="primary" disabled={action.busy || action.wait > 0}>
            {me.has_password ? "Change password" : "Set a password"}
          </button>
        </div>
      </form>
    </Section>
  );
}
