/** A dialog over everything else. The browser keeps the focus inside, and gives it back afterwards. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { useAction } from "./asking";
import { Problem } from "./fields";
import { focusSelected } from "./focusing";

interface ModalProps {
  title: string;
  children: ComponentChildren;
  onClose: () => void;
  /** The label of the button that says yes; without it there is only Close. */
  accept?: string;
  /** Yes destroys something: the focus starts at Cancel. */
  danger?: boolean;
  /** How much of the text in the field with `data-first` is selected at the start. */
  selected?: number;
  /** The dialog stays, and says why, when this is refused. */
  onAccept?: () => void | Promise<unknown>;
  /** Other answers; one that gives back false leaves the dialog open. */
  others?: readonly { label: string; act: () => unknown }[];
  /** For what needs all the room there is. */
  wide?: boolean;
}

export function Modal({ title, children, onClose, accept, danger = false, selected, onAccept, others, wide }: ModalProps) {
  const element = useRef<HTMLDialogElement>(null);
  const yes = useRef<HTMLButtonElement>(null);
  const no = useRef<HTMLButtonElement>(null);
  const action = useAction();
  useLayoutEffect(() => {
    element.current?.showModal();
    const first = element.current?.querySelector<HTMLElement>("[data-first]");
    if (selected !== undefined && first instanceof HTMLInputElement) focusSelected(first, selected);
    else (first ?? (danger ? no : yes).current)?.focus();
  }, []);
  const leave = (event?: Event): void => {
    event?.preventDefault();
    element.current?.close(); // while it is open, nothing behind it can be focused
    onClose();
  };
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (await action.run(async () => onAccept?.())) leave();
  };
  const answer = async (act: () => unknown): Promise<void> => {
    let stays = false;
    if ((await action.run(async () => (stays = (await act()) === false))) && !stays) leave();
  };
  return (
    <dialog ref={element} class={wide ? "modal wide" : "modal"} aria-label={title} onCancel={leave}>
      <form onSubmit={(event) => void submit(event)}>
        <h2>{title}</h2>
        {children}
        {action.refusal && <Problem action={action} />}
        <div class="buttons">
          {accept && (
            <button type="button" ref={no} onClick={leave}>
              Cancel
            </button>
          )}
          {others?.map(({ label, act }) => (
            <button key={label} type="button" disabled={action.busy} onClick={() => void answer(act)}>
              {label}
            </button>
          ))}
          <button type="submit" class={danger ? "primary danger" : "primary"} ref={yes} disabled={action.busy}>
            {accept ?? "Close"}
          </button>
        </div>
      </form>
    </dialog>
  );
}
