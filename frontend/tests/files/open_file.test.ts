import { beforeEach, describe, expect, it } from "vitest";
import { Refusal } from "../../src/api";
import type { Content, Entry, Expected } from "../../src/files/calls";
import { LARGE, OpenFile, TOO_LARGE, type Disk, type Sheet } from "../../src/files/open_file";
import { nameOf, type Place } from "../../src/files/places";
import type { Hear } from "../../src/files/watches";
import { deferred, settled, type Deferred } from "./deferred";

/** A disk with real contents and tags. A gate holds back what is under way. */
class Memory implements Disk {
  readonly files = new Map<Place, { bytes: Uint8Array; tag: string }>();
  readonly hearers = new Map<Place, Hear>();
  gate: Deferred<void> | null = null;
  private tags = 0;

  put(place: Place, content: string | Uint8Array): void {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    this.files.set(place, { bytes, tag: `t${++this.tags}` });
  }

  text(place: Place): string {
    return new TextDecoder().decode(this.files.get(place)?.bytes);
  }

  changed(directory: Place, ...places: Place[]): void {
    this.hearers.get(directory)?.({ places: new Set(places) });
  }

  stat = async (place: Place): Promise<Entry> => (await this.read(place)).entry;
  head = async (place: Place): Promise<Content> => {
    const { entry, bytes } = await this.read(place);
    return { entry, bytes: bytes.subarray(0, 256 * 1024) };
  };

  read = async (place: Place): Promise<Content> => {
    await this.gate?.promise;
    const file = this.files.get(place);
    if (!file) throw new Refusal(0, "no_such_file", "There is none.");
    const { bytes, tag } = file;
    return { entry: { place, name: nameOf(place), kind: "file", size: bytes.length, modified: 0, tag, executable: false }, bytes };
  };

  write = async (place: Place, bytes: Uint8Array<ArrayBuffer>, expected: Expected): Promise<Entry> => {
    await this.gate?.promise;
    const tag = this.files.get(place)?.tag ?? null;
    if (expected !== undefined && expected !== tag) throw new Refusal(412, "edit_conflict", "It has changed.");
    this.put(place, bytes);
    this.changed("", place); // told to the one who wrote, too
    return (await this.read(place)).entry;
  };

  watch = (place: Place, hear: Hear) => {
    this.hearers.set(place, hear);
    return { begun: Promise.resolve(), stop: () => void this.hearers.delete(place) };
  };
}

class Paper implements Sheet {
  replaced = 0;
  constructor(
    private content: string,
    private readonly edited: () => void,
  ) {}
  text = (): string => this.content;
  focus(): void {}
  dispose(): void {}
  replace(text: string): void {
    this.replaced += 1;
    this.content = text;
    this.edited();
  }
  type(text: string): void {
    this.content = text;
    this.edited();
  }
}

let disk: Memory;
let file: OpenFile;
let paper: Paper;
beforeEach(() => {
  disk = new Memory();
});

async function opened(content: string | Uint8Array): Promise<void> {
  disk.put("a.txt", content);
  file = new OpenFile("w", "a.txt", disk);
  await file.load();
  paper = new Paper(file.text, () => file.edited());
  if (file.phase.value === "text") file.begin(paper);
}

