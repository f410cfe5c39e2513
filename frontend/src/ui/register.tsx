/** Making an account, by invitation or where everybody may. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { startAfresh } from "../arrival";
import type { Page } from "../page";
import type { Options } from "../rest";
import { useAction } from "./asking";
import { Field, NewPassword, Problem } from "./fields";
import { useRetry } from "./focusing";
import { Cover } from "./sign_in";

interface RegisterProps {
  page: Page;
  options: Options;
  invitation: string | null;
  back: () => void;
}

export function Register({ page, options, invitation, back }: RegisterProps) {
  const action = useAction();
  const name = useRef<HTMLInputElement>(null);
  const email = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => name.current?.focus(), []);
  const retry = useRetry(name, action.refusal?.code === "name_taken");
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const person = {
      username: name.current?.value.trim() ?? "",
      password: password.current?.value ?? "",
      email: email.current?.value.trim() || null,
      invitation,
    };
    if (await action.run(() => page.rest.register(person))) startAfresh();
  };
  return (
    <Cover>
      <p class="lead">{invitation === null ? "Create an account." : "You have been invited. Make your account."}</p>
      <form aria-label="Create an account" {...retry} onSubmit={(event) => void submit(event)}>
        <Field
          label="User name"
          name="username"
          autocomplete="username"
          autocapitalize="none"
          spellcheck={false}
          required
          minLength={3}
          maxLength={32}
          field={name}
        />
        <Field label="E-mail (optional)" name="email" type="email" autocomplete="email" maxLength={254} field={email} />
        <NewPassword label="Password" least={options.min_password} field={password} />
        <Problem action={action} />
        <button class="primary" disabled={action.busy || action.wait > 0}>
          Create account
        </button>
      </form>
      <p class="other-way">
        Have an account?{" "}
        <button type="button" class="text" onClick={back}>
          Sign in
        </button>
      </p>
    </Cover>
  );
}
