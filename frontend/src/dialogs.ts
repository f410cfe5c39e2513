/** What the page asks people, over everything else. */

import type { FileDialog } from "./files/dialogs";
import type { Paste } from "./paste";
import type { RuntimeDialog } from "./runtimes/dialogs";
import type { Tab } from "./tab";

export type Dialog =
  | { kind: "paste"; tab: Tab; paste: Paste }
  | { kind: "close"; tab: Tab }
  | { kind: "help" }
  | { kind: "link"; text: string; invited: boolean }
  | FileDialog
  | RuntimeDialog;
