/**
 * Where a file is in its workspace.
 *
 * A `Place` is its path with all bytes percent-encoded that are no plain letters: names need not be UTF-8, and two
 * places are the same file name exactly when they are the same string. `""` is the workspace itself.
 */

export type Place = string;

/** How a path is said to the server: as text, or percent-encoded where it is no text. */
export interface Spelling {
  path: string;
  encoded?: boolean;
}

const PLAIN = /^[A-Za-z0-9_.~-]$/;
const LONGEST_NAME = 255;

export function placeOf(path: string): Place {
  return encoded(new TextEncoder().encode(path));
}

/** The place in one spelling, however the server or a link has percent-encoded it. */
export function canonical(place: string): Place {
  return encoded(bytesOf(place));
}

/** The path as people read it; what is no UTF-8 becomes U+FFFD. */
export function pathOf(place: Place): string {
  return new TextDecoder().decode(bytesOf(place));
}

export function spelled(place: Place): Spelling {
  try {
    return { path: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytesOf(place)) };
  } catch {
    return { path: place, encoded: true };
  }
}

export function joined(directory: Place, name: string): Place {
  const last = placeOf(name);
  return directory === "" ? last : `${directory}/${last}`;
}

export function parentOf(place: Place): Place {
  return place.slice(0, Math.max(0, place.lastIndexOf("/")));
}

export function nameOf(place: Place): string {
  return pathOf(place.slice(place.lastIndexOf("/") + 1));
}

/** The last part as it is encoded, to be put into another directory unchanged. */
export function moved(place: Place, directory: Place): Place {
  const last = place.slice(place.lastIndexOf("/") + 1);
  return directory === "" ? last : `${directory}/${last}`;
}

/** Whether `place` is `directory` or beneath it. */
export function within(place: Place, directory: Place): boolean {
  return directory === "" || place === directory || place.startsWith(`${directory}/`);
}

/** Why this cannot be the name of a file; null when it can. */
export function nameProblem(name: string): string | null {
  if (name === "") return "A name is needed.";
  if (name === "." || name === "..") return "This name means a directory.";
  if (name.includes("/")) return "A name has no slash in it.";
  if (name.includes("\0")) return "A name has no NUL in it.";
  return new TextEncoder().encode(name).length > LONGEST_NAME ? "This name is too long." : null;
}

function encoded(bytes: Uint8Array): Place {
  return Array.from(bytes, (byte) => {
    const character = String.fromCharCode(byte);
    return character === "/" || PLAIN.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}

function bytesOf(place: string): Uint8Array {
  const bytes: number[] = [];
  for (let at = 0; at < place.length; at++) {
    const hex = place[at] === "%" ? /^[0-9A-Fa-f]{2}/.exec(place.slice(at + 1, at + 3))?.[0] : undefined;
    if (hex) {
      bytes.push(parseInt(hex, 16));
      at += 2;
    } else {
      const character = String.fromCodePoint(place.codePointAt(at) as number);
      bytes.push(...new TextEncoder().encode(character));
      at += character.length - 1;
    }
  }
  return Uint8Array.from(bytes);
}
