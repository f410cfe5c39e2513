"""REST: workspaces, and what runs in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from webterm.access import Scope
from webterm.web.bodies import json, read_json
from webterm.web.members import NAMES, MemberInfo, RoleInWorkspace, shown_member
from webterm.web.parameters import flag, number
from webterm.web.paths import WORKSPACE, workspace_of
from webterm.web.row import Parameter, Row
from webterm.web.site import actor, site, source, work
from webterm.work.runtimes import RuntimeState, RuntimeStatus
from webterm.work.workspaces import LONGEST_DESCRIPTION, LONGEST_NAME, MOST_PER_PAGE, Environment, Seen

WORKSPACES = "/api/v1/workspaces"
PER_PAGE = 50
FARTHEST = 2**31 - 1

WorkspaceName = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
Description = Annotated[str, Meta(max_length=LONGEST_DESCRIPTION)]


class WorkspaceInfo(Struct, frozen=True, kw_only=True):
    """One workspace. ``role`` is the caller's. Times are in seconds since 1970; ``deleted`` of one in the trash."""

    id: str
    owner: str
    name: str
    description: str
    template: str
    environment: Environment
    role: RoleInWorkspace
    members: list[MemberInfo]
    created: float
    updated: float
    deleted: float | None


class WorkspacePage(Struct, frozen=True, kw_only=True):
    """Some workspaces, the newest first. ``next`` is the ``after`` of the next ones; null: these are the last."""

    items: list[WorkspaceInfo]
    next: int | None


