import { useEffect, useRef, useState } from "preact/hooks";
import { signIn } from "../sign_in";

/** For a link that did not sign in; the server's redirect says so. */
const EXPIRED = "That link is wrong, used or too old.";

export function SignIn() {
  const [problem, setProblem] = useState<string | null>(refusal);
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    const wrong = await signIn(field.current?.value ?? "");
    setBusy(false);
    if (wrong === null) location.replace(location.pathname); // without what a link had to say
    else setProblem(wrong);
  };
  return (
    <div class="sign-in">
      <form onSubmit={(event) => void submit(event)}>
        <h1>webterm</h1>
        <p>
          Open the link that <code>webterm serve</code> printed, or run <code>webterm login-link</code> on the server for
          a fresh one.
        </p>
        <label>
          Link or token
          <input name="token" type="password" autocomplete="off" spellcheck={false} required ref={field} />
        </label>
        <p class="problem" role="alert">
          {problem}
        </p>
        <button class="primary" disabled={busy}>
          Sign in
        </button>
      </form>
    </div>
  );
}

function refusal(): string | null {
  return new URLSearchParams(location.search).get("signin") === "expired" ? EXPIRED : null;
}
