"""REST: what workspaces can be made from."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct

from webterm.access import Scope
from webterm.web.bodies import json
from webterm.web.row import Row
from webterm.web.site import work
from webterm.work.workspaces import Environment


class TemplateInfo(Struct, frozen=True, kw_only=True):
    """One template. ``name`` is for machines, ``title`` for people."""

    name: str
    title: str
    description: str
    environment: Environment


async def show_all(request: web.Request) -> web.StreamResponse:
    """All templates."""
    return json(
        [
            TemplateInfo(
                name=template.name,
                title=template.title,
                description=template.description,
                environment=template.environment,
            )
            for template in await work(request).workspaces.templates.all()
        ]
    )


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path="/api/v1/templates",
        handler=show_all,
        access=Scope.WORKSPACES_READ,
        origin="any",
        answer=list[TemplateInfo],
        doc="What workspaces can be made from, by name.",
    ),
)
