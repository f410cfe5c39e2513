import { emptyPage } from "../jsdom";
import { render } from "preact";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Page } from "../../src/page";
import { Tab } from "../../src/tab";
import type { RuntimeState } from "../../src/runtimes/states";
import { Empty } from "../../src/ui/app";
import { Ended } from "../../src/ui/ended";
import { Runs } from "../../src/ui/runs";
import { StatusBar } from "../../src/ui/status";
import { settled } from "../files/deferred";

// Unpacking its tables never ends in jsdom.
vi.mock("@xterm/addon-unicode-graphemes", () => ({ UnicodeGraphemesAddon: class {} }));

const WHY = "the engine has no image evil";
const work = { id: "w", name: "Work", role: "own", owner: "1", environment: {}, members: [] };

let root: HTMLElement;
let page: Page;
beforeEach(() => {
  root = emptyPage();
  page = new Page();
  page.work.workspaces.all.value = [work as never];
  page.work.workspaces.chosen.value = "w";
  page.terminals.listed.value = true;
});
afterEach(() => render(null, root));

/** How often each part of the page says why. */
function said(): Record<string, number> {
  const parts = { place: ".empty, .ended-bar", status: ".status", programs: ".runs" };
  const count = (selector: string): number => texts(selector).toLowerCase().split(WHY).length - 1;
  return Object.fromEntries(Object.entries(parts).map(([name, selector]) => [name, count(selector)]));
}

function texts(selector: string): string {
  return [...root.querySelectorAll(selector)].map((found) => found.textContent).join("\n");
}

function draw(): void {
  render(
    <>
      <Empty page={page} />
      <Ended page={page} />
      <Runs page={page} />
      <StatusBar page={page} />
    </>,
    root,
  );
}

function becomes(state: RuntimeState): void {
  page.work.message({ type: "runtime", workspace: "w", state, message: WHY });
}

it("a runtime that cannot start says why in the terminals' place, and with the programs", async () => {
  draw();
  becomes("failed");
  page.terminals.refused.value = WHY;
  page.say(WHY);
  await settled();
  expect(said()).toEqual({ place: 1, status: 0, programs: 1 });
  expect(texts(".status")).toContain("Failed");
  page.say("something else");
  await settled();
  expect(texts(".status")).toContain("something else");
});

it("behind a terminal that runs on, the status line says why", async () => {
  const pane = { emulator: {} as never, show() {}, hide() {}, focus() {}, scrollable() {}, dispose() {}, propose: () => null };
  const wire = { connected: () => true, send: () => true, input: () => true, fence() {} };
  const tab = new Tab(wire, () => pane, () => undefined, () => undefined);
  tab.workspace.value = "w";
  page.terminals.tabs.value = [tab];
  page.terminals.active.value = tab;
  draw();
  becomes("failed");
  page.say(WHY);
  await settled();
  expect(said()).toEqual({ place: 0, status: 1, programs: 1 });
  tab.ended.value = "status 0";
  tab.again.problem.value = WHY;
  await settled();
  expect(said()).toEqual({ place: 1, status: 0, programs: 1 });
});
