import { describe, expect, it } from "vitest";
import type { Environment } from "../../src/api.gen";
import { draftOf, environmentOf, isPort, variablesIn, type Draft } from "../../src/runtimes/environment";

const EMPTY = draftOf({});

describe("an environment in a form", () => {
  it.each<Environment>([
    { driver: null, image: "", env: {}, ports: [], limits: { processes: 0, memory: 0, cpu: 0 }, cwd: "", network: true },
    {
      driver: "docker",
      image: "docker.io/library/python:3.13",
      env: { PATH_TO: "/a b", EMPTY: "", __proto: "x" },
      ports: [8080, 22],
      limits: { processes: 64, memory: 1536 * 1024 ** 2, cpu: 0.5 },
      cwd: "src/web",
      network: false,
    },
    { driver: null, image: "", env: {}, ports: [], limits: { processes: 0, memory: 1000, cpu: 0 }, cwd: "", network: true },
  ])("comes back as it was: %j", (environment) => expect(environmentOf(draftOf(environment))).toEqual(environment));

  it.each([
    ["", 0],
    [" 512 MiB ", 512 * 1024 ** 2],
    ["1.5g", 1.5 * 1024 ** 3],
    ["2GB", 2 * 1024 ** 3],
    ["100", 100 * 1024 ** 2],
    ["4096 B", 4096],
    ["1,5 GiB", 1.5 * 1024 ** 3],
  ])("memory %j", (memory, bytes) => expect(environmentOf({ ...EMPTY, memory }).limits?.memory).toBe(bytes));

  it.each<[Partial<Draft>, string]>([
    [{ memory: "much" }, "Memory is a size, such as 512 MiB or 2 GiB."],
    [{ memory: "-1" }, "Memory is a size, such as 512 MiB or 2 GiB."],
    [{ cpu: "1e3" }, "Processors are a number."],
    [{ processes: "1.5" }, "Processes are a whole number."],
    [{ ports: "80, 65536" }, "65536 is no port: ports are numbers from 1 to 65535."],
    [{ ports: "080" }, "080 is no port: ports are numbers from 1 to 65535."],
    [{ image: "a b" }, "An image's name has no blanks in it."],
    [{ variables: [{ name: "", value: "x" }] }, "A variable without a name."],
    [{ variables: [{ name: "1A", value: "x" }] }, "1A is no name of a variable: letters, digits and _."],
    [{ variables: ["A", "A"].map((name) => ({ name, value: "" })) }, "A is there twice."],
  ])("what is wrong is said: %j", (part, text) => expect(() => environmentOf({ ...EMPTY, ...part })).toThrow(text));

  it("leaves out rows that are empty, and ports that are there twice", () => {
    const draft = { ...EMPTY, ports: "80 81,80;", cwd: "src/", variables: [{ name: " ", value: "" }, { name: " A ", value: " x " }] };
    expect(environmentOf(draft)).toMatchObject({ ports: [80, 81], cwd: "src", env: { A: " x " } });
  });
});

it("leaves it to the server to refuse a folder elsewhere", () => {
  expect(environmentOf({ ...EMPTY, cwd: " /etc/ " }).cwd).toBe("/etc");
});

it("variables are found in what was copied from a file", () => {
  const text = "# of ours\nA=1\r\nexport B = two words\nC=\"x=y\"\nD='it'\n\nnot this\n1E=2";
  expect(variablesIn(text)).toEqual([
    { name: "A", value: "1" },
    { name: "B", value: "two words" },
    { name: "C", value: "x=y" },
    { name: "D", value: "it" },
  ]);
  expect(variablesIn("just a name")).toEqual([]);
});

it.each([
  ["1", true],
  ["65535", true],
  ["0", false],
  ["65536", false],
  ["٣٣٣", false],
  ["80@evil", false],
  ["-1", false],
])("port %j", (text, good) => expect(isPort(text)).toBe(good));
