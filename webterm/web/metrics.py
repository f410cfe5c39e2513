"""Measurements, for Prometheus to fetch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from webterm.access import Scope
from webterm.web.row import Row
from webterm.web.site import site


async def metrics(request: web.Request) -> web.StreamResponse:
    """The measurements, in the text format of Prometheus."""
    here = site(request)
    running = here.work.overview.counts() if here.work is not None else {}
    here.metrics.now({**here.terminals.hub.counts(), "connections": len(here.connections)}, running)
    text = await asyncio.to_thread(generate_latest, here.metrics.registry)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path="/metrics",
        handler=metrics,
        access=Scope.ADMIN,
        origin="any",
        media="text/plain",
        doc="Measurements for Prometheus.",
    ),
)
