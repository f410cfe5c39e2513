import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { address, Api, Refusal, sentence } from "../src/api";
import { Rest } from "../src/rest";
import { HttpServer, problem, reply } from "./http";

let server: HttpServer;
let signedOut: number;
let api: Api;
beforeEach(async () => {
  server = await HttpServer.start();
  signedOut = 0;
  api = new Api(() => (signedOut += 1));
});
afterEach(() => server.stop());

async function refusalOf(call: Promise<unknown>): Promise<Refusal> {
  const error = await call.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(error instanceof Refusal)) throw new Error(`not refused: ${String(error)}`);
  return error;
}

describe("addresses", () => {
  it("are beside the page, whatever its prefix", () => {
    expect(address("/api/v1/auth/me").pathname).toBe("/some/prefix/api/v1/auth/me");
  });

  it("carry what is asked for, and nothing else", () => {
    expect(address("/api/v1/users", { after: 0, search: "a&b=c", limit: null, action: "", user: undefined }).search).toBe(
      "?after=0&search=a%26b%3Dc",
    );
  });
});

describe("calls", () => {
  it("send JSON and give back JSON", async () => {
    server.answer = (_, response) => reply(response, 201, { id: "7" });
    expect(await api.ask("POST /api/v1/users", { body: { username: "x" } })).toEqual({ id: "7" });
    expect(server.calls).toEqual([
      { method: "POST", url: "/some/prefix/api/v1/users", type: "application/json", body: { username: "x" } },
    ]);
  });

  it("take an empty answer", async () => {
    server.answer = (_, response) => reply(response, 204);
    expect(await api.ask("DELETE /api/v1/users/{user}", { names: { user: "7" } })).toBeNull();
    expect(server.calls[0]).toMatchObject({ method: "DELETE", body: undefined, type: undefined });
  });

  it("escape what stands in a path", async () => {
    server.answer = (_, response) => reply(response, 204);
    await new Rest(api).deleteUser("../me?x#y");
    expect(server.calls[0]?.url).toBe("/some/prefix/api/v1/users/..%2Fme%3Fx%23y");
  });
});

describe("a refusal", () => {
  it("has the server's code and sentence", async () => {
    server.answer = (_, response) => problem(response, 409, "name_taken", "somebody else has this name");
    const refusal = await refusalOf(api.ask("POST /api/v1/users"));
    expect(refusal).toMatchObject({ status: 409, code: "name_taken", retryAfter: null });
    expect(refusal.message).toBe("Somebody else has this name.");
    expect(signedOut).toBe(0);
  });

  it("says how long to wait, in seconds", async () => {
    server.answer = (_, response) => reply(response, 429, { code: "rate_limited", detail: "slowly" }, { "Retry-After": "17" });
    expect((await refusalOf(api.ask("GET /api/v1/tiers"))).retryAfter).toBe(17);
  });

  it("says how long to wait, until a date", async () => {
    const soon = new Date(Date.now() + 30_000).toUTCString();
    server.answer = (_, response) => reply(response, 503, { code: "unavailable" }, { "Retry-After": soon });
    const { retryAfter } = await refusalOf(api.ask("GET /api/v1/tiers"));
    expect(retryAfter).toBeGreaterThan(25);
    expect(retryAfter).toBeLessThanOrEqual(30);
  });

  it.each(["soon", "-1", ""])("ignores Retry-After: %j", async (value) => {
    server.answer = (_, response) => reply(response, 429, { code: "rate_limited" }, { "Retry-After": value });
    expect([null, 0]).toContain((await refusalOf(api.ask("GET /api/v1/tiers"))).retryAfter);
  });

  it("of a proxy in between, which speaks HTML, becomes a plain sentence", async () => {
    server.answer = (_, response) => {
      response.writeHead(502, { "Content-Type": "text/html" });
      response.end("<script>alert(1)</script>");
    };
    const refusal = await refusalOf(api.ask("GET /api/v1/tiers"));
    expect(refusal).toMatchObject({ status: 502, code: "unexpected_answer", message: "The server answered 502." });
  });

  it.each(["null", "[]", '"x"', "{", '{"code": 1, "detail": {}, "title": []}'])("with the body %s does too", async (body) => {
    server.answer = (_, response) => {
      response.writeHead(400, { "Content-Type": "application/problem+json" });
      response.end(body);
    };
    expect(await refusalOf(api.ask("GET /api/v1/tiers"))).toMatchObject({ code: "unexpected_answer", message: "The server answered 400." });
  });

  it("is also that nobody answers", async () => {
    await server.stop();
    expect(await refusalOf(api.ask("GET /api/v1/tiers"))).toMatchObject({ status: 0, code: "unreachable" });
    server = await HttpServer.start();
  });
});

describe("a 401", () => {
  it("puts everything away when nobody is signed in any more", async () => {
    server.answer = (_, response) => problem(response, 401, "not_signed_in", "sign in first");
    await refusalOf(api.ask("GET /api/v1/auth/devices"));
    expect(signedOut).toBe(1);
    expect(server.calls.map(({ url }) => url)).toEqual([
      "/some/prefix/api/v1/auth/devices",
      "/some/prefix/api/v1/auth/me",
    ]);
  });

  it("puts nothing away while somebody is", async () => {
    server.answer = ({ url }, response) =>
      url.endsWith("auth/me") ? reply(response, 200, { id: "1" }) : problem(response, 401, "x", "wrong");
    await refusalOf(api.ask("PUT /api/v1/auth/password"));
    expect(signedOut).toBe(0);
  });

  it("of a wrong password is no more than that", async () => {
    server.answer = (_, response) => problem(response, 401, "not_signed_in", "the name or the password is wrong");
    const refusal = await refusalOf(new Rest(api).signIn("ann", "x"));
    expect(refusal.message).toBe("The name or the password is wrong.");
    expect(server.calls).toHaveLength(1);
    expect(signedOut).toBe(0);
  });
});

describe("the calls of the account", () => {
  it("leave out what is not said", async () => {
    server.answer = (_, response) => reply(response, 200, {});
    const rest = new Rest(api);
    await rest.setPassword(undefined, "new one");
    await rest.setPassword("old", "new one");
    await rest.createToken("ci", ["terminals:read"], null);
    await rest.createToken("ci", ["terminals:read"], 30);
    expect(server.calls.map(({ body }) => body)).toEqual([
      { new: "new one" },
      { current: "old", new: "new one" },
      { name: "ci", scopes: ["terminals:read"], expires_in_days: null },
      { name: "ci", scopes: ["terminals:read"], expires_in_days: 30 },
    ]);
  });
});

describe("sentences", () => {
  it.each([
    ["sign in first", "Sign in first."],
    ["Wrong!", "Wrong!"],
    ["ünder", "Ünder."],
  ])("%j", (text, expected) => expect(sentence(text)).toBe(expected));
});
