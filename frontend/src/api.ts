/** The way to the server's REST interface: JSON there and back, refusals as errors with a code. */

import type { Routes } from "./api.gen";

/** What the server, or the network, refused. `message` is a sentence for people, `code` a word for programs. */
export class Refusal extends Error {
  constructor(
    /** The HTTP status; 0 when no answer came. */
    readonly status: number,
    readonly code: string,
    message: string,
    /** Seconds to wait before another try, where the server says so. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

export type Query = Record<string, string | number | boolean | null | undefined>;

/** `METHOD /path` of one route. */
export type Route = keyof Routes;
type Names<Path> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;

interface Call<R extends Route> {
  /** What stands in the path, by its name there. */
  names?: Record<Names<R>, string>;
  query?: Query;
  body?: Routes[R]["body"];
  /** For calls that nobody has to be signed in for: there, a 401 says that the proof was wrong. */
  open?: boolean;
}

/** A path of the server, which begins with a slash, beside the page, wherever the page is. */
export function address(path: string, query: Query = {}): URL {
  const url = new URL(`.${path}`, new URL(".", document.baseURI));
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, spelling(value));
  }
  return url;
}

/** Where the server's WebSocket is. */
export function socketAddress(): string {
  const url = address("/ws");
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}

function spelling(value: string | number | boolean): string {
  return typeof value === "boolean" ? String(Number(value)) : String(value);
}

export class Api {
  /** `signedOut` is called when it turns out that nobody is signed in here any more. */
  constructor(private readonly signedOut: () => void) {}

  /** Throws `Refusal`. */
  async ask<R extends Route>(route: R, call: Call<R> = {}): Promise<Routes[R]["answer"]> {
    const response = await send(route, call);
    if (response.ok) return (response.status === 204 ? null : await response.json()) as Routes[R]["answer"];
    // A 401 may also be about a password in the body, so it is confirmed before everything is put away.
    if (response.status === 401 && !call.open && (await nobodyHere())) this.signedOut();
    throw await refusal(response);
  }

  /** Bytes there and back, where the answer is no JSON. Throws `Refusal`. */
  async raw(method: "GET" | "PUT", path: string, { query, headers, body, signal }: RawCall = {}): Promise<Response> {
    const response = await reach(address(path, query), { method, headers, body, signal });
    if (response.ok) return response;
    if (response.status === 401 && (await nobodyHere())) this.signedOut();
    throw await refusal(response);
  }

  /**
   * Send much, and say how much of it is under way (`fetch` does not tell). The answer is JSON; throws `Refusal`, and
   * what `signal` was aborted with.
   */
  async deliver<T>(method: "POST" | "PUT", path: string, body: Blob | FormData, call: Delivery): Promise<T> {
    const request = new XMLHttpRequest();
    request.open(method, address(path, call.query));
    if (body instanceof Blob) request.setRequestHeader("Content-Type", "application/octet-stream");
    for (const [name, value] of Object.entries(call.headers ?? {})) request.setRequestHeader(name, value);
    const abort = (): void => request.abort();
    call.signal.addEventListener("abort", abort);
    try {
      await new Promise<void>((over) => {
        request.upload.onprogress = (event) => call.sent(event.loaded);
        request.onloadend = () => over();
        if (call.signal.aborted) over();
        else request.send(body);
      });
    } finally {
      call.signal.removeEventListener("abort", abort);
    }
    call.signal.throwIfAborted();
    return this.delivered<T>(request);
  }

  private async delivered<T>(request: XMLHttpRequest): Promise<T> {
    if (request.status === 0) throw unreachable();
    if (request.status >= 200 && request.status < 300) return JSON.parse(request.responseText) as T;
    if (request.status === 401 && (await nobodyHere())) this.signedOut();
    const headers = new Headers();
    for (const name of ["Content-Type", "Retry-After"]) {
      const value = request.getResponseHeader(name);
      if (value !== null) headers.set(name, value);
    }
    throw await refusal(new Response(request.responseText, { status: request.status, headers }));
  }
}

interface RawCall {
  query?: Query;
  headers?: Record<string, string>;
  body?: BodyInit;
  signal?: AbortSignal;
}

interface Delivery {
  query?: Query;
  headers?: Record<string, string>;
  signal: AbortSignal;
  /** Called with the number of bytes that are under way. */
  sent: (bytes: number) => void;
}

async function nobodyHere(): Promise<boolean> {
  const response = await send("GET /api/v1/auth/me", {}).catch(() => null);
  return response?.status === 401;
}

async function send<R extends Route>(route: R, { names, query, body }: Call<R>): Promise<Response> {
  const [method, template] = route.split(" ") as [string, string];
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent((names as Record<string, string> | undefined)?.[name] ?? ""),
  );
  const init: RequestInit = { method };
  if (body) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json" };
  }
  return reach(address(path, query), init);
}

async function reach(url: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { cache: "no-store", credentials: "same-origin", ...init });
  } catch (error) {
    init.signal?.throwIfAborted();
    throw error instanceof TypeError ? unreachable() : error;
  }
}

/** No answer came. */
export function unreachable(): Refusal {
  return new Refusal(0, "unreachable", "The server cannot be reached.");
}

/** What a refusing response says; anything that is no problem+json (a proxy's page, say) becomes a plain sentence. */
async function refusal(response: Response): Promise<Refusal> {
  const wait = retryAfter(response.headers.get("Retry-After"));
  const json = response.headers.get("Content-Type")?.startsWith("application/problem+json");
  const problem = json ? ((await response.json().catch(() => null)) as Record<string, unknown> | null) : null;
  const code = typeof problem?.code === "string" ? problem.code : "unexpected_answer";
  const detail = typeof problem?.detail === "string" ? problem.detail : problem?.title;
  const text = typeof detail === "string" && detail ? sentence(detail) : `The server answered ${response.status}.`;
  return new Refusal(response.status, code, text, wait);
}

/** RFC 9110, section 10.2.3: seconds, or a date. */
function retryAfter(value: string | null): number | null {
  if (value === null) return null;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : null;
}

/** The server's texts start small and have no full stop, as they also stand in logs and in a shell. */
export function sentence(text: string): string {
  const large = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(large) ? large : `${large}.`;
}
