"""Invitations, for admins."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct, structs

from webterm.access import Scope
from webterm.accounts import invitations
from webterm.accounts.people import Role
from webterm.ids import InvitationId, UserId
from webterm.web.auth import Email
from webterm.web.bodies import json, read_json
from webterm.web.row import Row
from webterm.web.site import own_login, source
from webterm.web.users import TierName

INVITATIONS = "/api/v1/invitations"


class NewInvitation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody is to become. With ``email`` the account gets this address."""

    email: Email | None = None
    role: Role = "user"
    tier: TierName | None = None


class Invitation(Struct, frozen=True, kw_only=True):
    """An invitation that can still be used. Times are in seconds since 1970."""

    id: InvitationId
    email: str | None
    role: Role
    tier: str
    created_by: UserId | None
    created: float
    expires: float


class CreatedInvitation(Invitation, frozen=True, kw_only=True):
    """A new invitation. ``token`` is shown only here; the page takes it as ``?invitation=TOKEN``."""

    token: str


async def show_all(request: web.Request) -> web.StreamResponse:
    """What can still be used, the newest first."""
    return json([_shown(each) for each in await own_login(request).invitations.open_ones()])


async def create(request: web.Request) -> web.StreamResponse:
    """Invite somebody."""
    asked = await read_json(request, NewInvitation)
    token, made = await own_login(request).invitations.create(
        source(request), email=asked.email, role=asked.role, tier=asked.tier
    )
    return json(CreatedInvitation(**structs.asdict(_shown(made)), token=token), status=201)


async def remove(request: web.Request) -> web.StreamResponse:
    """Take an invitation back."""
    invitation = InvitationId(request.match_info["invitation"])
    await own_login(request).invitations.remove(invitation, source(request))
    return web.Response(status=204)


def _shown(invitation: invitations.Invitation) -> Invitation:
    return Invitation(
        id=invitation.id,
        email=invitation.email,
        role=invitation.role,
        tier=invitation.tier,
        created_by=invitation.created_by,
        created=invitation.created,
        expires=invitation.expires,
    )


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path=INVITATIONS,
        handler=show_all,
        access=Scope.ADMIN,
        origin="any",
        answer=list[Invitation],
        doc="Invitations that can still be used, the newest first.",
    ),
    Row(
        method="POST",
        path=INVITATIONS,
        handler=create,
        access=Scope.ADMIN,
        origin="own",
        body=NewInvitation,
        answer=CreatedInvitation,
        status=201,
        errors=(429,),
        doc="Invite somebody: the token is shown only here.",
    ),
    Row(
        method="DELETE",
        path=INVITATIONS + "/{invitation:[A-Za-z0-9_-]{1,64}}",
        handler=remove,
        access=Scope.ADMIN,
        origin="own",
        status=204,
        errors=(404,),
        doc="Take an invitation back.",
    ),
)
