/** A panel over the terminals, which go on underneath: the account, the administration, or the workspaces. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Page } from "../page";
import { Account } from "./account";
import { Admin } from "./admin";
import { Dashboard } from "./workspaces";

export function Panels({ page }: { page: Page }) {
  const me = page.me.value;
  const open = page.panels.shown(me);
  if (open?.kind === "workspaces") {
    return (
      <Panel key="workspaces" page={page} title="Workspaces">
        <Dashboard page={page} workspace={open.workspace} />
      </Panel>
    );
  }
  if (!open || !me) return null;
  if (open.kind === "account") {
    return (
      <Panel key="account" page={page} title="Account">
        <Account page={page} me={me} />
      </Panel>
    );
  }
  return (
    <Panel key="admin" page={page} title="Administration">
      {me.scopes.includes("admin") ? (
        <Admin page={page} me={me} section={open.section} />
      ) : (
        <p class="nothing">Only administrators can see this.</p>
      )}
    </Panel>
  );
}

function Panel({ page, title, children }: { page: Page; title: string; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    heading.current?.focus();
    return () => dialog?.close(); // also when the way back in the history has taken the panel away
  }, []);
  const leave = (event: Event): void => {
    event.preventDefault();
    element.current?.close();
    page.closePanel();
  };
  return (
    <dialog ref={element} class="panel" aria-labelledby="panel-title" onCancel={leave}>
      <header>
        <h1 id="panel-title" tabIndex={-1} ref={heading}>
          {title}
        </h1>
        <button class="icon" aria-label="Back to the terminals" title="Close (Escape)" onClick={leave}>
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M4 4l8 8M12 4l-8 8" />
          </svg>
        </button>
      </header>
      <div class="content">{children}</div>
    </dialog>
  );
}

/** One part of a panel. */
export function Section({ title, children, about }: { title: string; children: ComponentChildren; about?: string }) {
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      {about && <p class="about">{about}</p>}
      {children}
    </section>
  );
}

/** In the place of a list that is not there: waiting, refused, or empty. */
export function Nothing({ problem, text, known }: { problem: string | null; text: string; known: boolean }) {
  if (problem) {
    return (
      <p class="problem" role="alert">
        {problem}
      </p>
    );
  }
  return <p class="nothing">{known ? text : "…"}</p>;
}
