"""REST: where previews are, and links that show one to whoever holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from webterm.access import Scope
from webterm.ids import UserId
from webterm.web.bodies import json, read_json
from webterm.web.paths import WORKSPACE, workspace_of
from webterm.web.preview_hosts import link
from webterm.web.preview_places import Place, base_of, host_origin, main_origin, port_of
from webterm.web.row import Row
from webterm.web.site import actor, site, source, visitor, work
from webterm.work.preview_shares import PreviewShare

SHARES = WORKSPACE + "/shares"
SHARE = SHARES + "/{share:[A-Za-z0-9_-]{1,64}}"
MINUTE = 60.0

Port = Annotated[int, Meta(ge=1, le=65_535)]


class ShownPage(Struct, frozen=True, kw_only=True):
    """A page of an app that a frame got: the app's own path and query, and when, in seconds since 1970."""

    target: str
    at: float


class PreviewInfo(Struct, frozen=True, kw_only=True):
    """Where a port of a workspace is seen. ``isolated``: the app has an origin of its own there.

    ``open``: the login that asks has a pass, which is good for an hour from now; ``shown`` are the last pages that
    frames got with it, the oldest first.
    """

    port: int
    url: str
    isolated: bool
    open: bool
    shown: list[ShownPage]


class ShareInfo(Struct, frozen=True, kw_only=True):
    """A link that shows a preview to whoever holds it. Times are in seconds since 1970."""

    id: str
    port: int
    created_by: UserId
    created: float
    expires: float


class Shares(Struct, frozen=True, kw_only=True):
    """The links of a workspace that have not run out, the newest first."""

    items: list[ShareInfo]


class NewShare(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link that is wanted. Without ``minutes`` it lasts for as long as the settings allow."""

    port: Port
    minutes: Annotated[float, Meta(gt=0, le=10_000_000)] | None = None


class MadeShare(Struct, frozen=True, kw_only=True):
    """A new link. ``url`` is told only here."""

    share: ShareInfo
    url: str


async def place(request: web.Request) -> web.StreamResponse:
    """Where a port is seen."""
    found = await work(request).workspaces.allowed(actor(request), workspace_of(request))
    port = port_of(request.match_info["port"])
    seen, isolated = Place(found.id, port), site(request).settings.previews.domain is not None
    url = host_origin(request, seen) if isolated else base_of(site(request), seen)
    held = work(request).previews.held(actor(request), visitor(request).proof, found.id, port)
    shown = [] if held is None else [ShownPage(target=each.target, at=each.at) for each in held.shown]
    return json(PreviewInfo(port=port, url=url + "/", isolated=isolated, open=held is not None, shown=shown))


async def show_shares(request: web.Request) -> web.StreamResponse:
    """The links of a workspace."""
    found = await work(request).previews.shares.of_workspace(actor(request), workspace_of(request))
    return json(Shares(items=[_shown(share) for share in found]))


async def share_preview(request: web.Request) -> web.StreamResponse:
    """Make a link."""
    asked = await read_json(request, NewShare)
    seconds = None if asked.minutes is None else asked.minutes * MINUTE
    secret, share = await work(request).previews.shares.create(
        actor(request), workspace_of(request), asked.port, source(request), seconds=seconds
    )
    return json(MadeShare(share=_shown(share), url=_url(request, share, secret)), status=201)


async def remove_share(request: web.Request) -> web.StreamResponse:
    """Take a link back."""
    await work(request).previews.shares.remove(
        actor(request), workspace_of(request), request.match_info["share"], source(request)
    )
    return web.Response(status=204)


def _url(request: web.Request, share: PreviewShare, secret: str) -> str:
    seen = Place(share.workspace, share.port)
    if site(request).settings.previews.domain is not None:
        return host_origin(request, seen) + link(secret)
    return f"{main_origin(request)}{base_of(site(request), seen, secret)}/"


def _shown(share: PreviewShare) -> ShareInfo:
    return ShareInfo(
        id=share.id, port=share.port, created_by=share.created_by, created=share.created, expires=share.expires
    )


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path=WORKSPACE + "/previews/{port:[^/]{1,64}}",
        handler=place,
        access=Scope.WORKSPACES_READ,
        origin="any",
        answer=PreviewInfo,
        errors=(404,),
        doc="Where a port of a workspace is seen by people, and what they were shown. Nothing need listen there yet.",
    ),
    Row(
        method="GET",
        path=SHARES,
        handler=show_shares,
        access=Scope.WORKSPACES_READ,
        origin="any",
        answer=Shares,
        errors=(404,),
        doc="The links that show previews of a workspace to whoever holds them.",
    ),
    Row(
        method="POST",
        path=SHARES,
        handler=share_preview,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        body=NewShare,
        answer=MadeShare,
        status=201,
        errors=(404, 429),
        doc="Make a link that shows a port of a workspace to whoever holds it, until it runs out.",
    ),
    Row(
        method="DELETE",
        path=SHARE,
        handler=remove_share,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        status=204,
        errors=(404,),
        doc="Take a link back. What is open by it ends.",
    ),
)
