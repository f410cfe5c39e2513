/** What the page asks people about files. */

import type { Entry } from "./calls";
import type { Haul } from "./dropping";
import type { OpenFile } from "./open_file";
import type { Place } from "./places";

export type FileDialog =
  | { kind: "new_file" | "new_directory"; directory: Place }
  | { kind: "rename" | "move"; entry: Entry }
  | { kind: "remove"; entry: Entry }
  /** Something of that name is in the way of a move. */
  | { kind: "replace"; source: Place; target: Place }
  /** Files of these names are in the way of an upload. */
  | { kind: "upload"; directory: Place; haul: Haul; names: string[] }
  | { kind: "close_file"; file: OpenFile }
  | { kind: "conflict"; file: OpenFile };
