/** Being signed in is a cookie that the page cannot see, so the server is asked. */

interface Problem {
  detail?: string;
  title?: string;
}

function api(path: string): URL {
  return new URL(`api/v1/${path}`, new URL(".", document.baseURI));
}

/** False only when the server says so: an unreachable server is not a reason to sign in. */
export async function amSignedIn(): Promise<boolean> {
  try {
    return (await fetch(api("me"), { cache: "no-store" })).status !== 401;
  } catch {
    return true;
  }
}

/** Sign in with a one-use token, or the whole link that holds it. Returns what went wrong, or null. */
export async function signIn(linkOrToken: string): Promise<string | null> {
  try {
    const response = await post("login", { token: tokenOf(linkOrToken) });
    return response.ok ? null : await reason(response);
  } catch {
    return "The server cannot be reached.";
  }
}

export async function signOut(): Promise<void> {
  await post("logout", {});
}

/** The token in a link `…/?login=TOKEN`, or the text itself. */
export function tokenOf(linkOrToken: string): string {
  const text = linkOrToken.trim();
  const login = /[?&]login=([^&#\s]+)/.exec(text)?.[1];
  return login ? decodeURIComponent(login) : text;
}

function post(path: string, body: object): Promise<Response> {
  const headers = { "Content-Type": "application/json" };
  return fetch(api(path), { method: "POST", headers, body: JSON.stringify(body) });
}

async function reason(response: Response): Promise<string> {
  try {
    const problem = (await response.json()) as Problem;
    return problem.detail ?? problem.title ?? `The server answered ${response.status}.`;
  } catch {
    return `The server answered ${response.status}.`;
  }
}
