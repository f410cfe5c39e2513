import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Refusal } from "../../src/api";
import type { Entry, Listing } from "../../src/files/calls";
import { nameOf, parentOf, type Place } from "../../src/files/places";
import { Tree } from "../../src/files/tree";
import type { Hear } from "../../src/files/watches";

/** A disk whose listings are as long as one likes. */
class Disk {
  readonly files = new Map<Place, Entry["kind"]>();
  readonly hearers = new Map<Place, Hear>();
  listings = 0;

  add(...places: Place[]): void {
    for (const place of places) this.files.set(place.replace(/\/$/, ""), place.endsWith("/") ? "directory" : "file");
  }

  list = async (place: Place, hidden: boolean, after: string | null, limit: number): Promise<Listing> => {
    this.listings += 1;
    if (place !== "" && !this.files.has(place)) throw new Refusal(0, "no_such_file", "gone");
    const all = [...this.files.keys()]
      .filter((one) => parentOf(one) === place && (hidden || !nameOf(one).startsWith(".")))
      .sort();
    const from = after === null ? 0 : all.findIndex((one) => one > after);
    const items = from < 0 ? [] : all.slice(from, from + limit);
    const next = from >= 0 && from + limit < all.length ? (items.at(-1) ?? null) : null;
    return { items: items.map((one) => entry(one, this.files.get(one)!)), next };
  };

  watch = (place: Place, hear: Hear) => {
    this.hearers.set(place, hear);
    return { begun: Promise.resolve(), stop: () => void this.hearers.delete(place) };
  };

  changed(place: Place): void {
    this.hearers.get(place)?.({ places: null });
  }
}

function entry(place: Place, kind: Entry["kind"]): Entry {
  return { place, name: nameOf(place), kind, size: 1, modified: 0, tag: "t", executable: false };
}

let disk: Disk;
let tree: Tree;
beforeEach(() => {
  vi.useFakeTimers();
  disk = new Disk();
});
afterEach(() => {
  tree.dispose();
  vi.useRealTimers();
});

async function grown(): Promise<Tree> {
  tree = new Tree(disk);
  await vi.advanceTimersByTimeAsync(1_000);
  return tree;
}
const shown = (): string[] => tree.rows.value.map((row) => `${"  ".repeat(row.level - 1)}${row.text}`);

describe("the tree", () => {
  it("shows directories first, and numbers as people count them", async () => {
    disk.add("b.txt", "f10", "f2", "src/", "Alpha", ".git/");
    await grown();
    expect(shown()).toEqual(["src", "Alpha", "b.txt", "f2", "f10"]);
    expect(tree.rows.value[1]).toMatchObject({ position: 2, count: 5, level: 1, open: null });
    tree.showHidden(true);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(shown()).toEqual([".git", "src", "Alpha", "b.txt", "f2", "f10"]);
  });

  it("opens and closes directories with all below", async () => {
    disk.add("a/", "a/b/", "a/b/c", "a/d", "e/", "z");
    await grown();
    await tree.open("a");
    await tree.open("a/b");
    await tree.open("e");
    expect(shown()).toEqual(["a", "  b", "    c", "  d", "e", "  Nothing in here", "z"]);
    tree.current.value = "a/b/c";
    tree.close("a");
    expect(shown()).toEqual(["a", "e", "  Nothing in here", "z"]);
    expect(tree.current.value).toBe("a");
    expect([...disk.hearers.keys()]).toEqual(["", "e"]);
  });

  it("takes what others change, without listing too often", async () => {
    disk.add("a/", "b");
    await grown();
    const before = disk.listings;
    disk.add("c");
    for (let time = 0; time < 50; time++) {
      disk.changed("");
      await vi.advanceTimersByTimeAsync(10);
    }
    expect(shown()).toEqual(["a", "b", "c"]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(disk.listings - before).toBeLessThanOrEqual(4);
  });

  it("lets go of directories that are gone, and moves the current row to what is left", async () => {
    disk.add("a/", "a/x/", "b", "c");
    await grown();
    await tree.open("a");
    await tree.open("a/x");
    tree.current.value = "a/x";
    for (const place of ["a", "a/x"]) disk.files.delete(place);
    disk.changed("a"); // told first of the inside
    disk.changed("");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(shown()).toEqual(["b", "c"]);
    expect([...disk.hearers.keys()]).toEqual([""]);
    expect(tree.current.value).toBe("b");
  });

  it("shows a long directory a page at a time, in the server's order", async () => {
    disk.add(...Array.from({ length: 2500 }, (_, number) => `f${String(number).padStart(4, "0")}`), "zz/");
    await grown();
    expect(tree.rows.value.length).toBe(1001);
    expect(tree.rows.value.at(-1)).toMatchObject({ kind: "more", busy: false });
    await tree.more("");
    await tree.more("");
    expect(tree.rows.value.length).toBe(2501);
    expect(tree.rows.value.at(-1)?.text).toBe("zz");
    disk.files.delete("f0007");
    disk.changed("");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(tree.rows.value.filter((row) => row.kind === "entry").length).toBe(2500);
  });

  it("reveals a file", async () => {
    disk.add("a/", "a/b/", "a/b/c");
    await grown();
    await tree.reveal("a/b/c");
    expect(shown()).toEqual(["a", "  b", "    c"]);
    expect(tree.current.value).toBe("a/b/c");
  });

  it("says what was refused, and tries again when asked", async () => {
    disk.add("a");
    const refusing = { ...disk, list: () => Promise.reject(new Refusal(0, "permission_denied", "No.")) };
    tree = new Tree(refusing as never);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(shown()).toEqual(["No."]);
  });
});
