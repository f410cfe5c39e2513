"""Workspaces with everything that runs in them, on a driver that a test holds in its hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from tests.work.bench import Bench, actor, serving
from webterm.access import Actor
from webterm.drivers.echo import EchoDriver
from webterm.hub.hub import Hub, HubLimits
from webterm.hub.terminal import Terminal
from webterm.ids import WorkspaceId
from webterm.runtime import Progress, Runtime, RuntimeState
from webterm.session import Launch, Session, Size
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

    async def is_up(self, workspace: WorkspaceId) -> bool:
        return workspace in self.up


class Stage:
    """Workspaces with everything that runs in them. The driver called local is a `Machine`."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.machine = Machine()
        self.drivers = {"local": self.machine, "echo": EchoDriver()}
        self.hub = Hub(self.drivers, default_driver="local", limits=LIMITS)
        self.runtimes = Runtimes(
            bench.workspaces, self.hub, self.drivers, bench.settings, Choosing(self.drivers, "local")
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
    directory: Path, isolation: Literal["sandbox", "refuse", "none"] = "sandbox", sandbox: Sandbox | None = None
) -> AsyncIterator[Stage]:
    async with serving(directory, local=Local(isolation=isolation), sandbox=sandbox or Sandbox()) as bench:
        stage = Stage(bench)
        await stage.hub.start()
        await stage.runtimes.start_up()
        try:
            yield stage
        finally:
            stage.machine.free.set()
            await stage.runtimes.aclose()
            await stage.hub.aclose(end=True)
