/** How often people of each tier may call. The settings have the numbers. */

import type { TierNumbers } from "../rest";
import type { Answer } from "./asking";
import { Nothing, Section } from "./panel";
import { Cell, Table } from "./table";

const COUNT = new Intl.NumberFormat("en");

export function Tiers({ tiers }: { tiers: Answer<TierNumbers[]> }) {
  return (
    <Section title="Tiers" about="How often people may call. The numbers are in the settings, under limits.tiers.">
      {tiers.value ? (
        <Table columns={["Tier", "Calls a minute", "Sign-ins a minute", "AI calls a day"]}>
          {tiers.value.map((tier) => (
            <tr key={tier.name} role="row">
              <Cell label="Tier" kind="head">
                {tier.name}
              </Cell>
              <Cell label="Calls a minute">{count(tier.general)}</Cell>
              <Cell label="Sign-ins a minute">{count(tier.auth)}</Cell>
              <Cell label="AI calls a day">{count(tier.ai)}</Cell>
            </tr>
          ))}
        </Table>
      ) : (
        <Nothing problem={tiers.problem} text="" known={false} />
      )}
    </Section>
  );
}

function count(number: number): string {
  return number === 0 ? "no limit" : COUNT.format(number);
}
