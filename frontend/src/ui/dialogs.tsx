import { forgetLink } from "../arrival";
import type { Page } from "../page";
import { visible, type Paste } from "../paste";
import { SHORTCUTS } from "../shortcuts";
import { isAboutRuntimes } from "../runtimes/dialogs";
import type { Tab } from "../tab";
import { FileDialogs } from "./file_dialogs";
import { Modal } from "./modal";
import { RuntimeDialogs } from "./runtime_dialogs";

export function Dialogs({ page }: { page: Page }) {
  const dialog = page.dialog.value;
  if (!dialog) return null;
  if (dialog.kind === "help") return <Help page={page} />;
  if (dialog.kind === "link") return <LinkAnswered page={page} text={dialog.text} invited={dialog.invited} />;
  if (dialog.kind === "close") return <ConfirmClose page={page} tab={dialog.tab} />;
  if (dialog.kind === "paste") return <ConfirmPaste page={page} tab={dialog.tab} paste={dialog.paste} />;
  if (isAboutRuntimes(dialog)) return <RuntimeDialogs key={dialog.kind} page={page} dialog={dialog} />;
  return <FileDialogs page={page} dialog={dialog} />;
}

function ConfirmPaste({ page, tab, paste }: { page: Page; tab: Tab; paste: Paste }) {
  const size = paste.bytes < 1024 ? `${paste.bytes} bytes` : `${Math.round(paste.bytes / 1024)} KiB`;
  return (
    <Modal title="Paste this?" accept="Paste" onClose={() => page.closeDialog()} onAccept={() => page.deliver(tab, paste)}>
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
    <Modal
      title="Close this terminal?"
      accept="Close it"
      onClose={() => page.closeDialog()}
      onAccept={() => page.terminals.close(tab)}
    >
      <p>
        The program in <b>{tab.title.value || "this terminal"}</b> is running and will be ended.
      </p>
    </Modal>
  );
}

/** For a link that does not fit somebody who is signed in. */
function LinkAnswered({ page, text, invited }: { page: Page; text: string; invited: boolean }) {
  const stay = (): void => {
    forgetLink();
    page.closeDialog();
  };
  const leave = async (): Promise<never> => {
    await page.signOut(() => page.rest.signOut(), () => location.reload());
    // The invitation stays in the address, so nothing may come after this.
    return new Promise(() => undefined);
  };
  return (
    <Modal
      title={invited ? "Use this invitation?" : "That did not work"}
      accept={invited ? "Sign out and use it" : undefined}
      onClose={stay}
      onAccept={invited ? leave : undefined}
    >
      <p>{text}</p>
    </Modal>
  );
}

function Help({ page }: { page: Page }) {
  return (
    <Modal title="Keys" onClose={() => page.closeDialog()}>
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
