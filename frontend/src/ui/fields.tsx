/** Labelled parts of forms. */

import type { ComponentChildren, InputHTMLAttributes, Ref } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import { strength } from "../passwords";
import type { Action } from "./asking";

interface FieldProps extends Omit<InputHTMLAttributes<HTMLInputElement>, "label" | "ref"> {
  label: string;
  hint?: string;
  field?: Ref<HTMLInputElement>;
}

export function Field({ label, hint, field, ...rest }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input {...rest} id={id} ref={field} aria-describedby={hint && `${id}-hint`} />
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

interface PasswordProps {
  label: string;
  name: string;
  autocomplete: "current-password" | "new-password";
  field: Ref<HTMLInputElement>;
  minLength?: number;
  required?: boolean;
  /** A dialog begins here. */
  first?: boolean;
  describedBy?: string;
  onInput?: (text: string) => void;
}

export function Password({ label, field, describedBy, onInput, required = true, first, ...rest }: PasswordProps) {
  const id = useId();
  const [shown, setShown] = useState(false);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="with-button">
        <input
          {...rest}
          id={id}
          ref={field}
          type={shown ? "text" : "password"}
          required={required}
          data-first={first}
          maxLength={1024}
          spellcheck={false}
          autocapitalize="none"
          aria-describedby={describedBy}
          onInput={(event) => onInput?.(event.currentTarget.value)}
        />
        <button
          type="button"
          class="reveal"
          aria-label={`${shown ? "Hide" : "Show"} ${label.toLowerCase()}`}
          aria-controls={id}
          onClick={() => setShown(!shown)}
        >
          {shown ? "Hide" : "Show"}
        </button>
      </div>
    </div>
  );
}

/** A password to be: with a hint about its length. */
export function NewPassword(props: {
  label: string;
  least: number;
  field: Ref<HTMLInputElement>;
  required?: boolean;
  first?: boolean;
  hint?: string;
}) {
  const id = useId();
  const [text, setText] = useState("");
  const { level, text: words } = strength(text, props.least);
  return (
    <div class="new-password">
      <Password
        label={props.label}
        name="new-password"
        autocomplete="new-password"
        minLength={props.least}
        required={props.required}
        first={props.first}
        field={props.field}
        describedBy={id}
        onInput={setText}
      />
      <p class="hint strength" id={id} data-level={level}>
        <i aria-hidden="true" />
        <span>{text === "" && props.hint ? props.hint : words}</span>
      </p>
    </div>
  );
}

export function Select<T extends string>(props: {
  label: string;
  value: T;
  choices: readonly (readonly [value: T, label: string])[];
  set: (value: T) => void;
  disabled?: boolean;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <select
        id={id}
        value={props.value}
        disabled={props.disabled}
        onChange={(event) => props.set(event.currentTarget.value as T)}
      >
        {props.choices.map(([value, label]) => (
          <option key={value} value={value} selected={value === props.value}>
            {label}
          </option>
        ))}
      </select>
    </div>
  );
}

/** A secret or a link that is told once, to be taken along. */
export function ToCopy({ label, text, children }: { label: string; text: string; children?: ComponentChildren }) {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [said, setSaid] = useState("");
  const copy = async (): Promise<void> => {
    field.current?.select();
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied");
    } catch {
      // Browsers hand out the clipboard over HTTPS only; the old way works for what is selected.
      setSaid(document.execCommand("copy") ? "Copied" : "Press Ctrl+C");
    }
  };
  return (
    <div class="to-copy field">
      <label for={id}>{label}</label>
      <div class="with-button">
        <input id={id} ref={field} readOnly value={text} spellcheck={false} onFocus={() => field.current?.select()} />
        <button type="button" onClick={() => void copy()}>
          Copy
        </button>
      </div>
      <p class="hint">
        <span role="status">{said}</span> {children}
      </p>
    </div>
  );
}

/** What went wrong, with the seconds to wait; its place is kept free, so that nothing jumps. */
export function Problem({ action, note = null }: { action: Action; note?: string | null }) {
  const { refusal, wait } = action;
  let text = refusal?.message ?? note;
  if (refusal?.retryAfter) text = wait > 0 ? `Too many tries. Wait ${wait} s.` : "You can try again now.";
  return (
    <p class="problem" role="alert">
      {text}
    </p>
  );
}
