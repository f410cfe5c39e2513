/** Accounts at OpenID providers with which one can sign in here. */

import type { Page } from "../page";
import type { Options } from "../rest";
import { day } from "../times";
import { useAction, useAnswer } from "./asking";
import { Problem } from "./fields";
import { Nothing, Section } from "./panel";

export function Identities({ page, providers }: { page: Page; providers: Options["providers"] }) {
  const identities = useAnswer(() => page.rest.identities());
  const action = useAction();
  const linked = identities.value ?? [];
  const unlinked = providers.filter(({ id }) => !linked.some(({ provider }) => provider === id));
  if (providers.length === 0 && linked.length === 0) return null;
  const unlink = async (provider: string): Promise<void> => {
    await action.run(() => page.rest.unlinkIdentity(provider));
    await identities.reload();
  };
  const link = (provider: string): Promise<boolean> =>
    action.run(async () => location.assign(await page.rest.linkIdentity(provider)));
  return (
    <Section title="Linked accounts" about="Other ways to sign in as you.">
      {!identities.value && <Nothing problem={identities.problem} text="None." known={false} />}
      <ul class="cards">
        {linked.map(({ provider, name, email, created }) => (
          <li key={provider}>
            <div>
              <p class="title">{name}</p>
              <p class="detail">
                {email && <span>{email}</span>}
                <span>linked {day(created)}</span>
              </p>
            </div>
            <button disabled={action.busy} aria-label={`Unlink ${name}`} onClick={() => void unlink(provider)}>
              Unlink
            </button>
          </li>
        ))}
        {identities.value &&
          unlinked.map(({ id, name }) => (
            <li key={id}>
              <div>
                <p class="title">{name}</p>
                <p class="detail">not linked</p>
              </div>
              <button disabled={action.busy} aria-label={`Link ${name}`} onClick={() => void link(id)}>
                Link…
              </button>
            </li>
          ))}
      </ul>
      <Problem action={action} />
    </Section>
  );
}
