/** What a program of the workspace shows on one of its ports, beside the terminals; over them where there is no room. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Page } from "../page";
import { NARROWEST_PREVIEW, previewShare, WIDEST_PREVIEW } from "../preferences";
import type { Preview } from "../runtimes/previews";
import { Icon } from "./icons";
import { OpenInTab, showPreview } from "./ports";

/** What a previewed page may do in its frame. One that has an origin of its own may keep it. */
const ALLOWED = "allow-scripts allow-forms allow-popups allow-modals allow-downloads";

export function PreviewPane({ page }: { page: Page }) {
  const preview = page.work.runs.previews.shown.value;
  if (!preview) return null;
  return <Pane key={`${preview.workspace} ${preview.port}`} page={page} preview={preview} />;
}

function Pane({ page, preview }: { page: Page; preview: Preview }) {
  const pane = useRef<HTMLElement>(null);
  const [dragging, setDragging] = useState(false);
  const [explained, explain] = useState(false);
  const { port } = preview;
  const share = page.preferences.previewWidth.value;
  const close = (): void => {
    page.work.runs.previews.close(preview.workspace);
    page.focus();
  };
  const key = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    page.focus();
  };
  return (
    <>
      <Divider page={page} dragging={setDragging} />
      <aside
        class={dragging ? "preview dragging" : "preview"}
        aria-label={`Preview of port ${port}`}
        style={{ "--share": `${share}%` }}
        ref={pane}
        onKeyDown={key}
      >
        <Head page={page} preview={preview} explained={explained} explain={explain} close={close} />
        {explained && <Explanation />}
        <News preview={preview} />
        <Frame page={page} preview={preview} />
      </aside>
    </>
  );
}

interface HeadProps {
  page: Page;
  preview: Preview;
  explained: boolean;
  explain: (shown: boolean) => void;
  close: () => void;
}

function Head({ page, preview, explained, explain, close }: HeadProps) {
  const { workspace, port } = preview;
  const reload = useRef<HTMLButtonElement>(null);
  const below = page.work.runs.previewDomain.value === null;
  const there = page.work.runs.looking.at(workspace).ports.value;
  const ports = there.includes(port) ? there : [port, ...there];
  // Opened by hand: whoever uses keys or listens goes on here.
  useLayoutEffect(() => reload.current?.focus(), []);
  return (
    <div class="preview-head" role="toolbar" aria-label="Preview">
      <select
        class="switcher"
        aria-label="Port that is shown"
        value={String(port)}
        onChange={(event) => showPreview(page, workspace, Number(event.currentTarget.value))}
      >
        {ports.map((one) => (
          <option key={one} value={String(one)} selected={one === port}>
            Port {one}
          </option>
        ))}
      </select>
      {below && (
        <button aria-expanded={explained} aria-controls="preview-explained" onClick={() => explain(!explained)}>
          Empty?
        </button>
      )}
      <span class="spring" />
      <button class="icon" aria-label="Load the preview again" title="Load it again" ref={reload} onClick={() => preview.reload()}>
        <Icon name="reload" />
      </button>
      <OpenInTab workspace={workspace} port={port} at={preview.at.value} />
      <button class="icon" aria-label="Close the preview" title="Close" onClick={close}>
        <Icon name="cross" />
      </button>
    </div>
  );
}

/** Of apps that take themselves for all there is, as most dev servers' do, nothing is seen here, and no error either. */
function Explanation() {
  return (
    <p class="news" id="preview-explained">
      <span>
        This app is shown below a path of this server, without cookies and storage of its own. What it loads from addresses that begin with / is not found: have it
        use relative ones, such as ./main.js (Vite: <code>--base ./</code>). With an origin for each app (<code>previews.domain</code> in the server's settings) all
        works as at home.
      </span>
    </p>
  );
}

function News({ preview }: { preview: Preview }) {
  // What listens is looked for now and then, so this may be late; the frame shows what the server says.
  return (
    <p class="news" role="status" hidden={preview.up.value}>
      <span>Nothing listens on port {preview.port} now. It is loaded again when something does.</span>
    </p>
  );
}

function Frame({ page, preview }: { page: Page; preview: Preview }) {
  const domain = page.work.runs.previewDomain.value;
  if (domain === undefined || !preview.loaded.value) return <div class="instead" aria-busy={domain === undefined} />;
  return (
    <iframe
      key={preview.round.value}
      title={`Port ${preview.port}`}
      src={preview.address.value}
      sandbox={domain === null ? ALLOWED : `${ALLOWED} allow-same-origin`}
      referrerpolicy="no-referrer"
      onLoad={() => void preview.landed()}
      allow=""
    />
  );
}

/** Between terminals and preview: it is dragged, or moved by the arrow keys. */
function Divider({ page, dragging }: { page: Page; dragging: (on: boolean) => void }) {
  const element = useRef<HTMLDivElement>(null);
  const width = page.preferences.previewWidth;
  const drag = (event: PointerEvent): void => {
    const around = element.current?.parentElement?.getBoundingClientRect();
    const held = element.current?.hasPointerCapture(event.pointerId);
    if (around && held) width.value = previewShare(((around.right - event.clientX) / around.width) * 100);
  };
  const key = (event: KeyboardEvent): void => {
    const step = { ArrowLeft: 5, ArrowRight: -5 }[event.key];
    const goal = { Home: WIDEST_PREVIEW, End: NARROWEST_PREVIEW }[event.key];
    if (step === undefined && goal === undefined) return;
    event.preventDefault();
    width.value = goal ?? previewShare(width.value + (step ?? 0));
  };
  return (
    <div
      class="divider-of-preview"
      role="separator"
      aria-orientation="vertical"
      aria-label="Width of the preview"
      aria-valuenow={width.value}
      aria-valuemin={NARROWEST_PREVIEW}
      aria-valuemax={WIDEST_PREVIEW}
      tabIndex={0}
      ref={element}
      onKeyDown={key}
      onPointerDown={(event) => {
        element.current?.setPointerCapture(event.pointerId);
        dragging(true); // a frame would take the pointer
      }}
      onPointerMove={drag}
      onLostPointerCapture={() => dragging(false)}
    />
  );
}