describe("an open file", () => {
  it("is saved where it has not changed", async () => {
    await opened("\ufeffone\r\n");
    paper.type("one\ntwo\n");
    expect(file.dirty.value).toBe(true);
    expect(await file.save()).toBe(true);
    expect(disk.text("a.txt")).toBe("one\r\ntwo\r\n"); // the decoder has taken the mark away
    expect([...disk.files.get("a.txt")!.bytes.subarray(0, 3)]).toEqual([0xef, 0xbb, 0xbf]);
    await settled();
    expect(file.dirty.value).toBe(false);
    expect(paper.replaced).toBe(0); // one's own change is no news
  });

  it("takes what others write while it has no changes", async () => {
    await opened("one");
    disk.put("a.txt", "two");
    disk.changed("", "other", "a.txt");
    await settled();
    expect(paper.text()).toBe("two");
    expect(file.dirty.value).toBe(false);
    paper.type("two!");
    paper.type("two");
    expect(file.dirty.value).toBe(false);
    disk.changed("", "another");
    await settled();
    expect(paper.replaced).toBe(1);
  });

  it("keeps its changes, and says so", async () => {
    await opened("one");
    paper.type("mine");
    disk.put("a.txt", "theirs");
    disk.changed("", "a.txt");
    await settled();
    expect(paper.text()).toBe("mine");
    expect(file.news.value).toBe("changed");
    expect(await file.save()).toBe(false);
    expect(file.conflict.value?.theirs?.text.text).toBe("theirs");
    expect(disk.text("a.txt")).toBe("theirs");
    expect(await file.save(file.conflict.value!)).toBe(true);
    expect(disk.text("a.txt")).toBe("mine");
    expect(file.news.value).toBeNull();
    expect(file.conflict.value).toBeNull();
  });

  it("asks again when it changes while people decide", async () => {
    await opened("one");
    paper.type("mine");
    disk.put("a.txt", "theirs");
    await file.save();
    const known = file.conflict.value!;
    disk.put("a.txt", "theirs, later");
    expect(await file.save(known)).toBe(false);
    expect(disk.text("a.txt")).toBe("theirs, later");
    file.takeTheirs(file.conflict.value!.theirs);
    expect(paper.text()).toBe("theirs, later");
    expect(file.dirty.value).toBe(false);
    paper.type("now");
    expect(await file.save()).toBe(true);
  });

  it("knows its own text when others write the same", async () => {
    await opened("one");
    paper.type("both");
    disk.put("a.txt", "both");
    disk.changed("", "a.txt");
    await settled();
    expect(file.dirty.value).toBe(false);
    expect(file.news.value).toBeNull();
    expect(paper.replaced).toBe(0);
  });

  it("goes on being changed while it is saved", async () => {
    await opened("one");
    paper.type("two");
    disk.gate = deferred();
    const saving = file.save();
    expect(await file.save()).toBe(false); // one at a time
    paper.type("three");
    disk.gate.resolve();
    disk.gate = null;
    expect(await saving).toBe(true);
    await settled();
    expect(disk.text("a.txt")).toBe("two");
    expect(paper.text()).toBe("three");
    expect(file.dirty.value).toBe(true);
    expect(file.news.value).toBeNull();
  });

  it("looks once more after a change that comes while it looks", async () => {
    await opened("one");
    disk.put("a.txt", "two");
    disk.gate = deferred();
    disk.changed("", "a.txt");
    await settled();
    disk.changed("", "a.txt");
    disk.gate.resolve();
    disk.gate = null;
    disk.put("a.txt", "three");
    await settled();
    await settled();
    expect(paper.text()).toBe("three");
  });

  it("can be gone, and come back", async () => {
    await opened("one");
    const { bytes } = disk.files.get("a.txt")!;
    disk.files.delete("a.txt");
    disk.changed("", "a.txt");
    await settled();
    expect(file.news.value).toBe("gone");
    disk.put("a.txt", bytes);
    disk.changed("", "a.txt");
    await settled();
    expect(file.news.value).toBeNull();
    disk.files.delete("a.txt");
    paper.type("kept");
    expect(await file.save()).toBe(false);
    expect(file.conflict.value).toEqual({ theirs: null });
    expect(await file.save(file.conflict.value!)).toBe(true);
    expect(disk.text("a.txt")).toBe("kept");
  });

  it("follows its new name", async () => {
    await opened("one");
    disk.files.set("d/b.txt", disk.files.get("a.txt")!);
    disk.files.delete("a.txt");
    file.renamed("d/b.txt");
    await settled();
    expect([...disk.hearers.keys()]).toEqual(["d"]);
    expect(file.news.value).toBeNull();
    disk.put("d/b.txt", "two");
    disk.changed("d", "d/b.txt");
    await settled();
    expect(paper.text()).toBe("two");
    file.close();
    expect(disk.hearers.size).toBe(0);
  });

  it("says what cannot be saved", async () => {
    await opened("one");
    paper.type("two");
    disk.write = () => Promise.reject(new Refusal(0, "quota_reached", "It is full."));
    await expect(file.save()).rejects.toThrow("It is full.");
    expect(file.dirty.value).toBe(true);
    expect(file.saving.value).toBe(false);
  });
});

describe("a file that is no text for the editor", () => {
  it.each([
    ["binary", Uint8Array.of(1, 0, 2)],
    ["binary", Uint8Array.of(0xff)],
    ["large", new Uint8Array(LARGE + 1).fill(0x61)],
    ["too_large", new Uint8Array(TOO_LARGE + 1).fill(0x61)],
    ["text", new Uint8Array(LARGE).fill(0x61)],
  ] as const)("is %s", async (phase, bytes) => {
    await opened(bytes);
    expect(file.phase.value).toBe(phase);
  });

  it("is opened when people say so, if it is a text to its end", async () => {
    await opened(new Uint8Array(LARGE + 1).fill(0x61));
    await file.load(true);
    expect(file.phase.value).toBe("text");
    const bytes = new Uint8Array(LARGE + 1).fill(0x61);
    bytes[LARGE] = 0;
    await opened(bytes);
    await file.load(true);
    expect(file.phase.value).toBe("binary");
  });

  it("is opened once it has become one", async () => {
    await opened(Uint8Array.of(0));
    disk.put("a.txt", "text");
    disk.changed("", "a.txt");
    await settled();
    expect(file.phase.value).toBe("text");
    expect(file.text).toBe("text");
  });

  it("can be tried again", async () => {
    file = new OpenFile("w", "none", disk);
    await file.load();
    expect(file.phase.value).toBe("failed");
    expect(file.problem.value).toBe("There is none.");
    disk.put("none", "there");
    await file.load();
    expect(file.phase.value).toBe("text");
  });
});
