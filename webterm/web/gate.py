"""What every request passes before its handler: one chain, the same for all routes, driven by the route's row.

From the outside in: a request id and the log, errors turned into answers, the host name, who is asking, from which
page, and whether the row lets them in. The chain is put around each handler and not into the application, so
that it stays away from the routes of a host application, whatever the prefix.
"""

from __future__ import annotations

import logging
import secrets
import time
from functools import partial

from aiohttp import web

from webterm.errors import MissingScope, NotSignedIn, WebtermError, WrongOrigin
from webterm.web.failures import from_error, from_http, unknown
from webterm.web.hosts import Authority, authority
from webterm.web.row import Handler, Row
from webterm.web.site import REQUEST_ID, VISITOR, OwnLogin, Site, Visitor, site, visitor

log = logging.getLogger("webterm.web")
access_log = logging.getLogger("webterm.access")


def guarded(row: Row) -> Handler:
    """The row's handler behind the whole chain."""
    handler = row.handler
    for step in reversed(CHAIN):
        handler = partial(step, row, handler)
    return handler


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """The last hand on every answer of ours, the WebSocket handshake included (a signal of aiohttp)."""
    if REQUEST_ID in request:
        response.headers.update(site(request).headers)
        response.headers.setdefault("Cache-Control", "no-store")


async def _logged(row: Row, handler: Handler, request: web.Request) -> web.StreamResponse:
    # The row's path and not the request's: ids, names and above all query strings stay out of the log.
    request[REQUEST_ID] = secrets.token_hex(8)
    started = time.monotonic()
    response = await handler(request)
    spent = (time.monotonic() - started) * 1000
    access_log.info("%s %s %s %d %.1f ms", request[REQUEST_ID], request.method, row.path, response.status, spent)
    return response


async def _answered(row: Row, handler: Handler, request: web.Request) -> web.StreamResponse:
    try:
        return await handler(request)
    except WebtermError as error:
        if error.status >= 500:
            log.warning("%s %s: %s", request[REQUEST_ID], error.code, error)
        return from_error(error)
    except web.HTTPException as error:
        return from_http(error)
    except ConnectionError:
        raise  # the peer has gone; nobody is left to answer
    except Exception:
        log.exception("%s %s %s failed", request[REQUEST_ID], request.method, row.path)
        return unknown(request[REQUEST_ID])


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


async def _known(row: Row, handler: Handler, request: web.Request) -> web.StreamResponse:
    request[VISITOR] = await _who(site(request), row, request)
    return await handler(request)


async def _who(here: Site, row: Row, request: web.Request) -> Visitor:
    if row.ticket and "ticket" in request.query and _is_upgrade(request):
        return _by_ticket(here, request.query["ticket"])
    if not isinstance(here.authority, OwnLogin):
        return Visitor(await here.authority(request))
    login = await here.authority.storage.login(request)
    return Visitor(here.authority.rules.actor(login), login.id) if login else Visitor(None)


def _is_upgrade(request: web.Request) -> bool:
    """Whether a request asks for a WebSocket (RFC 6455, section 4.1): looking at a ticket's URL does not use it up."""
    return request.headers.get("Upgrade", "").strip().lower() == "websocket"


def _by_ticket(here: Site, secret: str) -> Visitor:
    ticket = here.tickets.use(secret)
    if ticket is None:
        raise NotSignedIn("this ticket is wrong, used or too old")
    return Visitor(ticket.actor, ticket.login, riding=False)


async def _from_own_page(row: Row, handler: Handler, request: web.Request) -> web.StreamResponse:
    who = visitor(request)
    if row.origin == "own" and who.riding:
        _check_origin(request, demanded=who.actor is not None)
    return await handler(request)


def _check_origin(request: web.Request, *, demanded: bool) -> None:
    """Raises `webterm.errors.WrongOrigin`, also when nothing is said where browsers always say it (RFC 6455, 10.2)."""
    origins = request.headers.getall("Origin", [])
    if not origins and not demanded:
        return
    host = asked_host(request)
    if len(origins) != 1 or host is None or not site(request).names.owns(origins[0], host, request.scheme):
        raise WrongOrigin("this is only for webterm's own page: the Origin header has to name it")


async def _let_in(row: Row, handler: Handler, request: web.Request) -> web.StreamResponse:
    if row.access is not None:
        who = visitor(request).actor
        if who is None:
            raise NotSignedIn("sign in first")
        if row.access != "any" and not who.may(row.access):
            raise MissingScope(f"this needs the scope {row.access}")
    return await handler(request)


CHAIN = (_logged, _answered, _for_us, _known, _from_own_page, _let_in)
