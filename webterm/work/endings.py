"""Rights in workspaces that end or change reach every server on the database, and what is open there, within a second.

Each rule that takes such a right away writes a line into the store's workspace changes, in its own transaction. Each
server reads the new lines twice a second, and at once when it wrote one itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from webterm.access import Role
from webterm.errors import StoreUnavailable
from webterm.ids import UserId, WorkspaceId
from webterm.store import workspace_changes
from webterm.store.engine import Store
from webterm.store.workspace_changes import WorkspaceChange

log = logging.getLogger("webterm.work")

INTERVAL = 0.5
"""Seconds between two looks."""
PRUNING = 600.0
"""Seconds between two removals of old changes."""
KEPT = 86_400.0
"""Seconds for which changes are kept, for servers that cannot reach the database meanwhile."""
REMEMBERED = 10_000
"""Changes that are remembered for those who ask what has ended since they looked."""


@dataclass(frozen=True, slots=True)
class WorkspaceGone:
    """A workspace is in the trash, or removed: whatever is open in it ends."""

    workspace: WorkspaceId


@dataclass(frozen=True, slots=True)
class MemberGone:
    """Somebody may not be in a workspace any more: whatever this person has open in it ends."""

    workspace: WorkspaceId
    user: UserId


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """A member has another role now, a higher or a lower one: what it is not good for ends."""

    workspace: WorkspaceId
    user: UserId
    role: Role


Ending = WorkspaceGone | MemberGone | MemberChanged
OnEnding = Callable[[Ending], None]
"""Called in the loop. It may not wait; what it raises is logged and keeps nobody else from being told."""


class Endings:
    """Tells subscribers of every change once, in order, from `start` on."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time, interval: float = INTERVAL) -> None:
        self._store = store
        self._clock = clock
        self._interval = interval
        self._subscribers: list[OnEnding] = []
        self._told: deque[tuple[int, Ending]] = deque(maxlen=REMEMBERED)
        self._count = 0
        self._number = 0
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def subscribe(self, callback: OnEnding) -> None:
        """Have ``callback`` called with every change from now on."""
        self._subscribers.append(callback)

    def mark(self) -> int:
        """Where the changes stand now, for `ended`. To be taken before the right is looked up."""
        return self._count

    def ended(self, mark: int, workspace: WorkspaceId, user: UserId, role: Role) -> bool:
        """Whether it has been told since ``mark`` that this person has no longer this role there.

        Does not wait. Who opens something asks this when it is open and can be found by subscribers: then nothing is
        left open, whether the change comes before or after. With a mark that is too old the answer is yes.
        """
        if self._told and self._told[0][0] > mark + 1:
            return True
        return any(number > mark and _concerns(ending, workspace, user, role) for number, ending in self._told)

    def poke(self) -> None:
        """Look at once: a change has just been committed. Harmless where nothing was started."""
        self._wake.set()

    async def start(self) -> None:
        """Begin with the changes that come from now on. Raises `webterm.errors.StoreUnavailable`."""
        async with self._store.reading() as conn:
            self._number = await workspace_changes.latest(conn)
        # Two tasks, because pruning writes, and writers may have to wait for each other.
        for step, pause in ((self._look, self._until_poked), (self._prune, self._rest)):
            self._tasks.append(asyncio.create_task(self._repeat(step, pause), name="endings"))

    async def aclose(self) -> None:
        """Stop looking. Twice is harmless."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _repeat(self, step: Callable[[], Awaitable[None]], pause: Callable[[], Awaitable[None]]) -> None:
        reachable = True
        while True:
            try:
                await step()
                reachable = True
            except StoreUnavailable as error:
                if reachable:
                    log.warning("changes of workspaces are not seen until the database answers: %s", error)
                reachable = False
            except Exception:
                log.exception("looking for changes of workspaces failed")
            await pause()

    async def _until_poked(self) -> None:
        # Not wait_for: on Python 3.11 it loses a cancellation that comes together with the poke.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._interval):
                await self._wake.wait()
        self._wake.clear()  # before looking: a poke while we look makes us look again

    async def _rest(self) -> None:
        await asyncio.sleep(PRUNING)

    async def _look(self) -> None:
        async with self._store.reading() as conn:
            found = await workspace_changes.since(conn, self._number)
        for change in found:
            self._number = change.number
            self._tell(_ending(change))

    def _tell(self, ending: Ending) -> None:
        self._count += 1
        self._told.append((self._count, ending))
        for callback in self._subscribers:
            try:
                callback(ending)
            except Exception:
                log.exception("a change of a workspace did not arrive everywhere")

    async def _prune(self) -> None:
        async with self._store.writing() as conn:
            await workspace_changes.prune(conn, self._clock() - KEPT)


def _ending(change: WorkspaceChange) -> Ending:
    if change.user is None:
        return WorkspaceGone(change.workspace)
    if change.role is None:
        return MemberGone(change.workspace, change.user)
    return MemberChanged(change.workspace, change.user, change.role)


def _concerns(ending: Ending, workspace: WorkspaceId, user: UserId, role: Role) -> bool:
    if ending.workspace != workspace:
        return False
    match ending:
        case WorkspaceGone():
            return True
        case MemberGone():
            return ending.user == user
        case MemberChanged():
            return ending.user == user and ending.role < role
