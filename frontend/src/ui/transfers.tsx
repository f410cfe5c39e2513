/** Uploads under way, and what became of them. */

import { size } from "../files/sizes";
import type { Transfer, Transfers } from "../files/transfers";
import { cleanTitle } from "../titles";
import { Icon } from "./icons";

export function TransferList({ transfers }: { transfers: Transfers }) {
  const all = transfers.all.value;
  if (all.length === 0) return null;
  return (
    <section class="transfers" aria-label="Uploads">
      <div class="transfers-head">
        <h2>Uploads</h2>
        <button disabled={all.every((one) => one.unfinished)} onClick={() => transfers.clear()}>
          Clear
        </button>
      </div>
      <ul>
        {all.map((transfer) => (
          <TransferRow key={transfer.key} transfers={transfers} transfer={transfer} />
        ))}
      </ul>
    </section>
  );
}

function TransferRow({ transfers, transfer }: { transfers: Transfers; transfer: Transfer }) {
  const progress = transfer.progress.value;
  const title = cleanTitle(transfer.work.title);
  const again = progress === "paused" || progress === "failed";
  return (
    <li class={progress}>
      <span class="title" title={title}>
        {title}
      </span>
      <progress max={Math.max(1, transfer.work.size)} value={shownBytes(transfer)} aria-label={`Upload of ${title}`} />
      <span class="state" role="status">
        {words(transfer)}
      </span>
      <span class="acts">
        {again && (
          <button aria-label={`Go on with ${title}`} onClick={() => transfers.resume(transfer)}>
            {progress === "paused" ? "Go on" : "Try again"}
          </button>
        )}
        {(transfer.unfinished || progress === "failed") && (
          <button class="icon" aria-label={`Cancel ${title}`} title="Cancel" onClick={() => transfers.cancel(transfer)}>
            <Icon name="cross" />
          </button>
        )}
      </span>
    </li>
  );
}

/** An empty file has arrived when it is done. */
function shownBytes(transfer: Transfer): number {
  return transfer.progress.value === "done" ? Math.max(1, transfer.work.size) : transfer.sent.value;
}

function words(transfer: Transfer): string {
  const { work, sent, problem } = transfer;
  switch (transfer.progress.value) {
    case "waiting":
      return "waiting";
    case "running":
      return problem.value ?? `${size(sent.value)} of ${size(work.size)}`;
    case "paused":
      return `stopped at ${size(sent.value)} of ${size(work.size)}`;
    case "done":
      return `done, ${size(work.size)}`;
    case "cancelled":
      return "cancelled";
    case "failed":
      return problem.value ?? "failed";
  }
}
