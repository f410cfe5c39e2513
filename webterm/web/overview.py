"""REST: which workspaces run and what they use, for admins. What is in them stays their people's."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct

from webterm.access import Scope
from webterm.runtime import RuntimeState
from webterm.web.bodies import json
from webterm.web.parameters import number
from webterm.web.paths import workspace_of
from webterm.web.row import Parameter, Row
from webterm.web.site import source, work
from webterm.work.overview import MOST_PER_PAGE, Running

RUNTIMES = "/api/v1/admin/runtimes"
PER_PAGE = 50
MOST = 1_000_000


class RunningWorkspace(Struct, frozen=True, kw_only=True):
    """A workspace that runs, starts, stops or has failed to. ``message`` is for people: how far, or why.

    ``owner_name`` is empty where a host application has the people, ``image`` where there is no container. It is in its
    ``state`` at least ``since`` then (seconds since 1970; null: nobody knows). ``viewers`` look at its ``terminals``.
    What it uses was seen some seconds ago, half a minute at most: ``cpu`` in processors, ``memory`` in bytes; null:
    that cannot be told now, a limit of 0: there is none.
    """

    workspace: str
    name: str
    owner: str
    owner_name: str
    driver: str
    image: str
    state: RuntimeState
    message: str
    since: float | None
    terminals: int
    viewers: int
    cpu: float | None
    cpu_limit: float
    memory: int | None
    memory_limit: int
    processes: int | None
    processes_limit: int


class RunningWorkspaces(Struct, frozen=True, kw_only=True):
    """Some of them, first those that use the most memory. ``next`` is the ``after`` of the next ones; null: no more.

    ``problem`` says why containers cannot be asked now; empty where they can, or where there are to be none.
    """

    items: list[RunningWorkspace]
    next: int | None
    problem: str


async def show_all(request: web.Request) -> web.StreamResponse:
    """All that run, a page at a time."""
    overview = work(request).overview
    after = number(request, "after", 0, most=MOST)
    limit = number(request, "limit", PER_PAGE, least=1, most=MOST_PER_PAGE)
    found, following = await overview.page(after=after, limit=limit)
    return json(
        RunningWorkspaces(items=[_shown(running) for running in found], next=following, problem=overview.problem)
    )


async def stop(request: web.Request) -> web.StreamResponse:
    """Stop one, whosever it is."""
    return json(_shown(await work(request).overview.stop(workspace_of(request), source(request))))


def _shown(running: Running) -> RunningWorkspace:
    workspace, standing, stats = running.workspace, running.standing, running.stats
    return RunningWorkspace(
        workspace=workspace.id,
        name=workspace.name,
        owner=workspace.owner,
        owner_name=running.owner_name,
        driver=running.driver,
        image=running.image,
        state=standing.state,
        message=standing.message,
        since=standing.since,
        terminals=standing.terminals,
        viewers=standing.viewers,
        cpu=stats.cpu,
        cpu_limit=stats.cpu_limit,
        memory=stats.memory,
        memory_limit=stats.memory_limit,
        processes=stats.processes,
        processes_limit=stats.processes_limit,
    )


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path=RUNTIMES,
        handler=show_all,
        access=Scope.ADMIN,
        origin="any",
        answer=RunningWorkspaces,
        query=(
            Parameter(name="after", kind="number", doc="Leave out so many at the beginning."),
            Parameter(name="limit", kind="number", doc=f"At most so many, {MOST_PER_PAGE} at most."),
        ),
        doc="Which workspaces run, whosever they are, and what they use.",
    ),
    Row(
        method="POST",
        path=RUNTIMES + "/{workspace:[A-Za-z0-9-]{1,64}}/stop",
        handler=stop,
        access=Scope.ADMIN,
        origin="own",
        answer=RunningWorkspace,
        errors=(404, 503),
        doc="End everything that runs in a workspace, whosever it is. It may be stopping still.",
    ),
)
