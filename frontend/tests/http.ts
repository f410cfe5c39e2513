/** A real HTTP server for a test, with the page's address pointed at it. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Call {
  method: string;
  url: string;
  type: string | undefined;
  /** What JSON says; bytes where it is none. */
  body: unknown;
}

type Answering = (call: Call, response: ServerResponse) => void;

export class HttpServer {
  readonly calls: Call[] = [];
  /** How calls are answered; by default with an empty object. */
  answer: Answering = (_, response) => reply(response, 200, {});

  private constructor(private readonly server: Server) {
    server.on("request", (request, response) => void this.take(request, response));
  }

  /** Start it; the page is at `/some/prefix/`. */
  static async start(): Promise<HttpServer> {
    const server = createServer();
    const made = new HttpServer(server);
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    pageAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}/some/prefix/`);
    return made;
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((stopped) => this.server.close(() => stopped()));
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    const json = request.headers["content-type"] === "application/json";
    // The page of a test has an origin of its own; ours and the server's are one.
    response.setHeader("Access-Control-Allow-Origin", "*");
    const call = {
      method: request.method ?? "",
      url: request.url ?? "",
      type: request.headers["content-type"],
      body: bytes.length === 0 ? undefined : json ? (JSON.parse(bytes.toString()) as unknown) : bytes,
    };
    this.calls.push(call);
    this.answer(call, response);
  }
}

export function reply(response: ServerResponse, status: number, body?: object, headers: Record<string, string> = {}): void {
  const type = status < 400 ? "application/json" : "application/problem+json";
  response.writeHead(status, { "Content-Type": type, ...headers });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

export function problem(response: ServerResponse, status: number, code: string, detail: string): void {
  reply(response, status, { type: "about:blank", title: "t", status, code, detail });
}

function pageAt(url: string): void {
  const base = document.querySelector("base") ?? document.head.appendChild(document.createElement("base"));
  base.href = url;
}
