/** Which workspaces run, whosever they are, what they use, and how they are stopped. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { counted, size } from "../files/sizes";
import type { Page } from "../page";
import { Pages } from "../pages";
import type { RunningWorkspace } from "../rest";
import { placeOf, processors, STATES } from "../runtimes/words";
import { moment, relative } from "../times";
import { Modal } from "./modal";
import { Nothing, Section } from "./panel";
import { Cell, More, Table } from "./table";

/** Milliseconds between two looks, while somebody looks at the first page of the list only. */
const EVERY = 5_000;
const FIRST_PAGE = 50;

export function Overview({ page }: { page: Page }) {
  const [stopping, setStopping] = useState<RunningWorkspace | null>(null);
  const [away, setAway] = useState("");
  const [known, setKnown] = useState(false);
  const running = useMemo(() => {
    const ask = async (after: number | null) => {
      const found = await page.rest.running(after);
      setAway(found.problem);
      setKnown(true);
      return found;
    };
    return new Pages<RunningWorkspace>(ask, ({ workspace }) => workspace);
  }, []);
  useEffect(() => {
    void running.restart();
    const timer = setInterval(() => {
      const long = running.items.value.length > FIRST_PAGE;
      if (document.visibilityState === "visible" && !running.busy.value && !long) void running.restart();
    }, EVERY);
    return () => clearInterval(timer);
  }, []);
  const items = running.items.value;
  const stop = async (one: RunningWorkspace): Promise<void> => {
    await page.rest.stopRunning(one.workspace);
    await running.restart();
  };
  return (
    <Section
      title="Running workspaces"
      about="Those that use the most memory come first. What is in them, only their own people see."
    >
      {away && <p class="notice">Containers cannot be asked now: {away}</p>}
      {items.length === 0 || running.problem.value ? (
        <Nothing problem={running.problem.value} text="Nothing runs." known={known} />
      ) : (
        <Table columns={["Workspace", "Owner", "State", "Memory", "Processors", "Since", ""]}>
          {items.map((one) => (
            <Row key={one.workspace} one={one} stop={() => setStopping(one)} />
          ))}
        </Table>
      )}
      <More pages={running} />
      {stopping && (
        <Modal
          title={`Stop everything in ${stopping.name}?`}
          accept="Stop"
          danger
          onClose={() => setStopping(null)}
          onAccept={() => stop(stopping)}
        >
          <p>
            It belongs to <b>{stopping.owner_name || stopping.owner}</b>. All of its terminals and programs end, and its
            people are told that an administrator has stopped it. Its files stay.
          </p>
        </Modal>
      )}
    </Section>
  );
}

function Row({ one, stop }: { one: RunningWorkspace; stop: () => void }) {
  return (
    <tr role="row">
      <Cell label="Workspace" kind="head">
        {one.name}
        <span class="more-detail">{one.image || placeOf(one.driver)}</span>
      </Cell>
      <Cell label="Owner">{one.owner_name || one.owner}</Cell>
      <Cell label="State">
        {STATES[one.state]}
        <span class="more-detail">{one.message || people(one)}</span>
      </Cell>
      <Cell label="Memory" kind="tight">
        {use(one.memory, one.memory_limit, size)}
      </Cell>
      <Cell label="Processors" kind="tight">
        {use(one.cpu, one.cpu_limit, processors)}
      </Cell>
      <Cell label="Since" kind="tight">
        {one.since === null ? <span class="none">unknown</span> : <span title={moment(one.since)}>{relative(one.since)}</span>}
      </Cell>
      <Cell label="" kind="action">
        <button aria-label={`Stop ${one.name} of ${one.owner_name || one.owner}`} disabled={one.state === "stopping"} onClick={stop}>
          Stop…
        </button>
      </Cell>
    </tr>
  );
}

function people({ terminals, viewers }: RunningWorkspace): string {
  return `${counted(terminals, "terminal")}, ${counted(viewers, "viewer")}`;
}

function use(value: number | null, most: number, spell: (value: number) => string) {
  if (value === null) return <span class="none">unknown</span>;
  return (
    <>
      {spell(value)}
      {most > 0 && <span class="more-detail">of {spell(most)}</span>}
    </>
  );
}
