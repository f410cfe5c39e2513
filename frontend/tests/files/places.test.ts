import { describe, expect, it } from "vitest";
import { canonical, joined, moved, nameOf, nameProblem, parentOf, pathOf, placeOf, spelled, within } from "../../src/files/places";

describe("places", () => {
  it.each([
    ["", ""],
    ["a/b.txt", "a/b.txt"],
    ["ünï cödé/😀", "%C3%BCn%C3%AF%20c%C3%B6d%C3%A9/%F0%9F%98%80"],
    ["100% (a+b)?#&=;:@'\"\n", "100%25%20%28a%2Bb%29%3F%23%26%3D%3B%3A%40%27%22%0A"],
    ["\ufeffmark", "%EF%BB%BFmark"],
  ])("%j is %s, and back", (path, place) => {
    expect(placeOf(path)).toBe(place);
    expect(pathOf(place)).toBe(path.replace("\ufeff", ""));
    expect(spelled(place)).toEqual({ path });
  });

  it("have one spelling, however they were spelled", () => {
    expect(canonical("a!$&'()*+,;=:@b%2fc%7E")).toBe("a%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40b/c~");
    expect(canonical("%zz%")).toBe("%25zz%25");
    expect(canonical("ü")).toBe("%C3%BC");
  });

  it("say bytes that are no text as bytes", () => {
    expect(spelled("a/%FF%FE")).toEqual({ path: "a/%FF%FE", encoded: true });
    expect(nameOf("a/%FFx")).toBe("\ufffdx");
  });

  it("know what is above and below", () => {
    expect(joined("", "a b")).toBe("a%20b");
    expect(joined("d", "x/y")).toBe("d/x/y");
    expect(parentOf("a/b/c")).toBe("a/b");
    expect(parentOf("a")).toBe("");
    expect(moved("a/%FF", "b")).toBe("b/%FF");
    expect(moved("a/%FF", "")).toBe("%FF");
    expect(within("a/b", "a")).toBe(true);
    expect(within("ab", "a")).toBe(false);
    expect(within("a", "")).toBe(true);
  });

  it.each([
    ["", "A name is needed."],
    ["..", "This name means a directory."],
    ["a/b", "A name has no slash in it."],
    ["ä".repeat(128), "This name is too long."],
    ["a".repeat(255), null],
    [".env", null],
  ])("%j as a name", (name, problem) => expect(nameProblem(name)).toBe(problem));
});
