/** What the page's own address asks for: `?invitation=`, `?signin=` and the part behind `#`. */

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

/** Where the browser goes at a provider's button; it comes back to this page, to the same place behind `#`. */
export function providerPath(provider: string, hash: string = location.hash): string {
  return `api/v1/auth/oidc/${encodeURIComponent(provider)}?next=${encodeURIComponent(`./${hash}`)}`;
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

/** A fresh page for whoever signs in: nothing that a link had to say stays in the address. */
export function startAfresh(): void {
  forgetLink();
  location.reload();
}

/** A fresh page after signing out: nothing that was on the screens stays in memory, no panel in the address. */
export function leaveAfresh(): void {
  history.replaceState(null, "", location.pathname);
  location.reload();
}
