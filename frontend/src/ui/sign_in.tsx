/** What stands in front of everything while nobody is signed in. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { invitationIn, mayGoOn, providerPath, refusalIn, startAfresh, tokenOf } from "../arrival";
import type { Page } from "../page";
import type { Options } from "../rest";
import { useAction, useAnswer } from "./asking";
import { Field, Password, Problem } from "./fields";
import { useRetry } from "./focusing";
import { Register } from "./register";

export function SignIn({ page, reason }: { page: Page; reason: string | null }) {
  const options = useAnswer(() => page.rest.options());
  const invitation = useRef(invitationIn(location.search)).current;
  const [registering, setRegistering] = useState(invitation !== null);
  useLayoutEffect(mayGoOn, []);
  if (!options.value) return <Unreached problem={options.problem} again={() => void options.reload()} />;
  if (!options.value.accounts) return <Elsewhere />;
  if (registering) {
    return <Register page={page} options={options.value} invitation={invitation} back={() => setRegistering(false)} />;
  }
  return <Forms page={page} options={options.value} reason={reason} register={() => setRegistering(true)} />;
}

/** The ground that covers whatever was on the screen, and a box on it. */
export function Cover({ children }: { children?: ComponentChildren }) {
  return (
    <div class="sign-in">
      <main class="box">
        <h1>webterm</h1>
        {children}
      </main>
    </div>
  );
}

function Unreached({ problem, again }: { problem: string | null; again: () => void }) {
  if (!problem) return <div class="sign-in" />;
  return (
    <Cover>
      <p class="problem" role="alert">
        {problem}
      </p>
      <button class="primary" onClick={again}>
        Try again
      </button>
    </Cover>
  );
}

function Elsewhere() {
  return (
    <Cover>
      <p>Sign in at the application that this is part of, then load this page again.</p>
      <button class="primary" onClick={() => location.reload()}>
        Load again
      </button>
    </Cover>
  );
}

interface FormsProps {
  page: Page;
  options: Options;
  reason: string | null;
  register: () => void;
}

function Forms({ page, options, reason, register }: FormsProps) {
  const refused = useRef(refusalIn(location.search)).current;
  return (
    <Cover>
      {reason !== null && <Reason text={reason} />}
      <ByPassword page={page} refused={refused} />
      {options.providers.length > 0 && (
        <div class="providers">
          <p class="divider">
            <span>or</span>
          </p>
          {options.providers.map(({ id, name }) => (
            <a key={id} class="button" href={providerPath(id)}>
              Sign in with {name}
            </a>
          ))}
        </div>
      )}
      <ByLink page={page} />
      {options.registration === "open" && (
        <p class="other-way">
          New here?{" "}
          <button type="button" class="text" onClick={register}>
            Create an account
          </button>
        </p>
      )}
    </Cover>
  );
}

function Reason({ text }: { text: string }) {
  return (
    <p class="notice" role="status">
      You were signed out{text && `: ${text}`}. Sign in to go on.
    </p>
  );
}

function ByPassword({ page, refused }: { page: Page; refused: string | null }) {
  const action = useAction();
  const name = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => name.current?.focus(), []);
  const retry = useRetry(password, action.refusal?.status === 401);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const known = name.current?.value.trim() ?? "";
    if (await action.run(() => page.rest.signIn(known, password.current?.value ?? ""))) startAfresh();
  };
  return (
    <form aria-label="Sign in with a password" {...retry} onSubmit={(event) => void submit(event)}>
      <Field
        label="User name or e-mail"
        name="username"
        autocomplete="username"
        autocapitalize="none"
        spellcheck={false}
        required
        maxLength={254}
        field={name}
      />
      <Password label="Password" name="password" autocomplete="current-password" field={password} />
      <Problem action={action} note={refused} />
      <button class="primary" disabled={action.busy || action.wait > 0}>
        Sign in
      </button>
    </form>
  );
}

function ByLink({ page }: { page: Page }) {
  const action = useAction();
  const field = useRef<HTMLInputElement>(null);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (await action.run(() => page.rest.signInByLink(tokenOf(field.current?.value ?? "")))) startAfresh();
  };
  return (
    <details class="by-link" onToggle={(event) => event.currentTarget.open && field.current?.focus()}>
      <summary>I have a sign-in link</summary>
      <form aria-label="Sign in with a link" onSubmit={(event) => void submit(event)}>
        <p class="hint">
          <code>webterm serve</code> prints one, and <code>webterm login-link</code> on the server makes a fresh one.
        </p>
        <div class="with-button">
          <input
            aria-label="Link or token"
            placeholder="Link or token"
            name="token"
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            required
            ref={field}
          />
          <button disabled={action.busy || action.wait > 0}>Use it</button>
        </div>
        {action.refusal && <Problem action={action} />}
      </form>
    </details>
  );
}
