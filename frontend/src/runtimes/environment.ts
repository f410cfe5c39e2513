/** A workspace's environment as texts in a form, and back. */

import { Refusal } from "../api";
import type { Environment } from "../api.gen";

export interface Variable {
  name: string;
  value: string;
}

/** What the form holds; empty texts are "as the server's settings say". */
export interface Draft {
  driver: string;
  image: string;
  cwd: string;
  network: boolean;
  memory: string;
  cpu: string;
  processes: string;
  ports: string;
  variables: Variable[];
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const MOST_VARIABLES = 64;
const MOST_PORTS = 32;

export function draftOf(environment: Environment): Draft {
  const { limits = {}, env = {}, ports = [] } = environment;
  return {
    driver: environment.driver ?? "",
    image: environment.image ?? "",
    cwd: environment.cwd ?? "",
    network: environment.network ?? true,
    memory: limits.memory ? spelledBytes(limits.memory) : "",
    cpu: limits.cpu ? String(limits.cpu) : "",
    processes: limits.processes ? String(limits.processes) : "",
    ports: ports.join(", "),
    variables: Object.entries(env).map(([name, value]) => ({ name, value })),
  };
}

/** Throws a `Refusal` with a sentence for whoever filled in the form. */
export function environmentOf(draft: Draft): Environment {
  const image = draft.image.trim();
  check(!/\s/.test(image), "An image's name has no blanks in it.");
  return {
    driver: draft.driver || null,
    image,
    cwd: draft.cwd.trim().replace(/\/+$/, ""),
    network: draft.network,
    limits: {
      memory: bytesIn(draft.memory),
      cpu: numberIn(draft.cpu, "Processors"),
      processes: wholeIn(draft.processes, "Processes"),
    },
    ports: portsIn(draft.ports),
    env: envOf(draft.variables),
  };
}

/** Lines `NAME=value`, as files of the name `.env` have them: also with `export`, quotes and comments. */
export function variablesIn(text: string): Variable[] {
  const found: Variable[] = [];
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)$/.exec(line);
    if (match) found.push({ name: match[1] ?? "", value: unquoted((match[2] ?? "").trim()) });
  }
  return found;
}

function unquoted(text: string): string {
  const quoted = /^(["'])(.*)\1$/.exec(text);
  return quoted ? (quoted[2] ?? "") : text;
}

/** In the largest unit in which it is whole, so that it comes back as it was. */
function spelledBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value % 1024 === 0 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value} ${UNITS[unit]}`;
}

/** "512 MiB", "1.5g", "2 GB"; a bare number is in MiB. */
function bytesIn(text: string): number {
  if (text.trim() === "") return 0;
  const match = /^(\d+(?:[.,]\d+)?)\s*(?:([kmgt])?i?(b)?)$/i.exec(text.trim());
  check(match !== null, "Memory is a size, such as 512 MiB or 2 GiB.");
  const [, digits = "", letter, bare] = match;
  const power = letter ? "kmgt".indexOf(letter.toLowerCase()) + 1 : bare ? 0 : 2;
  return Math.round(Number(digits.replace(",", ".")) * 1024 ** power);
}

function numberIn(text: string, what: string): number {
  const plain = text.trim().replace(",", ".");
  check(/^(\d+(\.\d+)?)?$/.test(plain), `${what} are a number.`);
  return Number(plain);
}

function wholeIn(text: string, what: string): number {
  check(/^\d*$/.test(text.trim()), `${what} are a whole number.`);
  return Number(text);
}

function portsIn(text: string): number[] {
  const ports = text.split(/[\s,;]+/).filter((word) => word !== "");
  for (const word of ports) check(isPort(word), `${word} is no port: ports are numbers from 1 to 65535.`);
  check(ports.length <= MOST_PORTS, `At most ${MOST_PORTS} ports.`);
  return [...new Set(ports.map(Number))];
}

export function isPort(text: string): boolean {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535;
}

function envOf(variables: readonly Variable[]): Record<string, string> {
  const filled = variables.filter(({ name, value }) => name.trim() !== "" || value !== "");
  check(filled.length <= MOST_VARIABLES, `At most ${MOST_VARIABLES} variables.`);
  const env = new Map<string, string>();
  for (const { name: typed, value } of filled) {
    const name = typed.trim();
    check(name !== "", "A variable without a name.");
    check(NAME.test(name), `${name} is no name of a variable: letters, digits and _.`);
    check(!env.has(name), `${name} is there twice.`);
    env.set(name, value);
  }
  return Object.fromEntries(env);
}

function check(good: boolean, problem: string): asserts good {
  if (!good) throw new Refusal(0, "invalid_environment", problem);
}
