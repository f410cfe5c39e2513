/** Variables of an environment, one row each. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { variablesIn, type Variable } from "../runtimes/environment";
import { Icon } from "./icons";

interface Props {
  variables: readonly Variable[];
  /** They are somebody else's. */
  fixed: boolean;
  change: (variables: Variable[]) => void;
}

export function Variables({ variables, fixed, change }: Props) {
  const list = useRef<HTMLUListElement>(null);
  const add = useRef<HTMLButtonElement>(null);
  /** The row that gets the focus once it is drawn; -1 is the button below. */
  const next = useRef<number | null>(null);
  useLayoutEffect(() => {
    const at = next.current;
    next.current = null;
    if (at === null) return;
    const row = list.current?.children[at];
    (row?.querySelector<HTMLElement>("input") ?? add.current)?.focus();
  }, [variables]);
  const set = (at: number, part: Partial<Variable>): void =>
    change(variables.map((one, index) => (index === at ? { ...one, ...part } : one)));
  const remove = (at: number): void => {
    next.current = Math.min(at, variables.length - 2);
    change(variables.filter((_, index) => index !== at));
  };
  const append = (): void => {
    next.current = variables.length;
    change([...variables, { name: "", value: "" }]);
  };
  /** A whole `.env` that is pasted becomes as many rows. */
  const paste = (at: number, event: ClipboardEvent): void => {
    const found = variablesIn(event.clipboardData?.getData("text/plain") ?? "");
    if (found.length === 0) return;
    event.preventDefault();
    const names = new Set(found.map(({ name }) => name));
    const kept = variables.filter(({ name }, index) => index !== at && !names.has(name));
    next.current = kept.length + found.length - 1;
    change([...kept, ...found]);
  };
  return (
    <fieldset class="variables" disabled={fixed}>
      <legend>Variables of every program</legend>
      {!fixed && variables.length > 0 && <p class="hint">A whole .env can be pasted into a name.</p>}
      {fixed && <p class="about">Only the person whose workspace it is changes them.</p>}
      <ul ref={list}>
        {variables.map(({ name, value }, at) => (
          <li key={at}>
            <input
              aria-label={`Name of variable ${at + 1}`}
              placeholder="NAME"
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
              maxLength={128}
              value={name}
              onInput={(event) => set(at, { name: event.currentTarget.value })}
              onPaste={(event) => paste(at, event)}
            />
            <input
              aria-label={`Value of ${name || `variable ${at + 1}`}`}
              placeholder="value"
              autocomplete="off"
              spellcheck={false}
              maxLength={8192}
              value={value}
              onInput={(event) => set(at, { value: event.currentTarget.value })}
            />
            <button type="button" class="icon" aria-label={`Remove ${name || `variable ${at + 1}`}`} title="Remove" onClick={() => remove(at)}>
              <Icon name="cross" />
            </button>
          </li>
        ))}
      </ul>
      <button type="button" ref={add} onClick={append}>
        Add a variable
      </button>
    </fieldset>
  );
}
