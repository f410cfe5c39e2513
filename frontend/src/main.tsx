import { render } from "preact";
import { Page } from "./page";
import { listenForShortcuts } from "./shortcuts";
import { App } from "./ui/app";

const page = new Page();
render(<App page={page} />, document.getElementById("app") as HTMLElement);
listenForShortcuts(page);
