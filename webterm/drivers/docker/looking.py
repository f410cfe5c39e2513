"""What the programs in containers do: what they use, where they listen, and a way to them.

Where this machine shows the container's processes (an engine on this machine, and a server that may look), /proc says
all of it, and sockets are made in the container's network. Else the engine is asked: it runs small scripts in the
container, and connections go to the container's address, or through a program in it.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from webterm.drivers import listeners
from webterm.drivers.cancelling import opened
from webterm.drivers.docker import survey
from webterm.drivers.docker.engine import EngineRefusal
from webterm.drivers.docker.place import hold
from webterm.drivers.docker.relay import RELAYS, Relays
from webterm.drivers.docker.shape import FIRST
from webterm.drivers.docker.stream import run
from webterm.drivers.inner_sockets import CannotEnter, InnerSockets, connect
from webterm.drivers.listeners import Listener, Target
from webterm.drivers.places import Place, Usage
from webterm.drivers.running_processes import Seen
from webterm.drivers.sampling import Sampling
from webterm.drivers.sandbox_layout import USER
from webterm.errors import NoSuchPort, Unavailable
from webterm.ids import WorkspaceId
from webterm.runtime import RuntimeProcess, RuntimeStats

if TYPE_CHECKING:
    from webterm.drivers.docker.containers import Container, Containers
    from webterm.drivers.docker.engine import Engine

_SURVEY_TIMEOUT = 20.0
_ROUTE_TIMEOUT = 1.0
_FRESH = 2.0
"""Seconds for which it may be taken as known who listens. Whatever else listens then is in the same container."""
_REMEMBERED = 256

_Answer = TypeVar("_Answer")


@dataclass(slots=True)
class _Facts:
    """What is known of a container as long as it runs; None: not known yet.

    Its ``listeners`` were ``heard`` of at that time.
    """

    relay: str | None = None
    routed: bool = True
    entered: bool = True
    listeners: tuple[Listener, ...] = ()
    heard: float = float("-inf")


@dataclass(slots=True)
class _View:
    """A container that is up, and the place where it can be looked at from here."""

    container: Container
    place: Place | None
    facts: _Facts = field(default_factory=_Facts)


class ContainerLooking:
    """Looks at the containers of one driver. Its methods raise what those of `webterm.session.Driver` do.

    ``sees``: whether what this machine shows of containers may be used, where it can. ``routes``: the same for the
    addresses of containers, which are used only where a container is seen to be on this machine.
    """

    def __init__(self, engine: Engine, containers: Containers, *, sees: bool = True, routes: bool = True) -> None:
        self._engine = engine
        self._containers = containers
        self._sees = sees
        self._routes = routes
        self._sockets = InnerSockets()
        self._relays = Relays(engine)
        self._sampling: Sampling[Usage] = Sampling()
        self._facts: dict[str, _Facts] = {}

    async def stats(self, workspace: WorkspaceId) -> RuntimeStats:
        """See `webterm.session.Driver.stats`. The first answer after a while takes a moment."""

        async def found(view: _View) -> RuntimeStats:
            usage, cpu = await self._sampling.rate(
                workspace, lambda: self._usage(view), lambda usage: usage.cpu, view.container.id
            )
            limits = view.container
            return RuntimeStats(
                cpu=None if cpu is None else round(cpu, 3),
                cpu_limit=limits.cpu,
                memory=usage.memory,
                memory_limit=limits.memory,
                processes=max(0, usage.processes - FIRST),
                processes_limit=limits.processes,
                received=usage.received,
                sent=usage.sent,
            )

        return await self._ask(workspace, found, RuntimeStats())

    async def processes(self, workspace: WorkspaceId) -> tuple[RuntimeProcess, ...]:
        """See `webterm.session.Driver.processes`."""

        async def found(view: _View) -> tuple[RuntimeProcess, ...]:
            processes, boot = await self._processes(view)
            user = view.container.user.partition(":")[0]
            users = {int(user): USER} if user.isdigit() else {}
            return tuple(one.shown(users, boot) for one in processes)

        return await self._ask(workspace, found, ())

    async def is_idle(self, workspace: WorkspaceId) -> bool:
        """See `webterm.session.Driver.is_idle`."""

        async def found(view: _View) -> bool:
            return all(one.is_resting_shell() for one in (await self._processes(view))[0])

        return await self._ask(workspace, found, True)

    async def ports(self, workspace: WorkspaceId) -> frozenset[int]:
        """See `webterm.session.Driver.ports`."""

        async def found(view: _View) -> frozenset[int]:
            if view.place is not None:
                return await asyncio.to_thread(view.place.ports)
            return frozenset(one.port for one in await self._listeners(view))

        return await self._ask(workspace, found, frozenset())

    async def dial(self, workspace: WorkspaceId, port: int) -> socket.socket:
        """See `webterm.session.Driver.dial`."""

        async def found(view: _View) -> socket.socket | None:
            if view.place is not None and view.facts.entered:
                try:
                    return await view.place.dial(port, self._sockets)
                except CannotEnter:  # we may look at its network, but not enter it
                    view.facts.entered = False
            return await self._dial_from_outside(view, port)

        sock = await self._ask(workspace, found, None)
        if sock is None:
            raise NoSuchPort(f"nothing of this workspace listens at port {port}")
        return sock

    async def aclose(self) -> None:
        """Cut connections through programs in containers, and let go of everything. Twice is harmless."""
        await self._relays.aclose()
        await self._sockets.aclose()

    # Through the engine.

    async def _dial_from_outside(self, view: _View, port: int) -> socket.socket | None:
        there = await self._listeners(view, fresh=False)
        targets = listeners.targets(there, port)
        if not targets:
            return None
        sock = await self._routed(view, there, port)
        if sock is not None:
            return sock
        relay = await self._relay(view)
        return await self._relays.dial(view.container.id, view.container.user, relay, targets[0], port)

    async def _routed(self, view: _View, there: tuple[Listener, ...], port: int) -> socket.socket | None:
        """By the container's address, where its server listens there and a route leads there."""
        address, facts = view.container.address, view.facts
        target = Target(socket.AF_INET, address or "")
        if not address or not (self._routes and facts.routed):
            return None
        if view.container.pid is None:  # it may be another machine's, whose engine's socket is led here: as its address
            return None
        if not listeners.answering(there, port, target):
            return None
        sock = socket.socket(target.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            await connect(sock, address, port, timeout=_ROUTE_TIMEOUT)
            still = await self._containers.find(view.container.workspace)
        except (NoSuchPort, Unavailable) as error:
            facts.routed = isinstance(error.__cause__, ConnectionRefusedError)  # it is reached, at least
        except BaseException:
            sock.close()
            raise
        else:
            if still is not None and still.id == view.container.id:
                return sock  # as long as it is up nobody else has its address
        sock.close()
        return None

    async def _relay(self, view: _View) -> str:
        if view.facts.relay is None:
            view.facts.relay = (await self._run(view.container, survey.RELAY)).decode(errors="replace").strip()
        if view.facts.relay not in RELAYS:
            names = ", ".join(RELAYS)
            raise Unavailable(f"ports of this container cannot be reached: its image has none of {names}")
        return view.facts.relay

    async def _listeners(self, view: _View, *, fresh: bool = True) -> tuple[Listener, ...]:
        """Asking takes a moment, and browsers open several connections: one answer may do for them all."""
        facts = view.facts
        if fresh or time.monotonic() - facts.heard > _FRESH:
            facts.listeners = survey.read_listeners(await self._run(view.container, survey.LISTENERS))
            facts.heard = time.monotonic()
        return facts.listeners

    async def _processes(self, view: _View) -> tuple[tuple[Seen, ...], float]:
        if view.place is not None:
            boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
            return await asyncio.to_thread(view.place.processes), boot
        found = survey.read_survey(await self._run(view.container, survey.PROCESSES))
        return found.processes, found.boot

    async def _usage(self, view: _View) -> Usage:
        if view.place is not None:
            return await asyncio.to_thread(view.place.usage)
        params = {"stream": "false", "one-shot": "true"}
        said = await self._engine.call("GET", f"containers/{view.container.id}/stats", params=params)
        return survey.usage_of(said)

    async def _run(self, container: Container, script: str) -> bytes:
        ran = await run(self._engine, container.id, script, user=container.user, timeout=_SURVEY_TIMEOUT)
        return ran.stdout

    async def _ask(
        self, workspace: WorkspaceId, question: Callable[[_View], Awaitable[_Answer]], otherwise: _Answer
    ) -> _Answer:
        """The answer about a container that is up, else ``otherwise``; also if it goes just then."""
        async with self._view(workspace) as view:
            if view is None:
                self._sampling.forget(workspace)
                return otherwise
            try:
                return await question(view)
            except EngineRefusal as refusal:
                if not refusal.is_gone:
                    raise
                return otherwise

    @asynccontextmanager
    async def _view(self, workspace: WorkspaceId) -> AsyncIterator[_View | None]:
        container = await self._containers.find(workspace)
        if container is None:
            yield None
            return
        facts = self._facts.setdefault(container.id, _Facts())
        while len(self._facts) > _REMEMBERED:
            del self._facts[next(iter(self._facts))]
        pid = container.pid if self._sees else None
        held = None
        if pid is not None:
            held = await opened(lambda: hold(container.id, pid), lambda one: one.close() if one is not None else None)
        try:
            yield _View(container, None if held is None else held.place, facts)
        finally:
            if held is not None:
                held.close()
