"""What the programs of this machine's runtimes do: what they use, where they listen, and a way to them.

A sandbox has a /proc of its own, which shows its processes and no other. Programs that are not confined carry the
workspace in their environment. A sandbox with a network of its own may have any port; where the network is the
machine's, a port belongs to a runtime only if one of its processes holds the listening socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from webterm.drivers import running_processes
from webterm.drivers.cancelling import opened
from webterm.drivers.environment import COOKIE
from webterm.drivers.inner_sockets import InnerSockets
from webterm.drivers.local_runtimes import LocalRuntimes
from webterm.drivers.local_tokens import holder_token, is_confined, unconfined_beginning, workspace_of
from webterm.drivers.places import Held, Place, Usage
from webterm.drivers.sampling import Sampling
from webterm.drivers.sandbox_entry import Passage, way_in
from webterm.drivers.sandbox_layout import USER
from webterm.errors import NoSuchPort, Unavailable
from webterm.ids import WorkspaceId
from webterm.keeper.client import KeeperClient, KeeperError
from webterm.runtime import RuntimeLimits, RuntimeProcess, RuntimeStats

_ROOT = "/proc"


class LocalLooking:
    """Looks at the runtimes of one driver.

    ``connect`` gives the keeper; ``underway`` the tokens of what the driver has started and the keeper does not list.
    Its methods raise what those of `webterm.session.Driver` do.
    """

    def __init__(
        self,
        runtimes: LocalRuntimes,
        connect: Callable[[], Awaitable[KeeperClient]],
        underway: Callable[[], Iterable[str]],
    ) -> None:
        self._runtimes = runtimes
        self._connect = connect
        self._underway = underway
        self._sockets = InnerSockets()
        self._sampling: Sampling[list[Usage]] = Sampling()
        self._unconfined: set[WorkspaceId] = set()

    async def stats(self, workspace: WorkspaceId) -> RuntimeStats:
        """See `webterm.session.Driver.stats`. The first answer after a while takes a moment."""
        async with self._places(workspace) as places:
            if not places:
                self._sampling.forget(workspace)
                return RuntimeStats()

            async def look() -> list[Usage]:
                return await asyncio.to_thread(lambda: [place.usage() for place in places])

            usages, cpu = await self._sampling.rate(
                workspace, look, lambda found: sum(usage.cpu for usage in found), [place.proc for place in places]
            )
            return _stats(usages, cpu, places)

    async def processes(self, workspace: WorkspaceId) -> tuple[RuntimeProcess, ...]:
        """See `webterm.session.Driver.processes`. Those that are not confined have this machine's numbers."""
        async with self._places(workspace) as places:
            return await asyncio.to_thread(_processes, places)

    async def ports(self, workspace: WorkspaceId) -> frozenset[int]:
        """See `webterm.session.Driver.ports`."""
        async with self._places(workspace) as places:
            found = await asyncio.to_thread(lambda: [place.ports() for place in places])
            return frozenset().union(*found)

    async def dial(self, workspace: WorkspaceId, port: int) -> socket.socket:
        """See `webterm.session.Driver.dial`."""
        async with self._places(workspace) as places:
            for place in places:
                sock = await place.dial(port, self._sockets)
                if sock is not None:
                    return sock
        raise NoSuchPort(f"nothing of this workspace listens at port {port}")

    async def is_idle(self, workspace: WorkspaceId) -> bool:
        """See `webterm.session.Driver.is_idle`."""
        async with self._places(workspace) as places:
            return await asyncio.to_thread(lambda: all(place.is_idle() for place in places))

    async def aclose(self) -> None:
        """Let go of everything. Twice is harmless."""
        await self._sockets.aclose()

    @asynccontextmanager
    async def _places(self, workspace: WorkspaceId) -> AsyncIterator[list[Place]]:
        """Where programs of a workspace are now: the owner's own first."""
        keeper = await self._connect()
        try:
            tokens = [*await keeper.tokens(), *self._underway()]
            placed = [token for token in tokens if workspace_of(token) == workspace]
            if any(not is_confined(token) for token in placed):
                self._unconfined.add(workspace)  # from now on: what a terminal left behind may listen, too
            with contextlib.ExitStack() as stack:
                places = [_unconfined(workspace)] if workspace in self._unconfined else []
                if holder_token(workspace) in tokens:
                    held = await self._sandbox(workspace, keeper)
                    if held is not None:
                        stack.callback(held.close)
                        places.append(held.place)
                yield places
        except KeeperError as error:
            raise Unavailable(str(error)) from error

    async def _sandbox(self, workspace: WorkspaceId, keeper: KeeperClient) -> Held | None:
        """A sandbox that is up, which the caller closes."""
        known = self._runtimes.holder(workspace)
        try:
            if known is not None:
                passage = known.sandbox.passage.copied()
                first, groups, limits = known.sandbox.pid, known.groups.directories, known.sandbox.plan.runtime.limits
                return await opened(lambda: _hold(first, passage, groups, limits), Held.close)
            # From before this server started, and nothing has been started in it since.
            taken = await keeper.take(holder_token(workspace))
            for fd in (taken.master, taken.memory):
                if fd is not None:
                    os.close(fd)
            return await opened(lambda: _hold(*way_in(taken.pid), (), RuntimeLimits()), Held.close)
        except (OSError, Unavailable, KeeperError):
            return None  # it is just ending


def _hold(first: int, passage: Passage, groups: tuple[Path, ...], limits: RuntimeLimits) -> Held:
    """Where the programs of a sandbox are, whose passage is closed with it. Raises OSError. Blocks."""
    descriptors = list(passage.descriptors.values())
    try:
        descriptors.append(os.open(f"{_ROOT}/{first}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        held = f"{_ROOT}/self/fd/{descriptors[-1]}"
        if not os.path.samestat(os.stat(f"{held}/ns/pid"), os.fstat(passage.descriptors["pid"])):  # noqa: PTH116
            raise ProcessLookupError(first, "the sandbox has ended, and its number is another's")
    except OSError:
        for fd in descriptors:
            os.close(fd)
        raise
    place = Place(
        proc=f"{held}/root/proc", net=f"{held}/net", namespaces=passage.network(), groups=groups, limits=limits
    )
    return Held(place, tuple(descriptors))


def _unconfined(workspace: WorkspaceId) -> Place:
    mark = f"{COOKIE}={unconfined_beginning(workspace)}"
    return Place(proc=_ROOT, net=f"{_ROOT}/self/net", mark=mark.encode())


def _processes(places: list[Place]) -> tuple[RuntimeProcess, ...]:
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    found: list[RuntimeProcess] = []
    for place in places:
        seen = place.processes()
        # In a sandbox its user has a name of its own.
        users = {one.user: running_processes.user_name(one.user) if place.mark else USER for one in seen}
        found += [one.shown(users, boot) for one in seen]
    return tuple(sorted(found, key=lambda process: process.pid))


def _stats(usages: list[Usage], cpu: float | None, places: list[Place]) -> RuntimeStats:
    """The limits hold for the sandbox; what is not confined has none, and then nothing is said of them."""
    limits = places[0].limits if len(places) == 1 else RuntimeLimits()
    traffic = [(usage.received, usage.sent) for usage in usages]
    received, sent = traffic[0] if len(traffic) == 1 else (None, None)
    return RuntimeStats(
        cpu=None if cpu is None else round(cpu, 3),
        cpu_limit=limits.cpu,
        memory=sum(usage.memory for usage in usages),
        memory_limit=limits.memory,
        processes=sum(usage.processes for usage in usages),
        processes_limit=limits.processes,
        received=received,
        sent=sent,
    )
