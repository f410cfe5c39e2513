"""The page: one HTML file, and the files that it loads."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from webterm.errors import Unavailable
from webterm.web.auth import follow_link
from webterm.web.row import Row
from webterm.web.site import site

FOREVER = "public, max-age=31536000, immutable"
"""For files whose names change with what is in them."""


async def page(request: web.Request) -> web.StreamResponse:
    """The page itself. It is open: it holds nothing, and shows how to sign in."""
    if "login" in request.query and request.method == "GET" and site(request).actor_of is None:
        return await follow_link(request)
    file = site(request).page / "index.html"
    if not await asyncio.to_thread(_is_regular, file):
        raise Unavailable("webterm's page has not been built: run `npm ci && npm run build`")
    return web.FileResponse(file, headers={"Cache-Control": "no-cache"})


async def asset(request: web.Request) -> web.StreamResponse:
    """A file that the page loads. The route's pattern lets only plain names through: no slash, no leading dot."""
    file = site(request).page / "assets" / request.match_info["name"]
    if file.suffix == ".map" or not await asyncio.to_thread(_is_regular, file):
        raise web.HTTPNotFound(text="no such file")
    return web.FileResponse(file, headers={"Cache-Control": FOREVER})


async def to_page(request: web.Request) -> web.StreamResponse:
    """The prefix without its slash: relative URLs in the page need the slash."""
    query = request.rel_url.raw_query_string
    return web.Response(status=307, headers={"Location": f"{site(request).prefix}/" + (f"?{query}" if query else "")})


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path="/",
        handler=page,
        access=None,
        origin="any",
        limit="none",
        asks=False,
        media="text/html",
        errors=(503,),
        doc="The page.",
    ),
    Row(
        method="GET",
        path="/assets/{name:[A-Za-z0-9_-][A-Za-z0-9._-]*}",
        handler=asset,
        access=None,
        origin="any",
        limit="none",
        asks=False,
        media="*/*",
        errors=(404,),
        doc="Scripts, styles and fonts of the page.",
    ),
)

PREFIX_ROW = Row(
    method="GET",
    path="",
    handler=to_page,
    access=None,
    origin="any",
    limit="none",
    asks=False,
    status=307,
    doc="The prefix without its slash.",
)
