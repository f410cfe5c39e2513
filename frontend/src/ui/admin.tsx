/** The administration: people, invitations, what runs, the audit log, tiers. */

import type { Page } from "../page";
import { ADMIN_SECTIONS, type AdminSection } from "../panels";
import type { Me } from "../rest";
import { useAnswer } from "./asking";
import { Audit } from "./audit";
import { Invitations } from "./invitations";
import { Overview } from "./overview";
import { People } from "./people";
import { Tiers } from "./tiers";

const TITLES: Record<AdminSection, string> = {
  people: "People",
  invitations: "Invitations",
  running: "Running",
  audit: "Audit log",
  tiers: "Tiers",
};

export function Admin({ page, me, section }: { page: Page; me: Me; section: AdminSection }) {
  const tiers = useAnswer(() => page.rest.tiers());
  const names = tiers.value?.map(({ name }) => name) ?? [];
  return (
    <>
      <div class="sections" role="tablist" aria-label="Administration" onKeyDown={(event) => arrows(page, section, event)}>
        {ADMIN_SECTIONS.map((name) => (
          <button
            key={name}
            id={`tab-${name}`}
            role="tab"
            aria-selected={name === section}
            aria-controls="admin-section"
            tabIndex={name === section ? 0 : -1}
            onClick={() => page.panels.turn(`admin/${name}`)}
          >
            {TITLES[name]}
          </button>
        ))}
      </div>
      <div id="admin-section" role="tabpanel" aria-labelledby={`tab-${section}`}>
        {section === "people" && <People page={page} me={me} tiers={names} />}
        {section === "invitations" && <Invitations page={page} tiers={names} />}
        {section === "running" && <Overview page={page} />}
        {section === "audit" && <Audit page={page} />}
        {section === "tiers" && <Tiers tiers={tiers} />}
      </div>
    </>
  );
}

function arrows(page: Page, section: AdminSection, event: KeyboardEvent): void {
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  if (step === 0) return;
  event.preventDefault();
  const { length } = ADMIN_SECTIONS;
  const next = ADMIN_SECTIONS[(ADMIN_SECTIONS.indexOf(section) + step + length) % length] as AdminSection;
  page.panels.turn(`admin/${next}`);
  document.getElementById(`tab-${next}`)?.focus();
}
