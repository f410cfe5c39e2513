"""Where previews are: the addresses under which apps are seen, and what is read from them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from webterm.errors import NoSuchPort
from webterm.web.gate import asked_host
from webterm.web.hosts import DEFAULT_PORTS, Authority, origin_of
from webterm.web.preview_headers import View
from webterm.web.site import Site, site
from webterm.web.visitors import is_upgrade

LABEL = re.compile(r"(?P<port>[1-9][0-9]{0,4})--(?P<workspace>[a-z0-9][a-z0-9-]{0,55})")
PORT = re.compile("[1-9][0-9]{0,4}")
HIGHEST = 65_535
PATHS = "/preview"
PASS = "~"  # noqa: S105 - what a pass in a path begins with
SECRET = "[A-Za-z0-9_-]{43}"  # noqa: S105 - the form of one


@dataclass(frozen=True, slots=True)
class Place:
    """One port of one workspace, as an address says it."""

    workspace: str
    port: int


def port_of(text: str) -> int:
    """A port as an address says it. Raises `webterm.errors.NoSuchPort` for what is none."""
    if PORT.fullmatch(text) is None or int(text) > HIGHEST:
        raise NoSuchPort(f"there is no port {text[:32]!r}")
    return int(text)


def base_of(here: Site, place: Place, secret: str | None = None) -> str:
    """The path under which an app is seen, without a slash at the end."""
    base = f"{here.prefix}{PATHS}/{place.workspace}/{place.port}"
    return base if secret is None else f"{base}/{PASS}{secret}"


def place_in_host(here: Site, request: web.Request) -> Place | None:
    """The place that a request's host name stands for; None where it is no preview's."""
    domain = here.settings.previews.domain
    if domain is None:
        return None
    host = asked_host(request)
    if host is None:
        return None
    label, _, rest = host.name.partition(".")
    found = LABEL.fullmatch(label) if rest == domain.lower() else None
    if found is None or int(found["port"]) > HIGHEST:
        return None
    return Place(found["workspace"], int(found["port"]))


def main_origin(request: web.Request) -> str:
    """The origin of our own page, also as seen from a preview's host."""
    host = asked_host(request)
    return origin_of(site(request).settings.url((host and host.port) or DEFAULT_PORTS["http"]))


def host_origin(request: web.Request, place: Place) -> str:
    """The origin under which an app is seen that has one of its own. Needs ``previews.domain``."""
    here = site(request)
    public = urlsplit(here.settings.server.public_url or "")
    asked = asked_host(request)
    scheme = public.scheme or "http"
    port = public.port if public.scheme or asked is None else asked.port
    return Authority(f"{place.port}--{place.workspace}.{here.settings.previews.domain}".lower(), port).origin(scheme)


def workspace_of_origin(request: web.Request, origin: str) -> str | None:
    """The workspace of which some app has this origin; None for all other origins."""
    here = site(request)
    try:
        name = urlsplit(origin).hostname or ""
    except ValueError:
        return None
    label, _, rest = name.partition(".")
    found = LABEL.fullmatch(label) if rest == (here.settings.previews.domain or "").lower() else None
    if found is None or origin != host_origin(request, Place(found["workspace"], int(found["port"]))):
        return None
    return found["workspace"]


def view_on_path(request: web.Request, place: Place, secret: str | None) -> View:
    """How an app is seen below a path of ours, with a pass or, by programs, with a token."""
    here = site(request)
    host = asked_host(request)
    own = {main_origin(request), *((host.origin(request.scheme),) if host is not None else ())}
    return View(
        port=place.port,
        base=base_of(here, place, secret),
        origins=frozenset({"null", *own}),
        framed_by=here.settings.server.frame_ancestors,
        from_elsewhere=secret is not None,
    )


def view_at_host(request: web.Request, place: Place) -> View:
    """How an app is seen at an origin of its own."""
    framed_by = (*_main_origins(request), *site(request).settings.server.frame_ancestors)
    return View(port=place.port, base="", origins=frozenset({host_origin(request, place)}), framed_by=framed_by)


def _main_origins(request: web.Request) -> list[str]:
    """All origins of our own page; without a public URL the names by which it may be reached are equally good."""
    settings, main = site(request).settings, main_origin(request)
    if settings.server.public_url is not None:
        return [main]
    host = asked_host(request)
    port = None if host is None else host.port
    named = {Authority(name, port).origin("http") for name in settings.hosts if not name.startswith("[")}
    return sorted({main, *named})  # a policy takes no IPv6 addresses


def is_navigation(request: web.Request) -> bool:
    """Whether a browser is to show what comes. Programs, and browsers of long ago, do not say."""
    if request.method not in ("GET", "HEAD") or is_upgrade(request):
        return False
    return request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
