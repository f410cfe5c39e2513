"""Which headers go through to an app in a preview, and which of its own come back.

The app believes that it is asked by its own page at ``http://localhost:PORT``: what says otherwise is put right on the
way. What proves to us, or to a proxy in front of us, who somebody is never gets there. Of what it answers, everything
is taken out that would hold for more than this one answer at this one place: for our whole origin, for other hosts,
for caches, or for the proxy. Hop-by-hop headers (RFC 9110, section 7.6.1) go no further in either direction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

SANDBOX = "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads"
"""Never with ``allow-same-origin``: on a path of ours the app would be us."""
BROWSERS_OWN = frozenset({"basic", "digest", "negotiate", "ntlm", "kerberos", "mutual", "hoba"})
"""Schemes of ``Authorization`` that browsers send of themselves, to a whole origin: on our own they are no app's."""
BY_SCRIPT = ("", "cors", "same-origin")
"""``Sec-Fetch-Mode`` where a page can have set ``Authorization``, or a program, which does not say."""
OUR_COOKIES = re.compile(r"(__[a-z]+-)?webterm-.*", re.IGNORECASE | re.DOTALL)
"""Names of cookies that are ours, whatever server of ours has set them."""
UP_TO_PATH = re.compile(r"[^/]*//[^/?#\\]*")
"""Of a URL, what comes before the path."""
LOCAL = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1", "::"})  # noqa: S104 - compared with, not listened on
"""What apps call themselves."""

HOP_BY_HOP = frozenset(
    ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings"]
)
FRAMING = frozenset({"content-length", "host", "expect"})
"""What the connection to the app has its own of."""
HIDDEN = re.compile(
    r"forwarded|via|x-real-ip|x-client-ip|true-client-ip|x-original-.*|x-forwarded-.*|proxy-.*|(x-)?remote-user"
    r"|(x-)?remote-(name|email|groups?)|x-auth-request-.*|x-authentik-.*|x-amzn-oidc-.*|x-goog-(iap|authenticated)-.*"
    r"|x-ms-(client|token)-.*|x-pomerium-.*|x-vouch-.*|cf-access-.*|cf-connecting-.*|tailscale-.*|webterm-.*"
    r"|(x-)?ssl-.*|x-(arr-|tls-)?client-?cert.*|x-tls-client-.*|client-cert(-chain)?|x-web-?auth-.*|x-token-.*"
    r"|x-user(-(name|mail|email|groups?|roles?|dn|info))?|x-(user)?name|x-e?mail|x-groups?|x-(proxy|authenticated)-.*"
    r"|x-auth-(user(name)?|name|email|groups?|roles?)|x-authelia-.*|(x-)?oidc[-_].*|mellon[-_].*|(x-)?shib-.*"
    r"|x-appengine-.*|x-endpoint-api-userinfo|x-azure-.*|x-cluster-client-ip|fastly-client-.*|fly-client-ip|x-envoy-.*"
)
"""What only proxies add, of which some say who somebody is, and some prove it. `X-User-Id`, `X-Auth-Token` and
`X-Access-Token` are usual with apps of all kinds, and stay."""
NOT_ONWARD = HOP_BY_HOP | FRAMING | {"cookie", "authorization", "origin", "referer"}

BEYOND = re.compile(
    r"clear-site-data|alt-svc|strict-transport-security|nel|report-to|reporting-endpoints|expect-ct|public-key-pins.*"
    r"|accept-ch|critical-ch|set-login|use-as-dictionary|attribution-reporting-.*|sec-.*|secure-session-.*|proxy-.*"
    r"|x-accel-.*|x-sendfile.*|x-lighttpd-.*|x-litespeed-.*|x-reproxy-.*|x-envoy-.*|surrogate-.*|edge-control|cdn-.*"
    r"|.*-cdn-cache-control|content-length"
)
"""Of answers: what holds for a whole origin, speaks to proxies and caches, or frames the body."""
AS_US = re.compile(
    r"set-cookie2?|service-worker-allowed|access-control-.*|cross-origin-.*|origin-agent-cluster|permissions-policy"
    r"|referrer-policy|www-authenticate|authentication-info"
)
"""Of answers on a path of ours: what speaks for our origin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How a browser sees an app: below ``base`` of our own origin, or with ``base`` empty at an origin of its own.

    ``origins`` are what a browser calls the origin of the app's pages. ``framed_by`` are the origins that may show it
    in a frame, besides its own. ``from_elsewhere``: answers are for pages of any origin, as those of a sandboxed page
    are, which has none.
    """

    port: int
    base: str
    origins: frozenset[str]
    framed_by: tuple[str, ...] = ()
    from_elsewhere: bool = False

    @property
    def local(self) -> str:
        """What the app takes for its own origin."""
        return f"http://localhost:{self.port}"


def onward(
    headers: Mapping[str, str], view: View, *, hidden: frozenset[str], is_ours: Callable[[str], bool]
) -> list[tuple[str, str]]:
    """The headers of a request, as the app gets them.

    ``hidden`` are further names, in lower case. ``is_ours`` says whether a value of ``Authorization`` is for us.
    """
    named = _named(headers.items())
    sent = [("Host", f"localhost:{view.port}")]
    for name, value in headers.items():
        low = name.lower()
        if low in NOT_ONWARD or low in hidden or low in named or HIDDEN.fullmatch(low):
            continue
        if view.base and low in ("sec-fetch-site", "sec-fetch-user"):
            continue  # of a page without an origin, everything comes from elsewhere
        sent.append((name, _sound(value)))
    sent.extend((name, _sound(value)) for name, value in _told(headers, view, is_ours))
    return sent


