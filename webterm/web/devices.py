"""One's devices: the browsers and API clients that are signed in."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct

from webterm.access import Scope
from webterm.accounts.logins import Kind
from webterm.ids import LoginId
from webterm.web.bodies import json
from webterm.web.row import Row
from webterm.web.site import actor, own_login, source, visitor

DEVICES = "/api/v1/auth/devices"


class Device(Struct, frozen=True, kw_only=True):
    """One login. Times are in seconds since 1970; ``agent`` is what the device says it is.

    ``address`` is where it was last seen. ``current``: it is the one that asks.
    """

    id: LoginId
    kind: Kind
    created: float
    seen: float
    address: str
    agent: str
    current: bool


async def show_all(request: web.Request) -> web.StreamResponse:
    """One's devices, the last used first."""
    found = await own_login(request).logins.of_user(actor(request).id)
    own = visitor(request).proof
    return json(
        [
            Device(
                id=login.id,
                kind=login.kind,
                created=login.created,
                seen=login.seen,
                address=login.address,
                agent=login.agent,
                current=login.id == own,
            )
            for login in found
        ]
    )


async def sign_out(request: web.Request) -> web.StreamResponse:
    """Sign one device out."""
    login = LoginId(request.match_info["device"])
    ours = own_login(request)
    await ours.logins.end(login, source(request))
    response = web.Response(status=204)
    if login == visitor(request).proof:
        ours.storage.drop(response)
    return response


async def sign_out_all(request: web.Request) -> web.StreamResponse:
    """Sign every device out, this one as well."""
    ours = own_login(request)
    await ours.logins.end_all(actor(request).id, source(request))
    response = web.Response(status=204)
    ours.storage.drop(response)
    return response


async def sign_out_others(request: web.Request) -> web.StreamResponse:
    """Sign every device out but the one that asks."""
    own = visitor(request).proof
    await own_login(request).logins.end_all(actor(request).id, source(request), keep=LoginId(own) if own else None)
    return web.Response(status=204)


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path=DEVICES,
        handler=show_all,
        access=Scope.ACCOUNT,
        origin="any",
        answer=list[Device],
        doc="Browsers and API clients that are signed in, the last used first.",
    ),
    Row(
        method="DELETE",
        path=DEVICES,
        handler=sign_out_all,
        access=Scope.ACCOUNT,
        origin="own",
        status=204,
        doc="Sign every device out, this one as well.",
    ),
    Row(
        method="DELETE",
        path=DEVICES + "/others",
        handler=sign_out_others,
        access=Scope.ACCOUNT,
        origin="own",
        status=204,
        doc="Sign every device out but this one.",
    ),
    Row(
        method="DELETE",
        path=DEVICES + "/{device:[A-Za-z0-9_-]+}",
        handler=sign_out,
        access=Scope.ACCOUNT,
        origin="own",
        status=204,
        errors=(404,),
        doc="Sign one device out.",
    ),
)
