/** What the page's own address asks for: `?invitation=`, `?signin=`, `?next=` and the part behind `#`. */

/** Sentences for `?signin=CODE`, with which the server sends back whom it could not sign in. */
const REFUSALS: Record<string, string> = {
  expired: "That link is wrong, used or too old.",
  denied: "You did not let the provider tell who you are.",
  provider: "The provider did not let you in.",
  token: "What the provider said about you could not be believed.",
  unavailable: "The provider does not answer.",
  stale: "That took too long, or was begun in another browser. Try again.",
  unverified: "The provider does not vouch for your e-mail address.",
  domain: "E-mail addresses of your domain may not sign in here.",
  disabled: "This account is disabled.",
  registration_closed: "There is no account for you here. Ask the server's owner for one.",
  link_first: "An account with your e-mail address exists. Sign in to it with its password, and link the provider there.",
  other_login: "Somebody else is signed in now than when the linking was begun.",
  taken: "This identity belongs to another account here.",
  another: "Your account has another identity at this provider. Unlink that one first.",
  rate_limited: "Too many tries. Wait a minute.",
};

/** Why the server sent the browser here signed out; null when it did not. */
export function refusalIn(search: string): string | null {
  const code = new URLSearchParams(search).get("signin");
  if (!code) return null;
  if (Object.hasOwn(REFUSALS, code)) return REFUSALS[code] as string;
  return `Signing in did not work (${code.replace(/[^a-z_]/gi, "").slice(0, 40)}).`;
}

export function invitationIn(search: string): string | null {
  return new URLSearchParams(search).get("invitation") || null;
}

/** The link that somebody invited opens. */
export function invitationLink(token: string, page: string = document.baseURI): string {
  const url = new URL(".", page);
  url.searchParams.set("invitation", token);
  return url.href;
}

/** What is below this page's own path is a preview there, and nothing else. */
const PREVIEW = /^preview\/[a-z0-9][a-z0-9-]{0,63}\/[1-9]\d{0,4}(?=\/|$)/;

/** The preview that somebody was led here from to sign in; null for all other addresses, whoever has made the link. */
export function nextIn(search: string, page: string = document.baseURI): string | null {
  const text = new URLSearchParams(search).get("next") ?? "";
  if (!PREVIEW.test(text) || !/^[\x21-\x7e]*$/.test(text) || text.includes("\\")) return null;
  const here = new URL(".", page);
  const url = new URL(text, here);
  const inside = url.origin === here.origin && url.pathname.startsWith(here.pathname);
  return inside && PREVIEW.test(url.pathname.slice(here.pathname.length)) ? url.href : null;
}

/** Characters of what a provider takes along. */
const LONGEST_ONWARD = 512;

/** Where the browser goes at a provider's button; it comes back to this page, which goes on where `goOn` does. */
export function providerPath(provider: string, hash: string = location.hash, search: string = location.search): string {
  const next = nextIn(search) === null ? "" : `?next=${encodeURIComponent(new URLSearchParams(search).get("next") ?? "")}`;
  const onward = [`./${next}${hash}`, `./${hash}`, "./"].find((path) => path.length <= LONGEST_ONWARD) ?? "./";
  return `api/v1/auth/oidc/${encodeURIComponent(provider)}?next=${encodeURIComponent(onward)}`;
}

/** The token in a link `…/?login=TOKEN`, or the text itself. */
export function tokenOf(linkOrToken: string): string {
  const text = linkOrToken.trim();
  const login = /[?&]login=([^&#\s]+)/.exec(text)?.[1];
  return login ? decodeURIComponent(login) : text;
}

/** Take what a link had to say out of the address. */
export function forgetLink(): void {
  history.replaceState(null, "", location.pathname + location.hash);
}

/** For whoever signs in: back to the preview that they came for, or a fresh page with nothing in its address that a link had to say. */
export function startAfresh(): void {
  const next = nextIn(location.search);
  if (next !== null) return location.replace(next + location.hash);
  forgetLink();
  location.reload();
}

const GONE_ON = "webterm.next";

/**
 * On to the preview that somebody came for who turns out to be signed in; returns whether that is so. Only once: whom
 * it sends here again stays here.
 */
export function goOn(): boolean {
  const next = nextIn(location.search);
  const again = next === sessionStorage.getItem(GONE_ON);
  sessionStorage.removeItem(GONE_ON);
  if (next === null) return false;
  if (again) forgetLink();
  else {
    sessionStorage.setItem(GONE_ON, next);
    location.replace(next + location.hash);
  }
  return !again;
}

/** Who has to sign in here is led on afterwards, however often they were before. */
export function mayGoOn(): void {
  sessionStorage.removeItem(GONE_ON);
}

/** A fresh page after signing out: nothing that was on the screens stays in memory, no panel in the address. */
export function leaveAfresh(): void {
  history.replaceState(null, "", location.pathname);
  location.reload();
}
