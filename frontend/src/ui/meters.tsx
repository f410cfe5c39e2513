/** What the programs of a workspace use, and of how much. */

import type { RuntimeStatsMessage } from "../protocol.gen";
import { readings, type Reading } from "../runtimes/words";
import { size } from "../files/sizes";

/** Where more than this of what is allowed is used, it is high. */
const HIGH = 0.9;

export interface Disk {
  bytes: number;
  most: number;
}

export function Meters({ stats, disk }: { stats: RuntimeStatsMessage | null; disk: Disk | null }) {
  const rows = stats ? readings(stats) : [];
  if (disk) {
    const text = size(disk.bytes) + (disk.most > 0 ? ` of ${size(disk.most)}` : "");
    rows.push({ name: "Disk", text, part: disk.most > 0 ? disk.bytes / disk.most : null });
  }
  if (rows.length === 0) return null;
  return (
    <dl class="meters">
      {rows.map((row) => (
        <Row key={row.name} {...row} />
      ))}
    </dl>
  );
}

function Row({ name, text, part }: Reading) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <span>{text}</span>
        {part !== null && <meter min={0} max={1} high={HIGH} optimum={0} value={Math.min(1, part)} aria-label={`${name}: ${text}`} />}
      </dd>
    </div>
  );
}
