"""Workspaces of a server of the test's own, and people who use them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from webterm.access import LOCAL, Actor, Source
from webterm.ids import UserId
from webterm.settings import Server, Settings
from webterm.settings_accounts import Limits, Tier
from webterm.store import audit
from webterm.store.engine import Store
from webterm.store.workspaces import Workspace
from webterm.work.workspaces import Ending, Environment, Workspaces

NOW = 1_800_000_000.0
DAY = 86_400.0
TIERS = Limits(
    tiers={
        "free": Tier(general=60, auth=10, ai=10, workspaces=3, bytes=1000, entries=10, terminals=2),
        "enterprise": Tier(general=0, auth=0, ai=0, workspaces=0, bytes=0, entries=0, terminals=0),
    }
)


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def actor(name: str, *, owner: bool = False, tier: str = "free") -> Actor:
    """Somebody of a host application; ``id-NAME``."""
    return Actor(id=UserId(f"id-{name}"), name=name, owner=owner, tier=tier)


ANN, BEN, EVE = actor("ann"), actor("ben"), actor("eve")


def by(who: Actor) -> Source:
    """Who causes something, on this machine."""
    return Source(user=who.id, name=who.name, address=LOCAL)


@dataclass
class Told:
    """Takes what subscribers are told, and waits for it."""

    items: list[Ending] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, ending: Ending) -> None:
        self.items.append(ending)
        self._more.set()

    async def until(self, ending: Ending, within: float = 30.0) -> None:
        """Wait until this was told."""
        async with asyncio.timeout(within):
            while ending not in self.items:
                self._more.clear()
                await self._more.wait()


@dataclass
class Bench:
    """One server's workspaces."""

    store: Store
    settings: Settings
    clock: Clock
    workspaces: Workspaces

    async def make(
        self, who: Actor = ANN, name: str = "Work", template: str = "", environment: Environment | None = None
    ) -> Workspace:
        """A new workspace."""
        made = await self.workspaces.create(who, by(who), name=name, template=template, environment=environment)
        return made.workspace

    async def write(self, workspace: Workspace, name: str = "file", text: str = "x") -> Path:
        """A file in a workspace, as a program there would write it."""
        path = self.workspaces.root(workspace) / name
        await asyncio.to_thread(path.write_text, text)
        return path

    async def names(self, who: Actor = ANN, *, trash: bool = False) -> list[str]:
        """Names of somebody's workspaces."""
        seen, _ = await self.workspaces.page(who, trash=trash)
        return [each.workspace.name for each in seen]

    async def actions(self) -> list[str]:
        """What the audit log holds, the oldest first."""
        async with self.store.reading() as conn:
            entries = await audit.page(conn, limit=99)
        return [entry.action for entry in reversed(entries)]

    def entries(self, place: str = "") -> list[str]:
        """What lies in the directory of workspaces, or in one beneath it. Blocks."""
        directory = self.settings.workspaces_dir / place
        return sorted(path.name for path in directory.iterdir() if place or not path.name.startswith("."))


def settings_for(directory: Path, **sections: msgspec.Struct) -> Settings:
    """Settings with small tiers."""
    fields = {"limits": TIERS, **sections}
    return Settings(server=Server(data_dir=str(directory)), **fields)  # type: ignore[arg-type] # fields of every type


@asynccontextmanager
async def serving(
    directory: Path,
    *,
    clock: Clock | None = None,
    own_people: bool = False,
    drivers: Sequence[str] = ("local", "echo"),
    started: bool = True,
    **sections: msgspec.Struct,
) -> AsyncIterator[Bench]:
    """A server on the database and the workspaces in ``directory``."""
    settings, clock = settings_for(directory, **sections), clock or Clock()
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
        store = Store(settings.database_url)
        stack.push_async_callback(store.aclose)
        await store.open()
        workspaces = Workspaces(store, settings, drivers=drivers, own_people=own_people, clock=clock)
        stack.push_async_callback(workspaces.aclose)
        if started:
            await workspaces.start()
        yield Bench(store, settings, clock, workspaces)
