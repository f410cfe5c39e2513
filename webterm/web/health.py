"""Whether the server is there."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct

from webterm.access import Actor, Scope
from webterm.runtime import DriverHealth
from webterm.web.bodies import json
from webterm.web.row import Row
from webterm.web.site import site, visitor, work


class EngineHealth(Struct, frozen=True, kw_only=True):
    """The container engine, as it was seen within a second. ``containers``: how many run. ``reason``: why it cannot be
    used, in words for administrators; empty for others."""

    works: bool
    reason: str
    version: str
    containers: int


class Health(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What monitoring asks for. All but ``status`` is told to people who are signed in only.

    ``mode`` is the driver of workspaces that ask for none, now, and ``reason`` why it is another one than usual.
    """

    status: str
    version: str | None = None
    connections: int | None = None
    counts: dict[str, int] | None = None
    mode: str | None = None
    reason: str | None = None
    engine: EngineHealth | None = None


async def health(request: web.Request) -> web.StreamResponse:
    """``ok``, as soon and as long as requests are answered."""
    who = visitor(request).actor
    if who is None:
        return json(Health(status="ok"))
    here = site(request)
    counts = here.terminals.hub.counts()
    choosing = work(request).runtimes.choosing
    if choosing.health is not None:  # where nobody has needed to know, nobody looks
        await choosing.look()
    usual = choosing.chosen(None)
    return json(
        Health(
            status="ok",
            version=here.version,
            connections=len(here.connections),
            counts=counts,
            mode=usual.driver,
            reason=(usual.full_reason if who.may(Scope.ADMIN) else usual.reason) or None,
            engine=_engine(choosing.health, who),
        )
    )


def _engine(seen: DriverHealth | None, who: Actor) -> EngineHealth | None:
    if seen is None:
        return None
    reason = seen.reason if who.may(Scope.ADMIN) else ""
    return EngineHealth(works=seen.works, reason=reason, version=seen.version, containers=seen.runtimes)


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
