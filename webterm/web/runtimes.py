"""REST: what workspaces' programs run in, what they use and where they listen."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct

from webterm.access import Scope
from webterm.runtime import RuntimeLimits, RuntimeState
from webterm.web.bodies import json
from webterm.web.parameters import number
from webterm.web.paths import WORKSPACE, workspace_of
from webterm.web.row import Parameter, Row
from webterm.web.site import actor, site, source, work
from webterm.work.journals import LINES
from webterm.work.runtimes import RuntimeStatus

RUNTIME = WORKSPACE + "/runtime"


class RuntimeBounds(Struct, frozen=True, kw_only=True):
    """What all programs of a workspace may use together: ``memory`` in bytes, ``cpu`` in processors; 0 is any.

    ``network``: whether they reach anything beside each other.
    """

    processes: int
    memory: int
    cpu: float
    network: bool


class PublishedPort(Struct, frozen=True, kw_only=True):
    """A port that the environment asks for, and the one ``at`` the container engine's machine that leads there."""

    port: int
    at: int


class RuntimeInfo(Struct, frozen=True, kw_only=True):
    """What a workspace's programs run in, or would. ``message`` is for people: how far it has come, or why it ended.

    ``reason`` says why ``driver`` is another one than usual. ``image`` is what a container is made of, else empty.
    ``ports`` are those that programs listen at; ``published`` those of a container that lead out of it. ``stops_in``:
    in so many seconds it stops, because nothing runs in it and nobody looks; null: it does not. ``cut`` has a line for
    people for each limit of which the environment asks for more than there may be, and which does not hold therefore.
    """

    workspace: str
    state: RuntimeState
    message: str
    driver: str
    reason: str
    image: str
    terminals: int
    ports: list[int]
    published: list[PublishedPort]
    stops_in: float | None
    limits: RuntimeBounds
    cut: list[str]


class RuntimeUse(Struct, frozen=True, kw_only=True):
    """What all programs of a workspace use together, now; null: that cannot be told, a limit of 0: there is none.

    ``cpu`` in processors, ``memory`` in bytes; ``received`` and ``sent`` are bytes since it came up. ``disk`` is the
    size of the workspace's files in bytes, and ``disk_limit`` its quota.
    """

    cpu: float | None
    cpu_limit: float
    memory: int | None
    memory_limit: int
    processes: int | None
    processes_limit: int
    received: int | None
    sent: int | None
    disk: int
    disk_limit: int


class ProcessInfo(Struct, frozen=True, kw_only=True):
    """One process, as the workspace's own programs see it. ``started`` in seconds since 1970, ``memory`` in bytes."""

    pid: int
    parent: int
    user: str
    command: str
    started: float | None
    memory: int | None


class ProcessList(Struct, frozen=True, kw_only=True):
    """The processes of a workspace, in the order of their numbers."""

    items: list[ProcessInfo]


class PortInfo(Struct, frozen=True, kw_only=True):
    """A TCP port at which a program of the workspace listens."""

    port: int


class PortList(Struct, frozen=True, kw_only=True):
    """The ports of a workspace, the lowest first."""

    items: list[PortInfo]


class RuntimeEvent(Struct, frozen=True, kw_only=True):
    """Something that has happened to a runtime, a line for people. ``time`` is in seconds since 1970."""

    time: float
    text: str


class RuntimeLogs(Struct, frozen=True, kw_only=True):
    """What has become of a runtime since this server started, the newest last.

    Who has started it, how far that came, where it was ready and why there, who has stopped it or how else it ended.
    """

    items: list[RuntimeEvent]


class RuntimeChoices(Struct, frozen=True, kw_only=True):
    """What an environment may ask for on this server, and what it gets that asks for nothing.

    ``mode`` is the driver of those, now, and ``reason`` why it is another one than usual. ``image`` is the usual one,
    ``images`` what may be asked for beside it (``*`` stands for any characters but / and :, ``**`` for any). ``limits``
    are the highest, with ``mode``; ``networked`` are the drivers with which programs may use the network.
    ``idle_minutes``: when a container stops in which nothing runs; 0 is never. ``preview_domain``: each previewed page
    has a name of its own in it; null: they are below the server's own address. ``share_days``: for how long a link to
    one lasts at most; 0: there are none.
    """

    mode: str
    reason: str
    drivers: list[str]
    image: str
    images: list[str]
    limits: RuntimeBounds
    networked: list[str]
    idle_minutes: float
    preview_domain: str | None
    share_days: float


async def choices(request: web.Request) -> web.StreamResponse:
    """What an environment may ask for."""
    runtimes, settings = work(request).runtimes, site(request).settings
    usual = runtimes.choosing.chosen(None)
    templates = await work(request).workspaces.templates.images()
    return json(
        RuntimeChoices(
            mode=usual.driver,
            reason=usual.full_reason if actor(request).may(Scope.ADMIN) else usual.reason,
            drivers=sorted(runtimes.plans.homes),
            image=settings.docker.image,
            images=list(dict.fromkeys([*settings.docker.images, *sorted(templates)])),
            limits=_bounds(runtimes.plans.limits(), runtimes.plans.network(usual.driver)),
            networked=sorted(filter(runtimes.plans.network, runtimes.plans.homes)),
            idle_minutes=settings.runtimes.idle_minutes,
            preview_domain=settings.previews.domain,
            share_days=settings.previews.share_days,
        )
    )


async def show(request: web.Request) -> web.StreamResponse:
    """How it stands."""
    return _answer(request, await work(request).looks.status(actor(request), workspace_of(request)))


async def start(request: web.Request) -> web.StreamResponse:
    """Start it."""
    found = await work(request).runtimes.start(actor(request), workspace_of(request), source(request))
    return _answer(request, found)


