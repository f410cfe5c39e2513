"""Whether the server is there."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct

from webterm.web.bodies import json
from webterm.web.row import Row
from webterm.web.site import site, visitor


class Health(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What monitoring asks for. All but ``status`` is told to people who are signed in only."""

    status: str
    version: str | None = None
    connections: int | None = None
    counts: dict[str, int] | None = None


async def health(request: web.Request) -> web.StreamResponse:
    """``ok``, as soon and as long as requests are answered."""
    if visitor(request).actor is None:
        return json(Health(status="ok"))
    here = site(request)
    counts = here.terminals.hub.counts()
    return json(Health(status="ok", version=here.version, connections=len(here.connections), counts=counts))


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path="/health",
        handler=health,
        access=None,
        origin="any",
        limit="none",
        answer=Health,
        doc="Whether the server is there.",
    ),
)
