"""Tiers, for whoever is signed in: how often one may call."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct

from webterm.web.bodies import json
from webterm.web.row import Row
from webterm.web.site import site


class TierNumbers(Struct, frozen=True, kw_only=True):
    """How often people of a tier may call: per minute, ``ai`` per day; 0 is as often as they like."""

    name: str
    general: int
    auth: int
    ai: int


async def show_all(request: web.Request) -> web.StreamResponse:
    """All tiers, as the settings name them."""
    tiers = site(request).settings.limits.tiers
    return json(
        [TierNumbers(name=name, general=tier.general, auth=tier.auth, ai=tier.ai) for name, tier in tiers.items()]
    )


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path="/api/v1/tiers",
        handler=show_all,
        access="any",
        origin="any",
        answer=list[TierNumbers],
        doc="The tiers, and how often people of each may call.",
    ),
)