async def stop(request: web.Request) -> web.StreamResponse:
    """Stop it."""
    found = await work(request).runtimes.stop(actor(request), workspace_of(request), source(request))
    return _answer(request, found)


async def restart(request: web.Request) -> web.StreamResponse:
    """Stop it and start it."""
    found = await work(request).runtimes.restart(actor(request), workspace_of(request), source(request))
    return _answer(request, found)


async def keep(request: web.Request) -> web.StreamResponse:
    """Have it not stop by itself."""
    return _answer(request, await work(request).runtimes.keep(actor(request), workspace_of(request)))


async def stats(request: web.Request) -> web.StreamResponse:
    """What is used."""
    seen = await work(request).looks.use(actor(request), workspace_of(request))
    there = await work(request).files.standing(actor(request), workspace_of(request))
    return json(
        RuntimeUse(
            cpu=seen.cpu,
            cpu_limit=seen.cpu_limit,
            memory=seen.memory,
            memory_limit=seen.memory_limit,
            processes=seen.processes,
            processes_limit=seen.processes_limit,
            received=seen.received,
            sent=seen.sent,
            disk=there.bytes,
            disk_limit=there.most_bytes,
        )
    )


async def ports(request: web.Request) -> web.StreamResponse:
    """Where programs listen."""
    found = await work(request).looks.listening(actor(request), workspace_of(request))
    return json(PortList(items=[PortInfo(port=port) for port in found]))


async def processes(request: web.Request) -> web.StreamResponse:
    """Which processes there are."""
    found = await work(request).looks.processes(actor(request), workspace_of(request))
    return json(
        ProcessList(
            items=[
                ProcessInfo(
                    pid=each.pid,
                    parent=each.parent,
                    user=each.user,
                    command=each.command,
                    started=each.started,
                    memory=each.memory,
                )
                for each in found
            ]
        )
    )


async def logs(request: web.Request) -> web.StreamResponse:
    """What has become of it."""
    lines = number(request, "lines", LINES, least=1, most=LINES)
    found = await work(request).looks.journal(actor(request), workspace_of(request), lines)
    return json(RuntimeLogs(items=[RuntimeEvent(time=entry.time, text=entry.text) for entry in found]))


def _answer(request: web.Request, found: RuntimeStatus) -> web.Response:
    return json(
        RuntimeInfo(
            workspace=workspace_of(request),
            state=found.state,
            message=found.message,
            driver=found.driver,
            reason=found.reason,
            image=found.image,
            terminals=found.terminals,
            ports=list(found.ports),
            published=[PublishedPort(port=port, at=there) for port, there in found.published.items()],
            stops_in=None if found.stops_in is None else round(found.stops_in, 1),
            limits=_bounds(found.limits, found.network),
            cut=list(found.cut),
        )
    )


def _bounds(limits: RuntimeLimits, network: bool) -> RuntimeBounds:
    return RuntimeBounds(processes=limits.processes, memory=limits.memory, cpu=limits.cpu, network=network)


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path="/api/v1/runtimes",
        handler=choices,
        access=Scope.WORKSPACES_READ,
        origin="any",
        answer=RuntimeChoices,
        doc="What the environment of a workspace may ask for here.",
    ),
    Row(
        method="GET",
        path=RUNTIME,
        handler=show,
        access=Scope.WORKSPACES_READ,
        origin="any",
        answer=RuntimeInfo,
        errors=(404, 503),
        doc="What the workspace's programs run in, and how that stands.",
    ),
    Row(
        method="POST",
        path=RUNTIME + "/start",
        handler=start,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        answer=RuntimeInfo,
        errors=(404, 409, 503),
        doc="Start it; opening a terminal does so, too. It may be starting still.",
    ),
    Row(
        method="POST",
        path=RUNTIME + "/stop",
        handler=stop,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        answer=RuntimeInfo,
        errors=(404, 503),
        doc="End everything that runs in the workspace, for all of its members. It may be stopping still.",
    ),
    Row(
        method="POST",
        path=RUNTIME + "/restart",
        handler=restart,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        answer=RuntimeInfo,
        errors=(404, 409, 503),
        doc="Stop it, and start it with the environment as it is now. It may be doing so still.",
    ),
    Row(
        method="POST",
        path=RUNTIME + "/keep",
        handler=keep,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        answer=RuntimeInfo,
        errors=(404, 503),
        doc="Have it not stop by itself: the time in which nobody uses it begins anew.",
    ),
    Row(
        method="GET",
        path=RUNTIME + "/stats",
        handler=stats,
        access=Scope.WORKSPACES_READ,
        origin="any",
        answer=RuntimeUse,
        errors=(404, 503),
        doc="What all programs of the workspace use together, now.",
    ),
    Row(
        method="GET",
        path=RUNTIME + "/ports",
        handler=ports,
        access=Scope.WORKSPACES_READ,
        origin="any",
        answer=PortList,
        errors=(404, 503),
        doc="The TCP ports at which programs of the workspace listen.",
    ),
    Row(
        method="GET",
        path=RUNTIME + "/processes",
        handler=processes,
        access=Scope.WORKSPACES_READ,
        origin="any",
        answer=ProcessList,
        errors=(404, 503),
        doc="The processes of the workspace, for those who may run programs there.",
    ),
    Row(
        method="GET",
        path=RUNTIME + "/logs",
        handler=logs,
        access=Scope.WORKSPACES_READ,
        origin="any",
        answer=RuntimeLogs,
        query=(Parameter(name="lines", kind="number", doc=f"At most so many, {LINES} at most."),),
        errors=(404, 503),
        doc="What has become of it lately: who started and stopped it, how far that came, how it ended and why.",
    ),
)
