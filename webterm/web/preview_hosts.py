"""Apps in workspaces at origins of their own: ``PORT--WORKSPACE.domain``.

Nobody signs in there. Our own page's origin hands over a one-use ticket, which becomes a cookie of that one host; what
the cookie holds is good for that port of that workspace only. As cookies ride on what other pages have sent, also those
of other people's apps beside it, requests that come from anywhere but the workspace's own apps are refused, save for
links that somebody follows. No route of ours is to be reached under such a name.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from urllib.parse import quote, urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from webterm.errors import Forbidden, NoSuchShare, NotFound, NotSignedIn, RateLimited, WrongOrigin
from webterm.web.gate import FOREIGN, OUTER, guarded
from webterm.web.preview_headers import View, back
from webterm.web.preview_places import (
    Place,
    base_of,
    is_navigation,
    main_origin,
    place_in_host,
    view_at_host,
    workspace_of_origin,
)
from webterm.web.previewing import in_page, opened_by, passed_on
from webterm.web.row import Handler, Row
from webterm.web.site import Site, site, work
from webterm.work.previews import Pass

OURS = "/.webterm/"
"""Below this, at each preview's host, is what no app ever sees."""
ENTER, LINK, ARRIVED, AGAIN = OURS + "enter", OURS + "link/", OURS + "arrived", OURS + "again"
LEAD_BACK = """\
const to = new URLSearchParams(location.search).get("to") ?? "/"
const { navigation } = globalThis
const before = navigation?.entries()[navigation.currentEntry.index - 1]
location.replace(before?.url ?? location.origin + (to.startsWith("/") ? to : "/"))
"""
"""Only at the app's own origin can it be learned where a frame was: an app may change its address by itself."""
AGAIN_PAGE = f"<!doctype html><title>Again</title><script>{LEAD_BACK}</script>"
AGAIN_POLICY = "default-src 'none'; script-src 'sha256-" + b64encode(sha256(LEAD_BACK.encode()).digest()).decode() + "'"
LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x7e]*")
"""Where somebody may be led after entering: to nobody else's host."""
COOKIE = "webterm-preview"
MOST_TRIED = 4
"""Cookies of our name that are looked at: an app can plant some of its own."""


def entrance(ticket: str, target: str) -> str:
    """The path, at a preview's host, that lets a browser in and leads it to ``target``."""
    return f"{ENTER}?ticket={ticket}&to={quote(target, safe='')}"


def link(secret: str) -> str:
    """The path, at a preview's host, of a link that is shared."""
    return LINK + secret


def on_preview_hosts(here: Site) -> Middleware:
    """What takes requests for previews' hosts away from all routes: a middleware of aiohttp."""
    serve = guarded(ROW, OUTER)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await (handler if place_in_host(here, request) is None else serve)(request)

    return middleware


async def _serve(request: web.Request) -> web.StreamResponse:
    place = place_in_host(site(request), request)
    if place is None:
        raise web.HTTPMisdirectedRequest(text="this is no preview's host")
    raw = request.raw_path
    if not raw.startswith("/"):
        raise web.HTTPBadRequest(text="only paths are asked for here")
    try:
        return await (_enter if raw.partition("?")[0].startswith(OURS) else _visit)(request, place)
    except (Forbidden, NotFound, NotSignedIn) as error:
        return in_page(request, error, view_at_host(request, place))


async def _visit(request: web.Request, place: Place) -> web.StreamResponse:
    given = await _pass_of(request, place)
    if given is None:
        if not is_navigation(request):
            raise NotSignedIn("open this preview in a page of its own first")
        return _to(main_origin(request) + base_of(site(request), place) + request.raw_path)
    _check_from_here(request, place)
    return await passed_on(request, given, view_at_host(request, place), request.raw_path)


async def _enter(request: web.Request, place: Place) -> web.StreamResponse:
    """Make a cookie of a ticket or of a link; then see that the browser has kept it, and lead it to the app."""
    path = request.raw_path.partition("?")[0]
    target = request.query.get("to", "/")
    if not LOCAL_PATH.fullmatch(target):
        target = "/"
    if not is_navigation(request):
        raise NotSignedIn("only a browser that shows it is let in")
    if path == AGAIN:
        return _again(view_at_host(request, place))
    if path == ARRIVED:
        if await _pass_of(request, place) is None:
            raise NotSignedIn("this browser keeps no cookie for this preview here; open it in a tab of its own")
        return _to(target)
    secret = (
        work(request).previews.redeem(request.query.get("ticket", "")) if path == ENTER else path.rpartition("/")[2]
    )
    if path != ENTER and path != link(secret):
        raise web.HTTPNotFound(text="there is nothing here")
    await opened_by(request, secret, place)
    response = _to(f"{ARRIVED}?to={quote(target, safe='')}")
    response.headers["Set-Cookie"] = _cookie(request, secret)
    return response


def _again(view: View) -> web.Response:
    """A page that leads a frame to where it was before; where browsers do not tell, to ``to``. It needs no pass."""
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", AGAIN_POLICY)]
    response = web.Response(body=AGAIN_PAGE.encode(), headers=list(back(headers, view)))
    response[FOREIGN] = True
    return response


async def _pass_of(request: web.Request, place: Place) -> Pass | None:
    """What the browser's cookie stands for; None without a good one."""
    name = _cookie_name(site(request))
    pairs = (pair.partition("=") for header in request.headers.getall("Cookie", []) for pair in header.split(";"))
    for secret in [value.strip() for called, _, value in pairs if called.strip() == name][:MOST_TRIED]:
        try:
            return await opened_by(request, secret, place)
        except (NoSuchShare, RateLimited):
            continue
    return None


def _check_from_here(request: web.Request, place: Place) -> None:
    """Raises `webterm.errors.WrongOrigin` for what a page elsewhere has sent, on which our cookie rode."""
    origins = request.headers.getall("Origin", [])
    if origins:
        fine = len(origins) == 1 and workspace_of_origin(request, origins[0]) == place.workspace
    else:
        near = request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")
        fine = near or is_navigation(request) or _referred(request) == place.workspace
    if not fine:
        raise WrongOrigin("only pages of the same workspace may send this")


def _referred(request: web.Request) -> str | None:
    parts = urlsplit(request.headers.get("Referer", ""))
    return workspace_of_origin(request, f"{parts.scheme}://{parts.netloc}")


def _to(location: str) -> web.Response:
    return web.Response(status=303, headers={"Location": location, "Referrer-Policy": "no-referrer"})


def _cookie_name(here: Site) -> str:
    return f"__Host-{COOKIE}" if here.settings.server.secure else COOKIE


def _cookie(request: web.Request, secret: str) -> str:
    """In a frame of a page of another site browsers keep only cookies that are for that very frame."""
    cookie = f"{_cookie_name(site(request))}={secret}; Path=/; HttpOnly"
    headers = request.headers
    if headers.get("Sec-Fetch-Dest") == "iframe" and headers.get("Sec-Fetch-Site") == "cross-site":
        return f"{cookie}; Secure; SameSite=None; Partitioned"
    return f"{cookie}; SameSite=Lax" + ("; Secure" if site(request).settings.server.secure else "")


ROW = Row(
    method="*",
    path="/ of a preview's host",
    handler=_serve,
    access=None,
    origin="any",
    limit="none",
    asks=False,
    doc="An app in a workspace, at an origin of its own.",
)