class NewWorkspace(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A workspace to be made, empty or with a template's files. Without ``environment`` it gets the template's."""

    name: WorkspaceName
    description: Description = ""
    template: Annotated[str, Meta(max_length=64)] = ""
    environment: Environment | None = None


class WorkspaceChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be different; what is left out, or null, stays. An environment is changed as a whole."""

    name: WorkspaceName | None = None
    description: Description | None = None
    environment: Environment | None = None


class Quota(Struct, frozen=True, kw_only=True):
    """How much may be in a workspace; 0 is as much as they like."""

    bytes: int
    entries: int


class WorkspaceStatus(Struct, frozen=True, kw_only=True):
    """How a workspace stands. ``message`` is for people. ``files`` counts directories, too."""

    state: RuntimeState
    message: str
    driver: str
    terminals: int
    ports: list[int]
    files: int
    bytes: int
    quota: Quota


class FirstFile(Struct, frozen=True, kw_only=True):
    """Whether the workspace was empty, so that there is a first file in it now."""

    created: bool


async def show_all(request: web.Request) -> web.StreamResponse:
    """One's workspaces, a page at a time."""
    items, following = await work(request).workspaces.page(
        actor(request),
        after=number(request, "after", None, most=FARTHEST),
        limit=number(request, "limit", PER_PAGE, least=1, most=MOST_PER_PAGE),
        trash=flag(request, "trash", False),
    )
    return json(WorkspacePage(items=[_shown(seen) for seen in items], next=following))


async def create(request: web.Request) -> web.StreamResponse:
    """Make a workspace."""
    asked = await read_json(request, NewWorkspace)
    made = await work(request).workspaces.create(
        actor(request),
        source(request),
        name=asked.name,
        description=asked.description,
        template=asked.template,
        environment=asked.environment,
    )
    response = json(_shown(made), status=201)
    response.headers["Location"] = f"{site(request).prefix}{WORKSPACES}/{made.workspace.id}"
    return response


async def show(request: web.Request) -> web.StreamResponse:
    """One workspace."""
    return json(_shown(await work(request).workspaces.get(actor(request), workspace_of(request))))


async def change(request: web.Request) -> web.StreamResponse:
    """Change a workspace."""
    asked = await read_json(request, WorkspaceChanges)
    changed = await work(request).workspaces.change(
        actor(request),
        workspace_of(request),
        source(request),
        name=asked.name,
        description=asked.description,
        environment=asked.environment,
    )
    return json(_shown(changed))


async def remove(request: web.Request) -> web.StreamResponse:
    """Put a workspace into the trash, or remove it for good."""
    purge = flag(request, "purge", False)
    await work(request).workspaces.delete(actor(request), workspace_of(request), source(request), purge=purge)
    return web.Response(status=204)


async def restore(request: web.Request) -> web.StreamResponse:
    """Bring a workspace back from the trash."""
    return json(_shown(await work(request).workspaces.restore(actor(request), workspace_of(request), source(request))))


async def start(request: web.Request) -> web.StreamResponse:
    """Start what programs run in."""
    found = await work(request).runtimes.start(actor(request), workspace_of(request), source(request))
    return json(await _status(request, found))


async def stop(request: web.Request) -> web.StreamResponse:
    """End everything that runs."""
    found = await work(request).runtimes.stop(actor(request), workspace_of(request), source(request))
    return json(await _status(request, found))


async def status(request: web.Request) -> web.StreamResponse:
    """How a workspace stands."""
    return json(await _status(request, await work(request).looks.status(actor(request), workspace_of(request))))


async def ensure_default(request: web.Request) -> web.StreamResponse:
    """Make a first file in an empty workspace."""
    made = await work(request).workspaces.ensure_default(actor(request), workspace_of(request))
    return json(FirstFile(created=made))


async def _status(request: web.Request, found: RuntimeStatus) -> WorkspaceStatus:
    there = await work(request).files.standing(actor(request), workspace_of(request))
    return WorkspaceStatus(
        state=found.state,
        message=found.message,
        driver=found.driver,
        terminals=found.terminals,
        ports=list(found.ports),
        files=there.entries,
        bytes=there.bytes,
        quota=Quota(bytes=there.most_bytes, entries=there.most_entries),
    )


def _shown(seen: Seen) -> WorkspaceInfo:
    found = seen.workspace
    return WorkspaceInfo(
        id=found.id,
        owner=found.owner,
        name=found.name,
        description=found.description,
        template=found.template,
        environment=found.environment,
        role=NAMES[seen.role],
        members=[shown_member(member) for member in seen.members],
        created=found.created,
        updated=found.updated,
        deleted=found.deleted,
    )


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path=WORKSPACES,
        handler=show_all,
        access=Scope.WORKSPACES_READ,
        origin="any",
        answer=WorkspacePage,
        query=(
            Parameter(name="after", kind="number", doc="The ``next`` of the page before."),
            Parameter(name="limit", kind="number", doc=f"At most so many, {MOST_PER_PAGE} at most."),
            Parameter(
                name="trash", kind="flag", doc="One's own deleted ones instead, as long as the trash keeps them."
            ),
        ),
        doc="The workspaces that one owns or is a member of, the newest first.",
    ),
    Row(
        method="POST",
        path=WORKSPACES,
        handler=create,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        body=NewWorkspace,
        answer=WorkspaceInfo,
        status=201,
        headers=(Parameter(name="Location", kind="text", doc="The workspace's path.", required=True),),
        errors=(404, 503, 507),
        doc="Make a workspace.",
    ),
    Row(
        method="GET",
        path=WORKSPACE,
        handler=show,
        access=Scope.WORKSPACES_READ,
        origin="any",
        answer=WorkspaceInfo,
        errors=(404,),
        doc="One workspace.",
    ),
    Row(
        method="PATCH",
        path=WORKSPACE,
        handler=change,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        body=WorkspaceChanges,
        answer=WorkspaceInfo,
        errors=(404,),
        doc="Change a workspace. Another environment holds from the next start on.",
    ),
    Row(
        method="DELETE",
        path=WORKSPACE,
        handler=remove,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        status=204,
        query=(Parameter(name="purge", kind="flag", doc="For good, and not into the trash."),),
        errors=(404, 503),
        doc="Put a workspace into the trash. What runs in it ends.",
    ),
    Row(
        method="POST",
        path=WORKSPACE + "/restore",
        handler=restore,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        answer=WorkspaceInfo,
        errors=(404, 503, 507),
        doc="Bring a workspace back from the trash.",
    ),
    Row(
        method="POST",
        path=WORKSPACE + "/start",
        handler=start,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        answer=WorkspaceStatus,
        errors=(404, 409, 503),
        doc="Start what the workspace's programs run in; opening a terminal does so, too. It may be starting still.",
    ),
    Row(
        method="POST",
        path=WORKSPACE + "/stop",
        handler=stop,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        answer=WorkspaceStatus,
        errors=(404, 503),
        doc="End everything that runs in a workspace, for all of its members. It may be stopping still.",
    ),
    Row(
        method="GET",
        path=WORKSPACE + "/status",
        handler=status,
        access=Scope.WORKSPACES_READ,
        origin="any",
        answer=WorkspaceStatus,
        errors=(404, 503),
        doc="What runs in a workspace, and how much is in it.",
    ),
    Row(
        method="POST",
        path=WORKSPACE + "/ensure-default",
        handler=ensure_default,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        answer=FirstFile,
        errors=(404, 503, 507),
        doc="Make a first file, if the workspace is empty.",
    ),
)
