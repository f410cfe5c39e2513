"""What every request passes before its handler: one chain, the same for all routes, driven by the route's row.

From the outside in: a request id, the log and the measurements; errors turned into answers; the host name; a browser's
question whether a page elsewhere may call; the body, however long it takes; and only then who is asking, how often,
from which page, and whether the row lets them in.
The chain is put around each handler and not into the application, so that it stays away from the routes of a host
application, whatever the prefix.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from aiohttp import web

from webterm.access import Actor
from webterm.accounts.throttle import group_of
from webterm.errors import MissingScope, NotSignedIn, PreviewFailed, WebtermError, WrongOrigin
from webterm.web.bodies import receive
from webterm.web.failures import from_error, from_http, unknown
from webterm.web.hosts import Authority, authority
from webterm.web.row import Handler, Row
from webterm.web.site import ASKED, CLOSING, REQUEST_ID, STANDING, VISITOR, client_address, site, visitor
from webterm.web.visitors import find, is_upgrade

log = logging.getLogger("webterm.web")
access_log = logging.getLogger("webterm.access")

BEGUN = web.RequestKey("webterm_begun", int)
"""The status of an answer that has begun."""
ROW = web.RequestKey("webterm_row", Row)
"""What the table says about a request that was let in."""
FOREIGN = web.ResponseKey("webterm_foreign", bool)
"""Of an app's answer in a preview, which has all the headers that it shall have: whether it names its media type."""
POLICY = "Content-Security-Policy"
GONE = 499
"""What others log, too, where the peer did not wait for its answer."""


def guarded(row: Row, chain: Sequence[Step] | None = None) -> Handler:
    """The row's handler behind the whole chain, or behind a part of it."""
    handler = row.handler
    for step in reversed(CHAIN if chain is None else chain):
        handler = partial(step, row, handler)
    return handler


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """The last hand on every answer of ours, the WebSocket handshake included (a signal of aiohttp)."""
    if REQUEST_ID in request:
        request[BEGUN] = response.status
        if (typed := response.get(FOREIGN)) is not None:
            if not typed:  # the library has named one, and browsers would not look for themselves
                response.headers.popall("Content-Type", None)
            return
        own_policy = response.headers.get(POLICY)
        response.headers.update(site(request).headers)
        if own_policy is not None:
            response.headers[POLICY] = own_policy
        response.headers.update(site(request).cors.headers(request))
        if STANDING in request:
            response.headers.update(request[STANDING].headers)
        response.headers.setdefault("Cache-Control", "no-store")
        if CLOSING in request:
            response.headers["Connection"] = "close"


async def _logged(row: Row, handler: Handler, request: web.Request) -> web.StreamResponse:
    request[REQUEST_ID] = secrets.token_hex(8)
    request[ASKED] = time.monotonic()
    try:
        response = await handler(request)
    except BaseException:  # the peer has gone, perhaps from a WebSocket that had been answered long before
        _note(row, request, request.get(BEGUN, GONE))
        raise
    _note(row, request, response.status)
    return response


def _note(row: Row, request: web.Request, status: int) -> None:
    # The row's path and not the request's: ids, names and above all query strings stay out of the log.
    spent = time.monotonic() - request[ASKED]
    site(request).metrics.answered(row, request.method, status, spent)
    access_log.info("%s %s %s %d %.1f ms", request[REQUEST_ID], request.method, row.path, status, spent * 1000)


async def _answered(row: Row, handler: Handler, request: web.Request) -> web.StreamResponse:
    try:
        return await handler(request)
    except ConnectionError:
        raise  # the peer has gone; nobody is left to answer
    except Exception as error:
        if BEGUN in request:
            raise _cut(request, error) from error
        return _refusal(row, request, error)


def _refusal(row: Row, request: web.Request, error: Exception) -> web.Response:
    if isinstance(error, WebtermError):
        if error.status >= 500 and not isinstance(error, PreviewFailed):  # which is somebody's app's affair
            log.warning("%s %s: %s", request[REQUEST_ID], error.code, error)
        return from_error(error)
    if isinstance(error, web.HTTPException):
        return from_http(error)
    log.error("%s %s %s failed", request[REQUEST_ID], request.method, row.path, exc_info=error)
    return unknown(request[REQUEST_ID])


