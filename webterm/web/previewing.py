"""Passing a request on to an app in a preview, and its answer back, as it comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from webterm.accounts.throttle import group_of
from webterm.accounts.tokens import PREFIX
from webterm.errors import Forbidden, NoSuchPort, NoSuchShare, PreviewFailed, Unavailable, WebtermError
from webterm.web.gate import BEGUN, FOREIGN
from webterm.web.preview_headers import View, back, onward, preflight, upgrading
from webterm.web.preview_places import Place
from webterm.web.preview_tunnels import tunnelled
from webterm.web.site import Site, client_address, site, work
from webterm.web.spans import Span
from webterm.web.transfers import arriving
from webterm.web.visitors import is_upgrade
from webterm.work.previews import Answer, Pass, Tunnel

GONE = 1.0
"""Seconds between two looks whether the browser is still there, while the app has nothing to say."""
REFUSED = frozenset({"CONNECT", "TRACE"})
"""Methods that are for proxies."""
BARE = frozenset({204, 304})
"""Statuses of answers without a body."""
SEEN = frozenset({"document", "iframe"})
"""What browsers ask for that people look at."""


async def opened_by(request: web.Request, secret: str, place: Place) -> Pass:
    """The pass, or link, with this secret, if it opens this place. Raises `webterm.errors.NoSuchShare`.

    Raises `webterm.errors.RateLimited` where many were wrong that came from the same address, so that guesses cost no
    look into the database.
    """
    previews, limits = work(request).previews, site(request).limits
    known = previews.known(secret, place.workspace, place.port)
    if known is not None:
        return known
    group = group_of(client_address(request))
    await limits.check_proofs(group, secret, "general")
    try:
        found = await previews.find(secret, place.workspace, place.port)
    except NoSuchShare:
        await limits.wrong_proof(group, secret, "general")
        raise
    limits.good_proof(secret)
    return found


async def passed_on(request: web.Request, given: Pass, view: View, target: str) -> web.StreamResponse:
    """The app's answer to a request for ``target``, its own path and query.

    Ends within a second when the pass does. Raises what `webterm.work.previews.Previews.asking` raises, and why the
    pass has ended.
    """
    if request.method in REFUSED:
        raise web.HTTPMethodNotAllowed(request.method, ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    early = preflight(view, request.headers) if request.method == "OPTIONS" else None
    if early is not None:
        return web.Response(status=204, headers=early)
    span = Span(site(request).long_requests.standstill)
    try:
        with given.visit(span.end):
            async with span.running(), _while_there(request, span):
                if is_upgrade(request):
                    return await _upgraded(request, given, view, target, span)
                return await _answered(request, given, view, target, span)
    except (NoSuchPort, Unavailable) as error:
        _remember(request, given, target)
        return in_page(request, error, view)


def in_page(request: web.Request, error: WebtermError, view: View) -> web.Response:
    """Why there is nothing to see, for people, who look at a tab or a frame: what programs are told is not for them.

    In frames browsers would not even show it. Raises ``error`` for everybody else.
    """
    if BEGUN in request or request.headers.get("Sec-Fetch-Dest") not in SEEN:
        raise error
    headers = back([("Content-Type", "text/plain; charset=utf-8")], view)
    response = web.Response(status=error.status, body=str(error).encode("utf-8", "replace"), headers=list(headers))
    response[FOREIGN] = True
    return response


async def _answered(request: web.Request, given: Pass, view: View, target: str, span: Span) -> web.StreamResponse:
    headers = _onward(request, view)
    length = request.content_length
    if length is not None:
        headers.append(("Content-Length", str(length)))
    body = arriving(request, span) if request.can_read_body else None
    previews = work(request).previews
    async with previews.asking(given, method=request.method, target=target, headers=headers, body=body) as answer:
        if _is_page(answer):
            _remember(request, given, target)
        if answer.status < 200:
            raise PreviewFailed(f"what listens at port {given.port} changed to another protocol, unasked")
        return await _streamed(request, answer, view, span)


def _is_page(answer: Answer) -> bool:
    """Whether a browser that goes there has something to show, and stays."""
    told = {name.lower(): value.lower() for name, value in answer.headers}
    kept = told.get("content-disposition", "").startswith("attachment")
    return not kept and (answer.status in (200, 203) or answer.status >= 400)


def _remember(request: web.Request, given: Pass, target: str) -> None:
    """Our page cannot ask a frame of another origin where it is."""
    if request.method == "GET" and request.headers.get("Sec-Fetch-Dest") == "iframe":
        given.remember(target, time.time())


async def _streamed(request: web.Request, answer: Answer, view: View, span: Span) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=list(back(answer.headers, view)))
    if answer.length is not None and answer.status not in BARE:
        response.content_length = answer.length
    response[FOREIGN] = "Content-Type" in response.headers
    await response.prepare(request)
    if request.method != "HEAD":
        async for piece in answer.pieces():
            async with span.waiting():
                await response.write(piece)
    await response.write_eof()
    return response


async def _upgraded(request: web.Request, given: Pass, view: View, target: str, span: Span) -> web.StreamResponse:
    headers = upgrading(_onward(request, view))
    async with work(request).previews.tunnelling(given, target=target, headers=headers) as opened:
        if isinstance(opened, Tunnel):
            return await tunnelled(request, opened, view, span)
        response = web.Response(status=opened.status, headers=list(back(opened.headers, view)))
        response[FOREIGN] = True
        return response


def _onward(request: web.Request, view: View) -> list[tuple[str, str]]:
    here = site(request)
    proxy_header = here.settings.accounts.proxy_header
    hidden = frozenset({proxy_header.lower()} if proxy_header else ())
    return onward(request.headers, view, hidden=hidden, is_ours=lambda value: _is_ours(here, value))


def _is_ours(here: Site, authorization: str) -> bool:
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer":
        return False
    login = here.login
    return token.strip().startswith(PREFIX) or (login is not None and login.bearer.read(token.strip()) is not None)


@asynccontextmanager
async def _while_there(request: web.Request, span: Span) -> AsyncIterator[None]:
    """End ``span`` when the browser has gone: an app that says nothing for hours would never find out."""
    loop = asyncio.get_running_loop()
    next_look: list[asyncio.TimerHandle] = []

    def look() -> None:
        if request.transport is None or request.transport.is_closing():
            span.end(ConnectionResetError("the browser has gone"))
        else:
            next_look[:] = [loop.call_later(GONE, look)]

    next_look.append(loop.call_later(GONE, look))
    try:
        yield
    finally:
        next_look[0].cancel()


def check_own(request: web.Request) -> None:
    """Raises `webterm.errors.Forbidden` for what our own pages load on a path of ours, but for whole pages.

    A page of ours trusts scripts from its own origin, and an app's are none of them; nor is there any use for a
    service worker on a path.
    """
    near = request.headers.get("Sec-Fetch-Site") in ("same-origin", "same-site")
    if near and request.headers.get("Sec-Fetch-Mode") != "navigate":
        raise Forbidden("a preview is no part of a page of ours")
    if "Service-Worker" in request.headers or request.headers.get("Sec-Fetch-Dest") == "serviceworker":
        raise Forbidden("a preview on a path has no service worker")
