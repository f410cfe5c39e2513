/** What is asked about a workspace's runtime. */

import type { Page } from "../page";
import type { RuntimeDialog } from "../runtimes/dialogs";
import { EnvironmentDialog } from "./environment";
import { Modal } from "./modal";
import { ShareDialog } from "./share";

export function RuntimeDialogs({ page, dialog }: { page: Page; dialog: RuntimeDialog }) {
  // The browser gives the focus back to what opened the dialog.
  const close = (): void => void (page.dialog.value = null);
  const { workspace } = dialog;
  switch (dialog.kind) {
    case "environment":
      return <EnvironmentDialog page={page} workspace={workspace} close={close} />;
    case "share_preview":
      return <ShareDialog page={page} workspace={workspace} port={dialog.port} close={close} />;
    case "stop_runtime":
      return (
        <Modal
          title={`Stop everything in ${workspace.name}?`}
          accept="Stop"
          danger
          onClose={close}
          onAccept={() => page.work.runs.stop(workspace.id)}
        >
          <p>All of its terminals and programs end, those of others, too. Its files stay.</p>
        </Modal>
      );
    case "restart_runtime":
      return (
        <Modal
          title={`Restart ${workspace.name}?`}
          accept="Restart"
          danger
          onClose={close}
          onAccept={() => page.work.runs.restart(workspace.id)}
        >
          <p>All of its terminals and programs end, those of others, too, and it starts afresh, in the environment as it is set now.</p>
        </Modal>
      );
  }
}
