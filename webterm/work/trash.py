"""What has to happen to directories of workspaces because the database says so: moving, purging, clearing up.

The database decides where a workspace belongs, and `Trash.settle` puts it there. A server that is killed between the
two leaves it at another place, and the next one puts it right. Nothing is removed that the database does not know as
purged: after a database was restored from a backup, files of newer workspaces stay where they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection

from webterm.access import ITSELF
from webterm.errors import StoreUnavailable, WebtermError
from webterm.ids import WorkspaceId
from webterm.store import audit, workspaces
from webterm.store.engine import Store
from webterm.store.workspaces import Workspace
from webterm.work.directories import Directories, Spot
from webterm.work.endings import Ending, WorkspaceGone

PURGED = 0.0
"""As the time of deletion: what cannot be brought back, however long the trash keeps things."""
DAY = 86_400.0
INTERVAL = 60.0
"""Seconds between two rounds."""
ABANDONED = 3600.0
"""Seconds of ours after which a directory that is being made, and that has no row, was left by a killed server."""
_BATCH = 500

log = logging.getLogger("webterm.work")


class Trash:
    """Puts directories where they belong, and empties the trash. ``days``: how long it keeps things."""

    def __init__(
        self,
        store: Store,
        directories: Directories,
        *,
        days: float,
        clock: Callable[[], float] = time.time,
        interval: float = INTERVAL,
    ) -> None:
        self._store = store
        self._directories = directories
        self._seconds = days * DAY
        self._clock = clock
        self._interval = interval
        self._moving = asyncio.Lock()
        self.left: set[WorkspaceId] = set()
        """Which were deleted while no server ran, found by `start`: what runs there has to end."""
        self._waiting: set[WorkspaceId] = set()
        self._unknown: dict[WorkspaceId, float] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def oldest(self) -> float:
        """What was deleted at this time or before is not in the trash any more."""
        return max(self._clock() - self._seconds, PURGED)

    def on_ending(self, ending: Ending) -> None:
        """A workspace was deleted, perhaps by another server or a command: its directory is moved soon."""
        if isinstance(ending, WorkspaceGone):
            self._waiting.add(ending.workspace)
            self._wake.set()

    async def start(self) -> None:
        """Put right what was left half done, and go on doing so. Raises `webterm.errors.StoreUnavailable`."""
        await self._tidy(Spot.NEW, Spot.TRASH, Spot.LIVE)
        await self._look_for_missing()
        self._task = asyncio.create_task(self._run(), name="trash")

    async def aclose(self) -> None:
        """Stop. What is being removed goes on when a server starts again. Twice is harmless."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def settle(self, id: WorkspaceId) -> None:  # noqa: A002 - as the column is called
        """Put a workspace's directory where the database says; a purged one goes, with its row.

        Raises `webterm.errors.StoreUnavailable` and `webterm.errors.Unavailable`; then it is tried again later.
        """
        async with self._moving:
            async with self._store.reading() as conn:
                found = await workspaces.by_id(conn, id)
            if found is None:
                return
            if found.deleted is None:
                await self._move(id, Spot.LIVE)
            elif found.deleted > self.oldest():
                await self._move(id, Spot.TRASH)
            else:
                await self._purge(id)

    async def settle_new(self, id: WorkspaceId) -> None:  # noqa: A002
        """Put a workspace that was being made where it belongs; it goes when it is not in the database.

        What fails here is tried again later.
        """
        try:
            await self.settle(id)
            async with self._store.reading() as conn:
                kept = await workspaces.by_id(conn, id) is not None
            if not kept:
                await self._move(id, Spot.GONE)
                self._wake.set()
        except WebtermError as error:
            self._waiting.add(id)
            log.error("the directory of the workspace %s could not be put in its place: %s", id, error)

    async def _move(self, id: WorkspaceId, spot: Spot) -> None:  # noqa: A002
        if (
            self._task is None
            and spot is not Spot.LIVE
            and not await asyncio.to_thread(self._directories.missing, [id])
        ):
            self.left.add(id)
        await asyncio.to_thread(self._directories.move, id, spot)

    async def _purge(self, id: WorkspaceId) -> None:  # noqa: A002
        async with self._store.writing() as conn:  # from here on nobody brings it back
            found = await workspaces.by_id(conn, id)
            if found is None or found.deleted is None or found.deleted > self.oldest():
                return
            if found.deleted != PURGED:
                await workspaces.change(conn, id, deleted=PURGED)
                await audit.append(conn, ITSELF, "workspace.purge", id, now=self._clock(), detail=found.name)
        await self._move(id, Spot.GONE)
        async with self._store.writing() as conn:
            await workspaces.remove(conn, id)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self.tend()
            # Not wait_for: on Python 3.11 it loses a cancellation that comes together with the poke.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._wake.wait()
            self._wake.clear()

    async def tend(self) -> None:
        """One round: settle what waits and what is due, and remove what is purged. What fails is logged."""
        try:
            waiting, self._waiting = self._waiting, set()
            async with self._store.reading() as conn:
                due = [found.id for found in await workspaces.trashed(conn, self.oldest())]
            await self._settle_all({*waiting, *due})
            await self._tidy(Spot.NEW, Spot.TRASH)
            for failed in await asyncio.to_thread(self._directories.sweep):
                log.error("files of a purged workspace cannot be removed: %s", failed)
        except StoreUnavailable as error:
            log.warning("the trash waits for the database: %s", error)
        except Exception:
            log.exception("clearing up after workspaces failed")

    async def _settle_all(self, ids: Collection[WorkspaceId]) -> None:
        for id in ids:  # noqa: A001
            try:
                await self.settle(id)
            except StoreUnavailable:
                self._waiting.update(ids)
                raise
            except WebtermError as error:
                log.error("the workspace %s is not where it belongs: %s", id, error)
                self._waiting.add(id)

    async def _tidy(self, *spots: Spot) -> None:
        """Settle what lies at other places than the database says."""
        for spot in spots:
            ids = await asyncio.to_thread(self._directories.found, spot)
            for start in range(0, len(ids), _BATCH):
                await self._tidy_some(spot, ids[start : start + _BATCH])

    async def _tidy_some(self, spot: Spot, ids: list[WorkspaceId]) -> None:
        async with self._store.reading() as conn:
            known = await workspaces.among(conn, ids)
        await self._settle_all([each for each, found in known.items() if self._belongs(found) is not spot])
        unknown = [each for each in ids if each not in known]
        if spot is Spot.NEW:
            await self._give_up(unknown)
        elif unknown and self._task is None:  # once, when the server starts
            log.warning("%d directories belong to no workspace, %s among them; they stay", len(unknown), unknown[0])

    def _belongs(self, found: Workspace) -> Spot:
        if found.deleted is None:
            return Spot.LIVE
        return Spot.TRASH if found.deleted > self.oldest() else Spot.GONE

    async def _give_up(self, ids: list[WorkspaceId]) -> None:
        """What was never finished, by a server that was killed."""
        now = self._clock()
        self._unknown = {each: self._unknown.get(each, now) for each in ids}
        for id, since in self._unknown.items():  # noqa: A001
            if now - since >= ABANDONED:
                await self._move(id, Spot.GONE)

    async def _look_for_missing(self) -> None:
        number, missing = 0, []
        while True:
            async with self._store.reading() as conn:
                found = await workspaces.ids_after(conn, number, _BATCH)
            if not found:
                break
            number = found[-1][0]
            missing += await asyncio.to_thread(self._directories.missing, [each for _, each in found])
        if missing:
            log.error("%d workspaces have no directory, %s among them", len(missing), missing[0])
