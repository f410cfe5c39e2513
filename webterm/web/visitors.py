"""Who a request comes from: what it brings along, looked at in a fixed order.

A ticket, on a WebSocket; a token in the ``Authorization`` header; our own cookie; the header of a trusted proxy. What
is sent on purpose and is wrong is refused: a bad token is never made good by a cookie that happens to be there. Where a
host application signs people in, it alone says who is asking, besides the tickets that we made for it.
"""

from __future__ import annotations

from aiohttp import web

from webterm.accounts.throttle import group_of
from webterm.errors import InvalidRequest, NotSignedIn
from webterm.web.row import Row
from webterm.web.site import OwnLogin, Site, Visitor, client_address, own_login, peer_address, site

NOBODY = Visitor(None)


async def find(row: Row, request: web.Request) -> Visitor:
    """Who asks. Raises `webterm.errors.NotSignedIn` for a wrong ticket or token.

    Raises `webterm.errors.RateLimited` where too many wrong tokens came from, and `webterm.errors.InvalidRequest` for
    a header that may come once and came twice.
    """
    here = site(request)
    if not row.asks:
        return NOBODY
    if row.ticket and "ticket" in request.query and is_upgrade(request):
        return _by_ticket(here, request.query["ticket"])
    if here.actor_of is not None:
        return Visitor(await here.actor_of(request))
    own, token = own_login(request), bearer_token(request)
    if token is not None:
        return await _by_bearer(here, own, request, token)
    proven = await own.storage.proven(request)
    if proven is not None:
        return Visitor(proven.actor, proven.proof)
    return await _by_proxy(here, own, request) or NOBODY


def is_upgrade(request: web.Request) -> bool:
    """Whether a request asks for a WebSocket (RFC 6455, section 4.1): looking at a ticket's URL does not use it up."""
    return request.headers.get("Upgrade", "").strip().lower() == "websocket"


def is_guess(request: web.Request) -> bool:
    """Whether a browser fetches what it guesses will be clicked: what can be used once is not used up by that."""
    return "prefetch" in request.headers.get("Sec-Purpose", "")


def bearer_token(request: web.Request) -> str | None:
    """The token of RFC 6750, section 2.1; None without one. Other schemes are a proxy's business and not ours."""
    scheme, _, token = (_single(request, "Authorization") or "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _by_ticket(here: Site, secret: str) -> Visitor:
    ticket = here.tickets.use(secret)
    if ticket is None:
        raise NotSignedIn("this ticket is wrong, used or too old")
    return Visitor(ticket.actor, ticket.proof, riding=False)


async def _by_bearer(here: Site, own: OwnLogin, request: web.Request, token: str) -> Visitor:
    address = client_address(request)
    await here.limits.check_proofs(group_of(address), token)
    proven = await own.credentials.by_bearer(token, address)
    if proven is None:
        await here.limits.wrong_proof(group_of(address), token)
        raise NotSignedIn("this token is wrong, or no longer good")
    here.limits.good_proof(token)
    return Visitor(proven.actor, proven.proof, riding=False)


async def _by_proxy(here: Site, own: OwnLogin, request: web.Request) -> Visitor | None:
    header = here.settings.accounts.proxy_header
    if header is None or not here.proxies.trusts(peer_address(request)):
        return None
    name = (_single(request, header) or "").strip()
    actor = await own.credentials.by_proxy(name, client_address(request)) if name else None
    return Visitor(actor) if actor else None


def _single(request: web.Request, header: str) -> str | None:
    values = request.headers.getall(header, [])
    if len(values) > 1:
        raise InvalidRequest(f"the header {header} may come only once")
    return values[0] if values else None
