/** Which links of a program's output may be opened. */

const LONGEST = 4096;
const SCHEMES = new Set(["http:", "https:", "mailto:"]);

/** The address in its normal form, or null when it must not be opened. */
export function allowedLink(text: string): string | null {
  if (text.length > LONGEST) return null;
  let url: URL;
  try {
    url = new URL(text); // no base: a relative link would lead into our own origin
  } catch {
    return null;
  }
  return SCHEMES.has(url.protocol) ? url.href : null;
}

export function openLink(text: string): void {
  const href = allowedLink(text);
  if (href) window.open(href, "_blank", "noopener,noreferrer");
}
