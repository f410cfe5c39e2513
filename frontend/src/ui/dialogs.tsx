import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Page } from "../page";
import { visible, type Paste } from "../paste";
import { SHORTCUTS } from "../shortcuts";
import type { Tab } from "../tab";

export function Dialogs({ page }: { page: Page }) {
  const dialog = page.dialog.value;
  if (!dialog) return null;
  if (dialog.kind === "help") return <Help page={page} />;
  if (dialog.kind === "close") return <ConfirmClose page={page} tab={dialog.tab} />;
  return <ConfirmPaste page={page} tab={dialog.tab} paste={dialog.paste} />;
}

interface ModalProps {
  page: Page;
  title: string;
  children: ComponentChildren;
  /** The label of the button that says yes; without it there is only Close. */
  accept?: string;
  onAccept?: () => void;
}

function Modal({ page, title, children, accept, onAccept }: ModalProps) {
  const element = useRef<HTMLDialogElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    element.current?.showModal();
    button.current?.focus();
  }, []);
  const leave = (event: Event, accepted = false): void => {
    event.preventDefault();
    element.current?.close(); // while it is open, nothing behind it can be focused
    page.closeDialog();
    if (accepted) onAccept?.();
  };
  return (
    <dialog ref={element} aria-labelledby="dialog-title" onCancel={(event) => leave(event)}>
      <form onSubmit={(event) => leave(event, true)}>
        <h2 id="dialog-title">{title}</h2>
        {children}
        <div class="buttons">
          {accept && (
            <button type="button" onClick={(event) => leave(event)}>
              Cancel
            </button>
          )}
          <button type="submit" class="primary" ref={button}>
            {accept ?? "Close"}
          </button>
        </div>
      </form>
    </dialog>
  );
}

function ConfirmPaste({ page, tab, paste }: { page: Page; tab: Tab; paste: Paste }) {
  const size = paste.bytes < 1024 ? `${paste.bytes} bytes` : `${Math.round(paste.bytes / 1024)} KiB`;
  return (
    <Modal page={page} title="Paste this?" accept="Paste" onAccept={() => page.deliver(tab, paste)}>
      <p>
        {paste.lines} {paste.lines === 1 ? "line" : "lines"}, {size}. It holds:
      </p>
      <ul>
        {paste.reasons.map((reason) => (
          <li key={reason}>{reason}</li>
        ))}
      </ul>
      <pre class="pasted" dir="ltr" tabIndex={0}>
        {visible(paste.text)}
      </pre>
    </Modal>
  );
}

function ConfirmClose({ page, tab }: { page: Page; tab: Tab }) {
  return (
    <Modal page={page} title="Close this terminal?" accept="Close it" onAccept={() => page.terminals.close(tab)}>
      <p>
        The program in <b>{tab.title.value || "this terminal"}</b> is running and will be ended.
      </p>
    </Modal>
  );
}

function Help({ page }: { page: Page }) {
  return (
    <Modal page={page} title="Keys">
      <table>
        <tbody>
          {SHORTCUTS.map(([keys, meaning]) => (
            <tr key={keys}>
              <th scope="row">{keys}</th>
              <td>{meaning}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p>
        All other keys go to the program. Terminals run on when this page is closed; closing a tab ends its program.
      </p>
    </Modal>
  );
}
