/** Links that show a preview to whoever holds them. */

import { useState } from "preact/hooks";
import type { Page } from "../page";
import type { MadeShare, Workspace } from "../rest";
import { moment, relative } from "../times";
import { lifetimes } from "../runtimes/words";
import { useAction, useAnswer } from "./asking";
import { Problem, Select, ToCopy } from "./fields";
import { Modal } from "./modal";

interface Props {
  page: Page;
  workspace: Workspace;
  port: number;
  close: () => void;
}

export function ShareDialog({ page, workspace, port, close }: Props) {
  const shares = useAnswer(() => page.rest.shares(workspace.id));
  const limits = useAnswer(() => page.rest.runtimeChoices());
  const action = useAction();
  const [wanted, setWanted] = useState("24");
  const [made, setMade] = useState<MadeShare | null>(null);
  const act = (work: () => Promise<unknown>): void =>
    void action.run(async () => {
      await work();
      await shares.reload();
    });
  const days = limits.value?.share_days ?? Infinity;
  const choices = lifetimes(days);
  const hours = choices.some(([value]) => value === wanted) ? wanted : "";
  const make = (): void =>
    act(async () => setMade(await page.rest.share(workspace.id, port, hours === "" ? null : Number(hours) * 60)));
  const revoke = (id: string): void =>
    act(async () => {
      await page.rest.revokeShare(workspace.id, id);
      if (made?.share.id === id) setMade(null);
    });
  const own = (shares.value ?? []).filter((share) => share.port === port);
  return (
    <Modal title={`Share port ${port} of ${workspace.name}`} onClose={close}>
      <p>
        Whoever has such a link sees what this port shows, without signing in, until it runs out. It gives nothing else of the
        workspace.
      </p>
      {days === 0 ? (
        <p class="about">The settings of this server allow no links.</p>
      ) : (
        <div class="share-make">
          <Select label="The link is good" value={hours} choices={choices} set={setWanted} />
          <button type="button" class="primary" data-first disabled={action.busy} onClick={make}>
            Make a link
          </button>
        </div>
      )}
      {action.refusal && <Problem action={action} />}
      {made && (
        <ToCopy key={made.share.id} label="Link, told only now" text={made.url}>
          It runs out {relative(made.share.expires)}
        </ToCopy>
      )}
      {shares.problem && <p class="problem">{shares.problem}</p>}
      <ul class="cards" aria-label="Links that are good now">
        {own.map((share) => (
          <li key={share.id}>
            <p class="detail" title={moment(share.expires)}>
              <span>runs out {relative(share.expires)}</span>
              <span>made {relative(share.created)}</span>
            </p>
            <button
              type="button"
              class="danger"
              disabled={action.busy}
              aria-label={`Take back the link that runs out ${relative(share.expires)}`}
              onClick={() => revoke(share.id)}
            >
              Take back
            </button>
          </li>
        ))}
      </ul>
    </Modal>
  );
}
