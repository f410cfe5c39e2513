import { emptyPage } from "./jsdom";
import { render, type JSX } from "preact";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Entry } from "../src/files/calls";
import { Page } from "../src/page";
import type { Account, Me } from "../src/rest";
import { Tab } from "../src/tab";
import { FileDialogs } from "../src/ui/file_dialogs";
import { FilesPanel } from "../src/ui/files";
import { EditPerson } from "../src/ui/person";
import { SignIn } from "../src/ui/sign_in";
import { TabStrip } from "../src/ui/tabs";
import { settled } from "./files/deferred";
import { HttpServer, problem, reply } from "./http";

// Unpacking its tables never ends in jsdom.
vi.mock("@xterm/addon-unicode-graphemes", () => ({ UnicodeGraphemesAddon: class {} }));

let root: HTMLElement;
let page: Page;
beforeEach(() => {
  root = emptyPage();
  page = new Page();
});
afterEach(() => render(null, root));

/** Draw it. What comes after the paint has not come yet. */
function draw(what: JSX.Element): void {
  render(what, root);
}

const field = (): HTMLInputElement => document.activeElement as HTMLInputElement;

/** Press keys one after the other, as somebody does who does not wait for anything. */
async function type(text: string): Promise<void> {
  for (const letter of text) {
    const { selectionStart, selectionEnd } = field();
    field().setRangeText(letter, selectionStart ?? 0, selectionEnd ?? 0, "end");
    field().dispatchEvent(new InputEvent("input", { bubbles: true }));
    await settled();
  }
}

async function press(key: string): Promise<void> {
  document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  await settled();
}

describe("whoever types at once", () => {
  const entry = (place: string, kind: "file" | "directory" = "file"): Entry =>
    ({ place, name: place, kind, size: 1, modified: 0, tag: "t", executable: false }) as Entry;

  it.each([
    ["z10", "file", "z11"],
    ["a.tar.gz", "file", "z11.gz"],
    [".env", "file", "z11"],
    ["some.where", "directory", "z11"],
  ] as const)("names %s, a %s, %s", async (place, kind, named) => {
    draw(<FileDialogs page={page} dialog={{ kind: "rename", entry: entry(place, kind) }} />);
    await type("z11");
    expect(field().value).toBe(named);
  });

  it.each([
    [{ kind: "move", entry: entry("a/b.c") }, "a/b.cz11"],
    [{ kind: "new_file", directory: "" }, "z11"],
    [{ kind: "new_directory", directory: "a" }, "z11"],
  ] as const)("types all of it: %j", async (dialog, text) => {
    draw(<FileDialogs page={page} dialog={dialog} />);
    await type("z11");
    expect(field().value).toBe(text);
  });

  it("sets somebody's password", async () => {
    const person = { id: "2", username: "ann", role: "user", tier: "free" } as Account;
    const nothing = (): void => undefined;
    const about = { me: { id: "1" } as Me, person, tiers: [], done: nothing, changed: nothing, deleted: nothing };
    draw(<EditPerson page={page} {...about} />);
    root.querySelector<HTMLElement>(".also button")?.click();
    await settled();
    await type("twelve quiet owls");
    expect(root.querySelector<HTMLInputElement>("[name=new-password]")?.value).toBe("twelve quiet owls");
  });

  it("is in the files that were just opened", () => {
    const toggle = document.body.appendChild(document.createElement("button"));
    toggle.className = "files-toggle";
    toggle.focus();
    draw(<FilesPanel page={page} />);
    expect(document.activeElement?.ariaLabel).toBe("Workspace");
  });
});

describe("a tab", () => {
  const pane = { emulator: {} as never, show() {}, hide() {}, focus() {}, scrollable() {}, dispose() {}, propose: () => null };
  const wire = { connected: () => true, send: () => true, input: () => true, fence() {} };
  const named = (title: string): Tab => {
    const tab = new Tab(wire, () => pane, () => undefined, () => undefined);
    tab.title.value = title;
    return tab;
  };

  it("that is being named keeps what is typed, whatever its program says meanwhile", async () => {
    const tab = named("sh");
    page.terminals.tabs.value = [tab];
    draw(<TabStrip page={page} />);
    root.querySelector("[role=tab]")?.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    await settled();
    expect(field().value).toBe("sh");
    tab.title.value = "another title";
    await settled();
    await type("mine");
    expect(field().value).toBe("mine");
    const rename = vi.spyOn(page.terminals, "rename").mockReturnValue();
    await press("Enter");
    expect(rename).toHaveBeenCalledExactlyOnceWith(tab, "mine");
  });

  it("after tab is gone through by keys, and none gets to a program", async () => {
    const tabs = ["one", "two", "three"].map(named);
    page.terminals.tabs.value = tabs;
    page.terminals.active.value = tabs[0] ?? null;
    draw(<TabStrip page={page} />);
    const entered = vi.spyOn(page, "focus");
    root.querySelector<HTMLElement>("[role=tab]")?.focus();
    await press("ArrowRight");
    await press("ArrowRight");
    expect(page.front.value).toBe(tabs[2]);
    expect(document.activeElement?.textContent).toBe("three");
    expect(entered).not.toHaveBeenCalled();
  });
});

describe("a refused sign-in", () => {
  let server: HttpServer;
  beforeEach(async () => {
    server = await HttpServer.start();
    server.answer = ({ method, url }, response) => {
      response.setHeader("Access-Control-Allow-Headers", "*");
      if (method === "OPTIONS") return reply(response, 204);
      if (url.endsWith("/login")) return problem(response, 401, "wrong_password", "The name or the password is wrong.");
      reply(response, 200, { accounts: true, providers: [], registration: "closed", min_password: 10 });
    };
    draw(<SignIn page={page} reason={null} />);
    await vi.waitUntil(() => root.querySelector("[name=password]"));
  });
  afterEach(() => server.stop());
  const of = (name: string): HTMLInputElement => root.querySelector(`[name=${name}]`) as HTMLInputElement;
  /** Resolves with the very change that shows why, before anything that comes after the paint. */
  const said = (): Promise<void> =>
    new Promise((shown) => {
      const look = (): void => void (root.querySelector("[role=alert]")?.textContent && shown());
      new MutationObserver(look).observe(root, { subtree: true, childList: true, characterData: true });
    });
  const send = (): void => void of("username").form?.requestSubmit();

  it("has the password selected as soon as it is said", async () => {
    await type("ann");
    of("password").focus();
    await type("wrong");
    send();
    await said();
    await type("right");
    expect(of("password").value).toBe("right");
  });

  it("leaves whoever has gone on where they are", async () => {
    of("password").focus();
    await type("right");
    of("username").focus();
    await type("anm");
    send();
    await type("n");
    await said();
    expect(field()).toBe(of("username"));
    expect(field().selectionStart).toBe(4);
  });
});
