/** The audit log, newest first. Everything in it is shown as text. */

import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Page } from "../page";
import { Pages } from "../pages";
import type { Entry } from "../rest";
import { Pause } from "../searching";
import { moment } from "../times";
import { Nothing, Section } from "./panel";
import { Cell, More, Table } from "./table";

export function Audit({ page }: { page: Page }) {
  const entries = useMemo(
    () => new Pages<Entry>((before) => page.rest.audit(before, "", ""), ({ number }) => number),
    [],
  );
  const pause = useMemo(() => new Pause(), []);
  const action = useRef<HTMLInputElement>(null);
  const user = useRef<HTMLInputElement>(null);
  useEffect(() => void entries.restart(), []);
  const filter = (): void =>
    pause.after(() => {
      const [doing, who] = [action.current?.value.trim() ?? "", user.current?.value.trim() ?? ""];
      void entries.restart((before) => page.rest.audit(before, doing, who));
    });
  const items = entries.items.value;
  return (
    <Section title="Audit log">
      <div class="tools">
        <input type="search" aria-label="Action" placeholder="Action" spellcheck={false} ref={action} onInput={filter} />
        <input type="search" aria-label="Person" placeholder="Person" spellcheck={false} ref={user} onInput={filter} />
        <button onClick={() => void entries.restart()}>Refresh</button>
      </div>
      {items.length === 0 || entries.problem.value ? (
        <Nothing problem={entries.problem.value} text="Nothing fits." known={!entries.busy.value} />
      ) : (
        <Table columns={["When", "Who", "What", "To what", "From"]} dense>
          {items.map((entry) => (
            <Row key={entry.number} entry={entry} />
          ))}
        </Table>
      )}
      <More pages={entries} />
    </Section>
  );
}

function Row({ entry }: { entry: Entry }) {
  return (
    <tr role="row">
      <Cell label="When" kind="tight">
        <time dateTime={new Date(entry.at * 1000).toISOString()}>{moment(entry.at)}</time>
      </Cell>
      <Cell label="Who" kind="tight">{entry.name || <span class="none">nobody</span>}</Cell>
      <Cell label="What" kind="tight">
        <b>{entry.action}</b>
      </Cell>
      <Cell label="To what">
        <span class="target">{entry.target}</span>
        {entry.detail && <span class="more-detail">{entry.detail}</span>}
      </Cell>
      <Cell label="From">{entry.address}</Cell>
    </tr>
  );
}
