/** Questions over the socket, each under a number of its own, and which answer is for which. */

import { Refusal, sentence, unreachable } from "./api";
import type { ClientMessage, ErrorMessage, ServerMessage } from "./protocol.gen";

type Without<M, Key extends PropertyKey> = M extends unknown ? Omit<M, Key> : never;

export type Question = Without<Extract<ClientMessage, { request: number }>, "request">;
export type Answer = Exclude<Extract<ServerMessage, { request: number }>, ErrorMessage>;
export type AnswerOf<Type extends Answer["type"]> = Extract<Answer, { type: Type }>;

/** How many may wait for their answers; the server takes 32 of one socket. */
const UNDER_WAY = 24;

interface Asked {
  question: Question;
  type: Answer["type"];
  resolve(answer: Answer): void;
  reject(error: Refusal): void;
}

export class Requests {
  private readonly underWay = new Map<number, Asked>();
  private queue: Asked[] = [];
  private last = 0;

  /** `send` says whether the message went out. */
  constructor(private readonly send: (message: ClientMessage) => boolean) {}

  /** Throws `Refusal`: what the server refuses, and `unreachable` when the connection is not there or breaks. */
  ask<Type extends Answer["type"]>(question: Question, type: Type): Promise<AnswerOf<Type>> {
    return new Promise((resolve, reject) => {
      this.queue.push({ question, type, resolve: (answer) => resolve(answer as AnswerOf<Type>), reject });
      this.next();
    });
  }

  /** Whether the message was an answer to a question of this page. */
  take(message: ServerMessage): boolean {
    if (!("request" in message) || typeof message.request !== "number") return false;
    const asked = this.underWay.get(message.request);
    this.underWay.delete(message.request);
    if (asked) settle(asked, message);
    this.next();
    return true;
  }

  /** The socket is gone, and with it all answers. */
  lost(): void {
    const all = [...this.underWay.values(), ...this.queue];
    this.underWay.clear();
    this.queue = [];
    for (const asked of all) asked.reject(unreachable());
  }

  private next(): void {
    while (this.underWay.size < UNDER_WAY) {
      const asked = this.queue.shift();
      if (!asked) return;
      const request = ++this.last;
      this.underWay.set(request, asked);
      if (this.send({ ...asked.question, request } as ClientMessage)) continue;
      this.underWay.delete(request);
      asked.reject(unreachable());
    }
  }
}

function settle(asked: Asked, message: ServerMessage): void {
  if (message.type === "error") asked.reject(new Refusal(0, message.code, sentence(message.message)));
  else if (message.type === asked.type) asked.resolve(message as Answer);
  else asked.reject(new Refusal(0, "unexpected_answer", `The server answered "${message.type}".`));
}