def _cut(request: web.Request, error: Exception) -> ConnectionResetError:
    """End an answer that has begun: the peer has to see that it is not whole, and a refusal would look like more."""
    if not isinstance(error, WebtermError | web.HTTPException):
        log.error("%s failed after its answer had begun", request[REQUEST_ID], exc_info=error)
    if request.transport is not None:
        request.transport.abort()
    return ConnectionResetError("the answer broke off")


async def _for_us(row: Row, handler: Handler, request: web.Request) -> web.StreamResponse:
    host = asked_host(request)
    if host is None or not site(request).names.allows(host):
        raise web.HTTPMisdirectedRequest(
            text="this server does not answer to that host name; server.allowed_hosts has the names that it answers to"
        )
    return await handler(request)


def asked_host(request: web.Request) -> Authority | None:
    """The one ``Host`` of a request; None when there is none, several, a bad one, or another one in the target."""
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1 or request.host != hosts[0]:
        return None
    return authority(hosts[0])


async def _preflight(row: Row, handler: Handler, request: web.Request) -> web.StreamResponse:
    return site(request).cors.preflight(request) or await handler(request)


async def _received(row: Row, handler: Handler, request: web.Request) -> web.StreamResponse:
    if row.body is not None:
        await receive(request)
    return await handler(request)


async def _known(row: Row, handler: Handler, request: web.Request) -> web.StreamResponse:
    request[VISITOR] = await find(row, request)
    return await handler(request)


async def _limited(row: Row, handler: Handler, request: web.Request) -> web.StreamResponse:
    if row.limit != "none":
        place = group_of(client_address(request))
        standing = await site(request).limits.count(row.limit, visitor(request).actor, place)
        if standing is not None:
            request[STANDING] = standing
            standing.check()
    return await handler(request)


async def _from_own_page(row: Row, handler: Handler, request: web.Request) -> web.StreamResponse:
    who, cors = visitor(request), site(request).cors
    if row.origin == "own":
        if who.actor is None and cors.allows(request):
            pass  # nothing rides, and the settings let that page call
        elif who.riding:
            _check_origin(request, demanded=who.actor is not None)
        elif is_upgrade(request) and "Authorization" in request.headers and not cors.lists(request):
            _check_origin(request, demanded=False)  # programs say no origin; a page that has the token is not ours
    return await handler(request)


def _check_origin(request: web.Request, *, demanded: bool) -> None:
    """Raises `webterm.errors.WrongOrigin`, also when nothing is said where browsers always say it (RFC 6455, 10.2)."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        raise WrongOrigin("this is only for webterm's own page, and the browser says that another one asks")
    origins = request.headers.getall("Origin", [])
    if not origins and not demanded:
        return
    host = asked_host(request)
    if len(origins) != 1 or host is None or not site(request).names.owns(origins[0], host, request.scheme):
        raise WrongOrigin("this is only for webterm's own page: the Origin header has to name it")


async def _let_in(row: Row, handler: Handler, request: web.Request) -> web.StreamResponse:
    check_access(row, visitor(request).actor)
    request[ROW] = row
    return await handler(request)


def check_access(row: Row, who: Actor | None) -> None:
    """Raises `webterm.errors.NotSignedIn` and `webterm.errors.MissingScope` where the row lets this person not in."""
    if row.access is not None:
        if who is None:
            raise NotSignedIn("sign in first")
        if row.access != "any" and not who.may(row.access):
            raise MissingScope(f"this needs the scope {row.access}")


Step = Callable[[Row, Handler, web.Request], Awaitable[web.StreamResponse]]
CHAIN: Sequence[Step] = (
    _logged,
    _answered,
    _for_us,
    _preflight,
    _received,
    _known,
    _limited,
    _from_own_page,
    _let_in,
)
OUTER: Sequence[Step] = (_logged, _answered)
"""For what is no name of this server's own, where nobody is known."""
