/** Between the bytes of a file and the text in an editor, so that what is not changed stays as it was, byte for byte. */

export interface Text {
  /** Lines end in LF; a lone CR is a character like any other. */
  text: string;
  /** How lines end in the file. Files that mix them are shown with their CRs. */
  ending: "\n" | "\r\n";
  /** Whether the file begins with a byte order mark. */
  marked: boolean;
}

const MARK = [0xef, 0xbb, 0xbf];

/** Null for what is no text: a NUL, or bytes that are not UTF-8. */
export function textIn(bytes: Uint8Array): Text | null {
  if (bytes.includes(0)) return null;
  const marked = MARK.every((byte, at) => bytes[at] === byte);
  let text: string;
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    text = decoder.decode(marked ? bytes.subarray(MARK.length) : bytes);
  } catch {
    return null;
  }
  const dos = text.includes("\r\n") && !/\r(?!\n)|(?<!\r)\n/.test(text);
  return { text: dos ? text.replaceAll("\r\n", "\n") : text, ending: dos ? "\r\n" : "\n", marked };
}

export function bytesFor({ text, ending, marked }: Text): Uint8Array<ArrayBuffer> {
  const body = new TextEncoder().encode(ending === "\n" ? text : text.replaceAll("\n", ending));
  if (!marked) return body;
  const bytes = new Uint8Array(MARK.length + body.length);
  bytes.set(MARK);
  bytes.set(body, MARK.length);
  return bytes;
}

/** Whether the first bytes of a file show already that it is no text. A character that is cut off at the end may be one. */
export function looksBinary(head: Uint8Array): boolean {
  if (head.includes(0)) return true;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true });
    return false;
  } catch {
    return true;
  }
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(binary);
}
