import { emptyPage } from "./jsdom";
import { Terminal } from "@xterm/xterm";
import { beforeEach, describe, expect, it } from "vitest";
import { listen } from "../src/answers";
import { Attachment } from "../src/attachment";
import type { ClientMessage } from "../src/protocol.gen";

let terminal: Terminal;
let attachment: Attachment;
let sent: ClientMessage[];
let typed: string[];

beforeEach(() => {
  const messages: ClientMessage[] = (sent = []); // of this test: an ack may come after its end
  typed = [];
  terminal = new Terminal({ allowProposedApi: true, windowOptions: {}, logLevel: "off" });
  terminal.open(emptyPage());
  attachment = new Attachment(terminal, (message) => messages.push(message), () => undefined);
  listen(terminal, {
    input: (data) => typed.push(Buffer.from(data).toString("latin1")),
    answer: (data) => attachment.answer(data),
  });
  attachment.open(1, { cols: 80, rows: 24 });
});

function attached(replayUntil: number): void {
  attachment.attached({
    type: "attached",
    channel: 1,
    terminal: "t",
    offset: 0,
    replay_until: replayUntil,
    preamble: "\x1b[c",
    cols: 80,
    rows: 24,
    role: "write",
    title: "",
    driver: "echo",
    viewer: 1,
    viewers: [],
  });
}

async function output(text: string): Promise<void> {
  const data = new TextEncoder().encode(text);
  const offset = attachment.have ?? 0;
  attachment.output({ channel: 1, offset, end: offset + data.length, data });
  await drained();
}

async function drained(): Promise<void> {
  // Twice: the first may come before a step that waits for the parser.
  for (let round = 0; round < 3; round++) await new Promise<void>((resolve) => terminal.write("", resolve));
}

const answers = (): string[] => sent.flatMap((message) => (message.type === "answer" ? [message.data] : []));

const QUESTIONS: [string, string, RegExp][] = [
  ["DA1", "\x1b[c", /^\x1b\[\?[\d;]+c$/],
  ["DA1, 8-bit", "\u009bc", /^\x1b\[\?[\d;]+c$/],
  ["DA2", "\x1b[>c", /^\x1b\[>[\d;]+c$/],
  ["DSR", "\x1b[5n", /^\x1b\[0n$/],
  ["CPR", "\x1b[6n", /^\x1b\[1;1R$/],
  ["DECXCPR", "\x1b[?6n", /^\x1b\[\?1;1R$/],
  ["DECRQM", "\x1b[4$p", /^\x1b\[4;2\$y$/],
  ["DECRQM, private", "\x1b[?2004$p", /^\x1b\[\?2004;2\$y$/],
  ["OSC 4", "\x1b]4;1;?\x07", /^\x1b\]4;1;rgb:/],
  ["OSC 10", "\x1b]10;?\x1b\\", /^\x1b\]10;rgb:/],
  ["OSC 11", "\x1b]11;?\x07", /^\x1b\]11;rgb:/],
  ["OSC 12", "\x1b]12;?\x07", /^\x1b\]12;rgb:/],
  ["DECRQSS", "\x1bP$qm\x1b\\", /^\x1bP1\$r0m\x1b\\$/],
  ["XTVERSION", "\x1b[>q", /^\x1bP>\|webterm\x1b\\$/],
];

describe("an answer", () => {
  it.each(QUESTIONS)("to %s is told from input, and given once", async (_, question, answer) => {
    attached(0);
    await output(question);
    expect(answers()).toEqual([expect.stringMatching(answer)]);
    expect(typed).toEqual([]);
  });

  it.each(QUESTIONS)("to %s is not given during a replay", async (_, question) => {
    attached(question.length + 1);
    await output(question);
    expect(answers()).toEqual([]);
    expect(typed).toEqual([]);
  });

  it("comes before the ack of the bytes that asked", async () => {
    attached(0);
    await output("x".repeat(40_000) + "\x1b[c");
    expect(sent.slice(1).map((message) => message.type)).toEqual(["answer", "ack"]);
  });

  it("is one message for each question", async () => {
    attached(0);
    await output("\x1b[c\x1b[5n\x1b[6n");
    expect(answers()).toHaveLength(3);
  });

  it.each([
    ["window reports", "\x1b[14t\x1b[16t\x1b[18t\x1b[21t"],
    ["ENQ", "\x05"],
    ["the clipboard", "\x1b]52;c;?\x07"],
    ["terminfo", "\x1bP+q544e\x1b\\"],
    ["colours that are set", "\x1b]11;#000000\x07"],
  ])("is never given to %s", async (_, question) => {
    attached(0);
    await output(question);
    expect(answers()).toEqual([]);
    expect(typed).toEqual([]);
  });
});

describe("input", () => {
  it("goes out during a replay", async () => {
    attached(100);
    attachment.output({ channel: 1, offset: 0, end: 3, data: new TextEncoder().encode("\x1b[c") });
    terminal.input("key");
    await drained();
    expect(typed).toEqual(["key"]);
    expect(answers()).toEqual([]);
  });

  it("after a question is input again", async () => {
    attached(0);
    await output("\x1b[c");
    terminal.input("k");
    expect(typed).toEqual(["k"]);
    expect(answers()).toHaveLength(1);
  });

  it("that looks like an answer is input", async () => {
    attached(0);
    await drained();
    terminal.paste("\x1b[?1;2c");
    expect(typed).toEqual(["\x1b[?1;2c"]);
    expect(answers()).toEqual([]);
  });
});
