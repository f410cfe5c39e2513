"""REST: who may be in a workspace besides its owner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from aiohttp import web
from msgspec import Struct

from webterm.access import Role, Scope
from webterm.web.bodies import json, read_json
from webterm.web.paths import WORKSPACE, workspace_of
from webterm.web.row import Row
from webterm.web.site import actor, source, work
from webterm.work.workspaces import Member

MEMBER = WORKSPACE + "/members/{member:[^/]{1,256}}"

RoleInWorkspace = Literal["read", "write", "own"]
ROLES: dict[RoleInWorkspace, Role] = {"read": Role.READ, "write": Role.WRITE, "own": Role.OWN}
NAMES: dict[Role, RoleInWorkspace] = {role: name for name, role in ROLES.items()}


class MemberInfo(Struct, frozen=True, kw_only=True):
    """Who is in a workspace besides its owner. ``name`` is empty where a host application has the people."""

    user: str
    name: str
    role: RoleInWorkspace


class NewRole(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a member is to be allowed: to look, to change files and run programs, or all that the owner may."""

    role: RoleInWorkspace


async def show_member(request: web.Request) -> web.StreamResponse:
    """One member."""
    found = await work(request).workspaces.members.get(actor(request), workspace_of(request), _member(request))
    return json(shown_member(found))


async def set_member(request: web.Request) -> web.StreamResponse:
    """Let somebody be in a workspace."""
    asked = await read_json(request, NewRole)
    found = await work(request).workspaces.members.set_role(
        actor(request), workspace_of(request), _member(request), ROLES[asked.role], source(request)
    )
    return json(shown_member(found))


async def remove_member(request: web.Request) -> web.StreamResponse:
    """Take somebody out of a workspace."""
    await work(request).workspaces.members.remove(
        actor(request), workspace_of(request), _member(request), source(request)
    )
    return web.Response(status=204)


def shown_member(member: Member) -> MemberInfo:
    """As the API shows one."""
    return MemberInfo(user=member.user, name=member.name, role=NAMES[member.role])


def _member(request: web.Request) -> str:
    """The id of a person."""
    return request.match_info["member"]


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path=MEMBER,
        handler=show_member,
        access=Scope.WORKSPACES_READ,
        origin="any",
        answer=MemberInfo,
        errors=(404,),
        doc="One member, by id.",
    ),
    Row(
        method="PUT",
        path=MEMBER,
        handler=set_member,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        body=NewRole,
        answer=MemberInfo,
        errors=(404, 409, 429),
        doc="Let somebody be in a workspace, by id or user name, or give a member another role.",
    ),
    Row(
        method="DELETE",
        path=MEMBER,
        handler=remove_member,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        status=204,
        errors=(404,),
        doc="Take somebody out of a workspace, or leave it oneself. What the person has open there ends.",
    ),
)