def upgrading(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The same for the handshake of a WebSocket."""
    return [*headers, ("Connection", "Upgrade"), ("Upgrade", "websocket")]


def back(headers: Iterable[tuple[str, str]], view: View, *, upgraded: bool = False) -> Iterator[tuple[str, str]]:
    """The headers of an answer, as the browser gets them; without the length of the body."""
    headers = list(headers)
    named = _named(headers)
    headers = [(name, value) for name, value in headers if name.lower() not in named]
    told = {name.lower(): value for name, value in headers}
    if "server" not in told:
        yield "Server", "webterm"
    for name, raw in headers:
        low, value = name.lower(), _sound(raw)
        if low in HOP_BY_HOP:
            continue
        if low.startswith("sec-websocket-") and upgraded:
            yield name, value
        elif BEYOND.fullmatch(low) or (view.base and AS_US.fullmatch(low)):
            continue
        elif low in ("location", "content-location"):
            yield name, led(value, view)
        elif low == "set-cookie":
            yield from _cookie(name, value)
        elif low == "cache-control":
            yield name, _for_one(value)
        else:
            yield name, value
    if upgraded:
        return
    if "cache-control" not in told:
        yield "Cache-Control", "private, no-cache"
    if told.get("content-type", "").startswith("text/event-stream"):
        yield "X-Accel-Buffering", "no"
    yield from _ours(view)


def led(location: str, view: View) -> str:
    """Where a redirect of the app leads: to the app, where it means itself."""
    try:
        parts = urlsplit(location)
        own = parts.scheme in ("http", "https") and (parts.hostname in LOCAL and parts.port == view.port)
    except ValueError:
        return location
    if own:
        location = "/" + UP_TO_PATH.sub("", location, count=1).removeprefix("/")
        if location[1:2] in ("/", "\\"):  # the app's own path, and nobody's host
            return view.base + location if view.base else "/." + location
    if not view.base or not location.startswith("/") or location.startswith("//"):
        return location
    return location if location.startswith(view.base + "/") else view.base + location


def preflight(view: View, headers: Mapping[str, str]) -> dict[str, str] | None:
    """The answer to a sandboxed page that asks whether it may ask the app, which it takes for its own: always yes."""
    wanted = headers.get("Access-Control-Request-Method")
    if not view.from_elsewhere or wanted is None:
        return None
    asked = headers.get("Access-Control-Request-Headers", "")
    return {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": wanted,
        "Access-Control-Max-Age": "600",
        **({"Access-Control-Allow-Headers": asked} if asked else {}),
    }


def _named(headers: Iterable[tuple[str, str]]) -> set[str]:
    """What ``Connection`` says to go no further."""
    values = (value for name, value in headers if name.lower() == "connection")
    return {option.strip().lower() for value in values for option in value.split(",")}


def _told(headers: Mapping[str, str], view: View, is_ours: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    origin, referer = headers.get("Origin"), headers.get("Referer", "")
    if origin is not None:
        yield "Origin", view.local if origin in view.origins else origin
    for own in view.origins:
        if referer.startswith(f"{own}{view.base}/"):
            yield "Referer", view.local + referer.removeprefix(own + view.base)
    authorization = headers.get("Authorization")
    if authorization is not None and not is_ours(authorization) and _is_apps_own(authorization, headers, view):
        yield "Authorization", authorization
    if view.base:
        yield "X-Forwarded-Prefix", view.base
        return
    values = [value for name, value in headers.items() if name.lower() == "cookie"]
    pairs = [pair.strip() for value in values for pair in value.split(";")]
    kept = [pair for pair in pairs if pair and not OUR_COOKIES.fullmatch(pair.partition("=")[0].strip())]
    if kept:
        yield "Cookie", "; ".join(kept)


def _is_apps_own(authorization: str, headers: Mapping[str, str], view: View) -> bool:
    """Whether the app's page can have set it. On a path it may also be for a proxy that guards our whole origin."""
    scheme = authorization.strip().partition(" ")[0].lower()
    by_script = headers.get("Sec-Fetch-Mode", "") in BY_SCRIPT
    return not view.base or (by_script and scheme not in BROWSERS_OWN)


def _sound(value: str) -> str:
    """Bytes that are no UTF-8 (surrogates stand for them) are taken for Latin-1, as HTTP once had it."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value


def _cookie(name: str, value: str) -> Iterator[tuple[str, str]]:
    """An app's cookie is for its own host alone, and is none of ours."""
    pair, *attributes = value.split(";")
    called, separator, _ = pair.partition("=")
    if not separator or not called.strip() or OUR_COOKIES.fullmatch(called.strip()):
        return  # one without a name is sent back as its value alone, which could look like ours
    attributes = [each for each in attributes if each.partition("=")[0].strip().lower() != "domain"]
    yield name, ";".join([pair, *attributes])


def _for_one(value: str) -> str:
    """``Cache-Control`` for whoever asked, and for no cache on the way: it would go on answering when rights end."""
    directives = [each.strip() for each in value.split(",")]
    shared = ("public", "private", "s-maxage", "proxy-revalidate", "")
    return ", ".join(["private", *(each for each in directives if each.partition("=")[0].lower() not in shared)])


def _ours(view: View) -> Iterator[tuple[str, str]]:
    framed = " ".join(["frame-ancestors 'self'", *view.framed_by])
    if not view.base:
        yield "Content-Security-Policy", framed
        return
    yield "Content-Security-Policy", f"{SANDBOX}; {framed}"
    yield "Referrer-Policy", "no-referrer"
    if view.from_elsewhere:
        yield "Access-Control-Allow-Origin", "*"
        yield "Access-Control-Expose-Headers", "*"
        yield "Cross-Origin-Resource-Policy", "cross-origin"
