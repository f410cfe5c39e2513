import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Api } from "../../src/api";
import type { ClientMessage, ServerMessage } from "../../src/protocol.gen";
import { Requests } from "../../src/requests";
import { Rest, type Workspace } from "../../src/rest";
import { Runs } from "../../src/runtimes/runs";
import { Workspaces } from "../../src/workspaces";
import { HttpServer, problem, reply } from "../http";

let server: HttpServer;
let sent: ClientMessage[];
let workspaces: Workspaces;
let runs: Runs;
beforeEach(async () => {
  server = await HttpServer.start();
  sent = [];
  const rest = new Rest(new Api(() => undefined));
  const send = (message: ClientMessage): boolean => sent.push(message) > 0;
  workspaces = new Workspaces(rest, () => undefined);
  runs = new Runs({ rest, send, workspaces, requests: new Requests(send) });
});
afterEach(() => server.stop());

const hear = (state: string): boolean => runs.message({ type: "runtime", workspace: "w", state, message: "" } as ServerMessage);
const state = (): string | undefined => workspaces.runtimes.value.get("w")?.state;

describe("what is asked of a runtime", () => {
  it("is known by its answer", async () => {
    server.answer = (_, response) => reply(response, 200, { workspace: "w", state: "ready", message: "", stops_in: null, reason: "" });
    await runs.start("w");
    expect(server.calls[0]).toMatchObject({ method: "POST", url: "/some/prefix/api/v1/workspaces/w/runtime/start" });
    expect(state()).toBe("ready");
  });

  it("what the socket says meanwhile is newer", async () => {
    server.answer = (_, response) => {
      hear("absent");
      reply(response, 200, { workspace: "w", state: "stopping", message: "", stops_in: null, reason: "" });
    };
    await runs.stop("w");
    expect(state()).toBe("absent");
  });

  it("is refused, and changes nothing", async () => {
    hear("ready");
    server.answer = (_, response) => problem(response, 409, "runtime_busy", "the workspace is just stopping");
    await expect(runs.restart("w")).rejects.toThrow("The workspace is just stopping.");
    expect(state()).toBe("ready");
  });
});

describe("the workspace that is shown", () => {
  it("is looked at as long as it is", async () => {
    server.answer = (_, response) => reply(response, 200, { workspace: "w", state: "ready", message: "", stops_in: 30, reason: "why" });
    runs.begin();
    runs.ready();
    expect(sent).toEqual([]);
    workspaces.all.value = [{ id: "w", role: "own" } as Workspace];
    workspaces.chosen.value = "w";
    expect(sent).toEqual([{ type: "watch_runtime", workspace: "w", request: 1 }]);
    await expect.poll(() => workspaces.runtimes.value.get("w")?.reason).toBe("why");
    workspaces.put({ id: "w", role: "read" } as Workspace); // the same one
    expect(sent.length).toBe(1);
  });
});
