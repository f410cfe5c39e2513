"""Containers that nobody uses: how long they have been so, and when they stop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable

from webterm.errors import WebtermError
from webterm.ids import WorkspaceId
from webterm.tasks import Tasks

LONGEST_WARNING = 600.0
"""Seconds before its stop at which people are told, or half of the time, where that is less."""
MOST_BETWEEN = 30.0
"""Seconds between two looks."""

InUse = Callable[[WorkspaceId], bool]
"""Whether somebody uses a workspace's runtime, as far as we know without asking its driver. Does not wait."""

log = logging.getLogger("webterm.work")


class Idle:
    """Looks from time to time at what is ``up``, and has ``stop`` called for what was of no use for ``after`` seconds.

    Of no use: `touch` was not called, nothing that `subscribe` was given says that it is in use, and ``is_idle`` says
    that nothing runs in it. ``tell`` is called with the seconds that are left when the end comes near, and with None
    when it does not any more. ``after`` 0 is never.
    """

    def __init__(
        self,
        after: float,
        *,
        up: Callable[[], Iterable[WorkspaceId]],
        is_idle: Callable[[WorkspaceId], Awaitable[bool]],
        tell: Callable[[WorkspaceId, float | None], None],
        stop: Callable[[WorkspaceId], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._after = after
        self._warning = min(LONGEST_WARNING, after / 2)
        self._up = up
        self._is_idle = is_idle
        self._tell = tell
        self._stop = stop
        self._clock = clock
        self._users: list[InUse] = []
        self._used: dict[WorkspaceId, float] = {}
        self._warned: set[WorkspaceId] = set()
        self._tasks = Tasks("idle rule")

    def subscribe(self, in_use: InUse) -> None:
        """Have ``in_use`` asked, too."""
        self._users.append(in_use)

    def start(self) -> None:
        """Begin to look, unless nothing ever stops."""
        if self._after:
            self._tasks.run(self._look_for_ever())

    async def aclose(self) -> None:
        """Look no more. Twice is harmless."""
        await self._tasks.aclose()

    def touch(self, workspace: WorkspaceId) -> None:
        """Somebody uses it, or wants to keep it: the time begins anew."""
        self._used[workspace] = self._clock()
        if workspace in self._warned:
            self._warned.discard(workspace)
            self._tell(workspace, None)

    def stops_in(self, workspace: WorkspaceId) -> float | None:
        """In how many seconds it stops, once people have been told that it does; None: nobody has."""
        return self._left(workspace) if workspace in self._warned else None

    async def look(self) -> None:
        """Look at everything once."""
        up = set(self._up())
        for gone in self._used.keys() - up:
            self._forget(gone)
        for workspace in up:
            self._used.setdefault(workspace, self._clock())
            try:
                await self._look_at(workspace)
            except Exception:  # others are looked at all the same
                log.exception("workspace %s: the idle rule could not be applied", workspace)

    async def _look_at(self, workspace: WorkspaceId) -> None:
        if self._in_use(workspace):
            self.touch(workspace)
            return
        try:
            idle = await self._is_idle(workspace)
        except WebtermError as error:
            log.debug("workspace %s: nobody knows whether anything runs there: %s", workspace, error)
            return
        if workspace not in self._used:
            return  # it has ended meanwhile
        if not idle or self._in_use(workspace):
            self.touch(workspace)
            return
        left = self._left(workspace)
        if left <= self._warning and workspace not in self._warned:
            self._warned.add(workspace)  # nothing stops that nobody was told of
            self._tell(workspace, left)
        elif left <= 0:
            self._forget(workspace)
            await self._stop(workspace)

    def _in_use(self, workspace: WorkspaceId) -> bool:
        return any(in_use(workspace) for in_use in self._users)

    def _left(self, workspace: WorkspaceId) -> float:
        return max(0.0, self._used[workspace] + self._after - self._clock())

    def _forget(self, workspace: WorkspaceId) -> None:
        self._used.pop(workspace, None)
        self._warned.discard(workspace)

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(min(MOST_BETWEEN, max(self._after / 10, 1.0)))
            try:
                await self.look()
            except Exception:
                log.exception("the idle rule could not be applied")
