"""Workspaces with everything that runs in them, on a driver that a test holds in its hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import msgspec

from tests.work.bench import Bench, Clock, actor, serving
from webterm.access import Actor
from webterm.drivers.echo import EchoDriver
from webterm.hub.hub import Hub, HubLimits
from webterm.hub.terminal import Terminal
from webterm.ids import WorkspaceId
from webterm.runtime import DriverHealth, Progress, Runtime, RuntimeState, RuntimeStats
from webterm.session import Driver, Launch, Session, Size
from webterm.settings import Local
from webterm.settings_workspaces import Sandbox
from webterm.terminals.rules import Order, TerminalRules
from webterm.work.choosing import Choosing
from webterm.work.runtimes import RuntimeChanged, Runtimes
from webterm.work.workspaces import Workspace

ROOT = actor("root", owner=True)
LIMITS = HubLimits(per_actor=9, total=99, log_bytes=65536, resume_grace=0.5, idle_timeout=0.0, keep_exited=3600.0)
SIZE = Size(80, 24)


class Machine(EchoDriver):
    """Keeps runtimes as a driver of containers would: each comes up when `free` lets it, or fails as `fault` says."""

    def __init__(self) -> None:
        super().__init__()
        self.up: set[WorkspaceId] = set()
        self.begun: list[Runtime] = []
        self.launched: list[Launch] = []
        self.sessions: list[Session] = []
        self.fault: Exception | None = None
        self.free = asyncio.Event()
        self.free.set()
        self.opening = asyncio.Event()
        self.opening.set()
        self.waiting = asyncio.Event()
        self.works = DriverHealth(works=True, version="1.0")
        self.answers = asyncio.Event()
        self.answers.set()
        self.idle = False
        self.uses: dict[WorkspaceId, RuntimeStats] = {}
        self.listening: set[int] = set()
        self.wanted: frozenset[WorkspaceId] = frozenset()
        self._stopped = asyncio.Event()

    async def has_only(self, workspace: WorkspaceId) -> None:
        """Wait until everything but this has been stopped."""
        async with asyncio.timeout(30):
            while self.up != {workspace}:
                self._stopped.clear()
                await self._stopped.wait()

    async def health(self) -> DriverHealth:
        await self.answers.wait()
        return self.works

    async def is_idle(self, workspace: WorkspaceId) -> bool:
        return self.idle

    async def stats(self, workspace: WorkspaceId) -> RuntimeStats:
        await self.answers.wait()
        return self.uses.get(workspace, RuntimeStats())

    async def ports(self, workspace: WorkspaceId) -> frozenset[int]:
        return frozenset(self.listening if workspace in self.up else ())

    async def collect(self, wanted: frozenset[WorkspaceId]) -> list[str]:
        self.wanted = wanted
        gone = self.up - wanted
        self.up -= gone
        return [f"removed {workspace}" for workspace in gone]

    async def open(self, launch: Launch, size: Size) -> Session:
        self.launched.append(launch)
        self.waiting.set()
        await self.opening.wait()
        self.sessions.append(await super().open(launch, size))
        return self.sessions[-1]

    async def start(self, runtime: Runtime, progress: Progress) -> None:
        self.begun.append(runtime)
        progress("pulling")
        await self.free.wait()
        if self.fault is not None:
            raise self.fault
        self.up.add(runtime.workspace)

    async def stop(self, workspace: WorkspaceId) -> None:
        await self.free.wait()
        self.up.discard(workspace)
        self._stopped.set()

    async def is_up(self, workspace: WorkspaceId) -> bool:
        return workspace in self.up


class Stage:
    """Workspaces with everything that runs in them. The drivers called local and docker are `Machine`s.

    There is no docker where programs run on this machine, as ``usual`` says otherwise.
    """

    def __init__(self, bench: Bench, usual: str = "local") -> None:
        self.bench = bench
        self.machine = Machine()
        self.engine = Machine()
        self.clock = Clock()
        self.drivers: dict[str, Driver] = {"local": self.machine, "echo": EchoDriver()}
        if usual != "local":
            self.drivers["docker"] = self.engine
        self.hub = Hub(self.drivers, default_driver="local", limits=LIMITS)
        self.runtimes = Runtimes(
            bench.workspaces,
            self.hub,
            self.drivers,
            bench.settings,
            Choosing(self.drivers, usual, clock=self.clock),
            clock=self.clock,
        )
        self.rules = TerminalRules(self.hub, self.runtimes.place)
        self.told: list[RuntimeChanged] = []
        self._more = asyncio.Event()
        self.runtimes.subscribe(self._hear)

    def _hear(self, changed: RuntimeChanged) -> None:
        self.told.append(changed)
        self._more.set()

    async def until(self, state: RuntimeState) -> None:
        """Wait until a runtime has come to this state."""
        async with asyncio.timeout(30):
            while not self.told or self.told[-1].state is not state:
                self._more.clear()
                await self._more.wait()

    async def until_told(self, number: int) -> None:
        """Wait until so much was told since the last time."""
        async with asyncio.timeout(30):
            while len(self.told) < number:
                self._more.clear()
                await self._more.wait()

    async def idle_look(self, *, after: float = 0.0) -> None:
        """Have the idle rule applied, so many seconds later."""
        self.clock.now += after
        await self.runtimes.idle.look()

    def states(self) -> list[str]:
        """What was told since the last time, without workspaces."""
        told = [f"{each.state}: {each.message}".removesuffix(": ") for each in self.told]
        self.told.clear()
        return told

    async def open(self, who: Actor, workspace: Workspace | None = None, driver: str | None = None) -> Terminal:
        order = Order(size=SIZE, workspace=workspace.id if workspace else None, driver=driver)
        return await self.rules.open(who, order)


async def ended(session: Session) -> None:
    """Wait until a program has been ended."""
    async with asyncio.timeout(30):
        await session.wait()


@asynccontextmanager
async def staged(
    directory: Path,
    isolation: Literal["sandbox", "refuse", "none"] = "sandbox",
    sandbox: Sandbox | None = None,
    *,
    usual: str = "local",
    **sections: msgspec.Struct,
) -> AsyncIterator[Stage]:
    sections["local"], sections["sandbox"] = Local(isolation=isolation), sandbox or Sandbox()
    drivers = ("local", "docker", "echo")
    async with serving(directory, clock=None, own_people=False, drivers=drivers, started=True, **sections) as bench:
        stage = Stage(bench, usual)
        await stage.hub.start()
        await stage.runtimes.start_up()
        try:
            yield stage
        finally:
            stage.machine.free.set()
            stage.engine.free.set()
            stage.engine.answers.set()
            await stage.runtimes.aclose()
            await stage.hub.aclose(end=True)
