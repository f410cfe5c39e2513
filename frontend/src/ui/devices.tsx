/** Where one is signed in. */

import { useState } from "preact/hooks";
import { deviceName } from "../agents";
import type { Page } from "../page";
import type { Device } from "../rest";
import { moment, relative } from "../times";
import { useAction, useAnswer } from "./asking";
import { Problem } from "./fields";
import { Modal } from "./modal";
import { Nothing, Section } from "./panel";

export function Devices({ page }: { page: Page }) {
  const devices = useAnswer(() => page.rest.devices());
  const action = useAction();
  const [asking, setAsking] = useState(false);
  const list = [...(devices.value ?? [])].sort(newestFirst);
  const others = list.filter((device) => !device.current);
  const end = async (ending: () => Promise<null>): Promise<void> => {
    await action.run(ending);
    await devices.reload();
  };
  return (
    <Section title="Devices" about="Browsers and programs that are signed in as you.">
      {list.length === 0 && <Nothing problem={devices.problem} text="None." known={devices.value !== null} />}
      <ul class="cards">
        {list.map((device) => (
          <DeviceCard key={device.id} device={device} busy={action.busy} end={() => end(() => page.rest.signOutDevice(device.id))} />
        ))}
      </ul>
      <div class="buttons">
        <Problem action={action} />
        <button disabled={action.busy || others.length === 0} onClick={() => void end(() => page.rest.signOutOthers())}>
          Sign out all others
        </button>
        <button class="danger" onClick={() => setAsking(true)}>
          Sign out everywhere…
        </button>
      </div>
      {asking && (
        <Modal
          title="Sign out everywhere?"
          accept="Sign out everywhere"
          danger
          onClose={() => setAsking(false)}
          onAccept={() => page.signOut(() => page.rest.signOutEverywhere())}
        >
          <p>Every browser and program is signed out at once, this browser too. Your terminals run on.</p>
        </Modal>
      )}
    </Section>
  );
}

function DeviceCard({ device, busy, end }: { device: Device; busy: boolean; end: () => Promise<void> }) {
  const name = deviceName(device.agent, device.kind);
  return (
    <li>
      <div>
        <p class="title" title={device.agent}>
          {name}
          {device.current && <span class="tag">this one</span>}
          {device.kind === "api" && <span class="tag">program</span>}
        </p>
        <p class="detail">
          {device.address && <span>{device.address}</span>}
          <span title={moment(device.seen)}>seen {relative(device.seen)}</span>
          <span title={moment(device.created)}>signed in {relative(device.created)}</span>
        </p>
      </div>
      {!device.current && (
        <button disabled={busy} aria-label={`Sign out ${name}, ${device.address}`} onClick={() => void end()}>
          Sign out
        </button>
      )}
    </li>
  );
}

function newestFirst(one: Device, other: Device): number {
  return Number(other.current) - Number(one.current) || other.seen - one.seen;
}
