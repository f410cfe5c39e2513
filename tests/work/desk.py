"""Workspaces with real files, on a store of the test's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from webterm.access import Actor, Role, Source
from webterm.ids import UserId
from webterm.settings import Server, Settings
from webterm.settings_accounts import Limits, Tier
from webterm.store.engine import Store
from webterm.work.files import Files
from webterm.work.uploads import Uploads
from webterm.work.watches import Watches
from webterm.work.workspaces import Workspaces

PATIENCE = 60.0
TOLD = 2
"""Finished uploads that are remembered."""


@dataclass(frozen=True)
class Desk:
    """Ann's workspace, in which Ben writes, Cal reads, and of which Dan knows nothing."""

    workspaces: Workspaces
    files: Files
    uploads: Uploads
    watches: Watches
    id: str
    top: Path

    ann: Actor
    ben: Actor
    cal: Actor
    dan: Actor

    async def delete(self) -> None:
        """Put the workspace into the trash."""
        await self.workspaces.delete(self.ann, self.id, source(self.ann))

    async def restore(self) -> None:
        """Bring it back."""
        await self.workspaces.restore(self.ann, self.id, source(self.ann))

    async def told(self, change: Awaitable[None]) -> None:
        """Change somebody's rights, and wait until everything here has heard of it."""
        heard = asyncio.Event()
        self.workspaces.subscribe(lambda ending: heard.set())
        await change
        async with asyncio.timeout(PATIENCE):
            await heard.wait()

    async def member(self, person: Actor, role: Role | None) -> None:
        """Give somebody another role here, or none."""
        if role is None:
            await self.workspaces.members.remove(self.ann, self.id, person.id, source(self.ann))
        else:
            await self.workspaces.members.set_role(self.ann, self.id, person.id, role, source(self.ann))


def actor(name: str, tier: str = "free") -> Actor:
    return Actor(id=UserId(name), name=name, tier=tier)


def source(person: Actor) -> Source:
    return Source(user=person.id, name=person.name, address="")


def settings_for(directory: Path, **fields: int) -> Settings:
    """Settings whose only tier has these numbers."""
    tier = Tier(**{"general": 0, "auth": 0, "ai": 0, "files": 0} | fields)
    return Settings(server=Server(data_dir=str(directory / "data")), limits=Limits(tiers={"free": tier}))


@asynccontextmanager
async def desk_in(
    directory: Path, *, most_watches: int = 256, look: float = 5.0, clock: Callable[[], float] = time.time, **tier: int
) -> AsyncIterator[Desk]:
    """A desk. ``tier``: the numbers of Ann's tier. Another one in the same directory goes on with its files."""
    settings = settings_for(directory, **tier)
    settings.data_dir.mkdir(mode=0o700, exist_ok=True)
    store = Store(settings.database_url)
    await store.open()
    workspaces = Workspaces(store, settings, drivers=["echo"], own_people=False)
    files = Files(workspaces)
    uploads = Uploads(files, settings.workspaces_dir, told=TOLD, clock=clock)
    watches = Watches(files, most=most_watches, look=look)
    ann, ben, cal, dan = map(actor, ("ann", "ben", "cal", "dan"))
    try:
        await workspaces.start()
        await uploads.start()
        found, _ = await workspaces.page(ann)
        seen = found[0] if found else await workspaces.create(ann, source(ann), name="Ours")
        desk = Desk(
            workspaces,
            files,
            uploads,
            watches,
            seen.workspace.id,
            workspaces.root(seen.workspace),
            ann,
            ben,
            cal,
            dan,
        )
        if not found:
            await desk.member(ben, Role.WRITE)
            await desk.member(cal, Role.READ)
        yield desk
    finally:
        await watches.aclose()
        await uploads.aclose()
        await files.aclose()
        await workspaces.aclose()
        await store.aclose()


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def gathered(chunks: AsyncIterable[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def until(condition: Callable[[], bool]) -> None:
    """Look again and again, in a thread, until it is so."""

    def look() -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end

    await asyncio.to_thread(look)
