/** A table that becomes a list of cards on a phone. Its roles are said aloud, as such a layout takes them away. */

import type { ComponentChildren } from "preact";
import type { Pages } from "../pages";

export function Table({ columns, children, dense }: { columns: string[]; children: ComponentChildren; dense?: boolean }) {
  return (
    <table role="table" class={dense ? "dense" : undefined}>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map((column) => (
            <th key={column} role="columnheader" scope="col">
              {column || <span class="unseen">Actions</span>}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">{children}</tbody>
    </table>
  );
}

interface CellProps {
  /** The name of the column, which a card shows beside the value. */
  label: string;
  children: ComponentChildren;
  /** `head` names its row, `tight` is a short word that is not broken, `action` has buttons. */
  kind?: "head" | "tight" | "action";
}

export function Cell({ label, children, kind }: CellProps) {
  const inside = <div>{children}</div>;
  if (kind === "head") {
    return (
      <th role="rowheader" scope="row" class={kind} data-label={label}>
        {inside}
      </th>
    );
  }
  return (
    <td role="cell" class={kind} data-label={label}>
      {inside}
    </td>
  );
}

/** The way to the next page of a list. */
export function More<T>({ pages }: { pages: Pages<T> }) {
  if (!pages.more.value) return null;
  return (
    <button class="more" disabled={pages.busy.value} onClick={() => void pages.loadMore()}>
      Load more
    </button>
  );
}
