"""Apps in workspaces, seen below a path of ours.

No cookie of ours opens one: a browser that is signed in is led to a path with a pass in it (``~…``), below which the
app is seen, in a sandbox that makes it nobody's origin. So whatever the app does to have requests sent rides on nothing
but that pass. Where previews have a domain, the browser is led to an origin of the app's own instead
(`webterm.web.preview_hosts`). Programs that send a token are let through as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from aiohttp import web

from webterm.access import Scope
from webterm.errors import Forbidden, MissingScope, NoSuchShare, NotFound, NotSignedIn, RateLimited, WrongOrigin
from webterm.web.preview_hosts import entrance
from webterm.web.preview_places import (
    PASS,
    PATHS,
    SECRET,
    Place,
    base_of,
    host_origin,
    is_navigation,
    port_of,
    view_on_path,
)
from webterm.web.previewing import check_own, in_page, opened_by, passed_on
from webterm.web.row import Row
from webterm.web.site import site, visitor, work
from webterm.work.previews import Pass

BASE = PATHS + "/{workspace:[a-z0-9][a-z0-9-]{0,63}}/{port:[1-9][0-9]{0,4}}"
REST = "/{rest:(?s:.*)}"
LONGEST_NEXT = 2048
"""Characters of where somebody is led back to: encoded, it has to fit into a request's first line."""


async def arrive(request: web.Request) -> web.StreamResponse:
    """Let somebody who is signed in through, a browser by a pass."""
    try:
        return await _arrived(request)
    except (Forbidden, NotFound) as error:
        return in_page(request, error, view_on_path(request, _place(request), None))


async def _arrived(request: web.Request) -> web.StreamResponse:
    place, who = _place(request), visitor(request)
    if who.actor is None:
        if is_navigation(request):
            return web.Response(status=303, headers={"Location": _sign_in(request, place)})
        raise NotSignedIn("sign in first")
    if not who.actor.may(Scope.WORKSPACES_READ):
        raise MissingScope(f"this needs the scope {Scope.WORKSPACES_READ}")
    if who.riding and not is_navigation(request):
        raise WrongOrigin("a preview is opened by showing it, or by a program with a token")
    given = await work(request).previews.admit(who.actor, who.proof, place.workspace, place.port)
    target = _target(request, base_of(site(request), place))
    if not who.riding:
        return await passed_on(request, given, view_on_path(request, place, None), target)
    return web.Response(status=303, headers={"Location": _inside(request, place, given, target)})


async def visit(request: web.Request) -> web.StreamResponse:
    """Let whoever has a pass, or a link, through."""
    place, secret = _place(request), request.match_info["secret"]
    base = base_of(site(request), place, secret)
    target = _target(request, base)
    try:
        given = await opened_by(request, secret, place)
    except (NoSuchShare, RateLimited) as error:
        if is_navigation(request) and "Cookie" in request.headers:  # of somebody who may get another one
            return web.Response(status=303, headers={"Location": base_of(site(request), place) + target})
        return in_page(request, error, view_on_path(request, place, None))
    check_own(request)
    return await passed_on(request, given, view_on_path(request, place, secret), target)


def _sign_in(request: web.Request, place: Place) -> str:
    """Our page, which leads back here once somebody has signed in: it takes nothing but paths of previews."""
    here = site(request)
    base = base_of(here, place)
    following = base.removeprefix(f"{here.prefix}/") + _target(request, base)
    return f"{here.prefix}/" + (f"?next={quote(following, safe='')}" if len(following) <= LONGEST_NEXT else "")


def _inside(request: web.Request, place: Place, given: Pass, target: str) -> str:
    if site(request).settings.previews.domain is None:
        return base_of(site(request), place, given.secret) + target
    return host_origin(request, place) + entrance(work(request).previews.ticket(given), target)


def _place(request: web.Request) -> Place:
    return Place(request.match_info["workspace"], port_of(request.match_info["port"]))


def _target(request: web.Request, base: str) -> str:
    """What comes after ``base``, exactly as it stands in the request."""
    raw = request.raw_path
    if not raw.startswith(base):  # some of it is percent-encoded, which no page of ours does
        raise web.HTTPNotFound(text="there is nothing here")
    rest = raw.removeprefix(base)
    return rest if rest.startswith("/") else "/" + rest


ROWS: Sequence[Row] = (
    Row(
        method="*",
        path=f"{BASE}/{PASS}{{secret:{SECRET}}}" + REST,
        handler=visit,
        access=None,
        origin="any",
        limit="none",
        asks=False,
        doc="An app in a workspace, for whoever has a pass.",
    ),
    Row(
        method="*",
        path=BASE + REST,
        handler=arrive,
        access=None,
        origin="any",
        limit="none",
        doc="An app in a workspace, for who is signed in.",
    ),
    Row(
        method="*",
        path=BASE,
        handler=arrive,
        access=None,
        origin="any",
        limit="none",
        doc="An app in a workspace, for who is signed in.",
    ),
)
"""They take every method, and stand in no document."""
