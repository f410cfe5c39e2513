"""Looks into what runs in workspaces: what it uses, which processes there are, where they listen, and the way there."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import replace

from webterm.access import Actor, Role
from webterm.errors import NoSuchPort, Unavailable
from webterm.ids import WorkspaceId
from webterm.runtime import RuntimeProcess, RuntimeState, RuntimeStats
from webterm.work.journals import Entry
from webterm.work.ports import Ports
from webterm.work.rounds import Rounds
from webterm.work.runtimes import RuntimeChanged, Runtimes, RuntimeStatus
from webterm.work.workspaces import Workspaces

STATS_EVERY = 2.0
"""Seconds between two looks at what a workspace uses, while somebody wants to know."""


class Looks:
    """Asks the driver with which a workspace's programs run.

    What takes no actor is for those who have looked at rights. All of it raises `webterm.errors.Unavailable` where
    nobody can tell at the moment; of what is not up there is nothing to tell.
    """

    def __init__(self, workspaces: Workspaces, runtimes: Runtimes) -> None:
        self._workspaces = workspaces
        self._runtimes = runtimes
        self.ports = Ports(self.ports_of)
        """Watches listening ports."""
        self.stats = Rounds(self.stats_of, every=STATS_EVERY, whose="what runtimes use")
        """Watches what is used; None: it is not up."""
        runtimes.subscribe(self._changed)

    async def aclose(self) -> None:
        """Watch nothing more. Twice is harmless."""
        self._runtimes.unsubscribe(self._changed)
        await self.ports.aclose()
        await self.stats.aclose()

    async def status(self, actor: Actor, workspace: str) -> RuntimeStatus:
        """How a workspace's runtime stands, with its ports where somebody can tell."""
        status = await self._runtimes.status(actor, workspace)
        if status.state is not RuntimeState.READY:
            return status
        with contextlib.suppress(Unavailable):
            return replace(status, ports=tuple(sorted(await self.ports_of(WorkspaceId(workspace)))))
        return status

    async def use(self, actor: Actor, workspace: str) -> RuntimeStats:
        """What all programs of a workspace use together."""
        found = await self._workspaces.allowed(actor, workspace)
        return await self.stats_of(found.id) or RuntimeStats()

    async def listening(self, actor: Actor, workspace: str) -> list[int]:
        """The ports at which programs of a workspace listen, the lowest first."""
        found = await self._workspaces.allowed(actor, workspace)
        return sorted(await self.ports_of(found.id))

    async def processes(self, actor: Actor, workspace: str) -> tuple[RuntimeProcess, ...]:
        """The processes of a workspace. Needs `Role.WRITE`: arguments are for those who may run programs there."""
        found = await self._workspaces.allowed(actor, workspace, Role.WRITE)
        driver = await self._runtimes.driver_at(found.id)
        return () if driver is None else await driver.processes(found.id)

    async def journal(self, actor: Actor, workspace: str, lines: int) -> tuple[Entry, ...]:
        """What has become of a workspace's runtime lately, the newest last. Needs `Role.WRITE`."""
        found = await self._workspaces.allowed(actor, workspace, Role.WRITE)
        return self._runtimes.journals.of(found.id, lines)

    async def ports_of(self, workspace: WorkspaceId) -> frozenset[int]:
        """The ports at which programs of a workspace listen, and of no other."""
        driver = await self._runtimes.driver_at(workspace)
        return frozenset() if driver is None else await driver.ports(workspace)

    async def stats_of(self, workspace: WorkspaceId) -> RuntimeStats | None:
        """What programs of a workspace use; None where it is not up."""
        driver = await self._runtimes.driver_at(workspace)
        return None if driver is None else await driver.stats(workspace)

    async def dial(self, workspace: WorkspaceId, port: int) -> socket.socket:
        """See `webterm.session.Driver.dial`."""
        driver = await self._runtimes.driver_at(workspace)
        if driver is None:
            raise NoSuchPort(f"nothing of this workspace listens at port {port}: nothing runs in it")
        return await driver.dial(workspace, port)

    def _changed(self, changed: RuntimeChanged) -> None:
        if changed.state in (RuntimeState.READY, RuntimeState.ABSENT):
            self.ports.poke(changed.workspace)
            self.stats.poke(changed.workspace)
