"""Tickets for WebSocket clients that have no cookie: browsers let a page set no header on a WebSocket."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct

from webterm.access import Scope
from webterm.accounts import tickets
from webterm.web.bodies import json
from webterm.web.row import Row
from webterm.web.site import actor, site, visitor


class Ticket(Struct, frozen=True, kw_only=True):
    """A ticket for one WebSocket, and how many seconds it lasts."""

    ticket: str
    expires_in: int


async def issue(request: web.Request) -> web.StreamResponse:
    """A one-use ticket, good for what this request's proof of identity is good for."""
    secret = site(request).tickets.issue(actor(request), visitor(request).proof)
    return json(Ticket(ticket=secret, expires_in=tickets.LIFETIME), status=201)


ROWS: Sequence[Row] = (
    Row(
        method="POST",
        path="/api/v1/auth/tickets",
        handler=issue,
        access=Scope.TERMINALS_READ,
        origin="own",
        answer=Ticket,
        status=201,
        doc="A one-use ticket for a WebSocket without a cookie.",
    ),
)
