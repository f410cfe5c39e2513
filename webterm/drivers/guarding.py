"""Looking after something of workspaces again and again, and ending the programs of those that have too much of it."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from webterm.ids import WorkspaceId
from webterm.tasks import Tasks

T = TypeVar("T")
EASE = 20
"""At most one part in so many of the time is spent on looks that cost much."""
End = Callable[[WorkspaceId, str], Awaitable[None]]
"""Ends the programs of a workspace, and tells them why."""

_log = logging.getLogger("webterm.drivers")


class Guard(ABC, Generic[T]):
    """Has `look` called every ``interval`` seconds, in a task of its own, as long as anything is watched.

    ``ease``: seldomer where a look takes long; one part in so many of the time is spent on it then. ``clock`` is in
    seconds.
    """

    def __init__(
        self, end: End, *, interval: float, ease: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._watched: dict[WorkspaceId, T] = {}
        self._end = end
        self._interval = interval
        self._ease = ease
        self._clock = clock
        self._tasks = Tasks("what workspaces write")
        self._looking: asyncio.Task[None] | None = None

    @abstractmethod
    async def look(self) -> None:
        """See to it that nobody has too much. What this raises is logged."""

    def forget(self, workspace: WorkspaceId) -> None:
        """No longer. Harmless where it is not watched."""
        self._watched.pop(workspace, None)

    async def aclose(self) -> None:
        """Look after nothing any more. Twice is harmless."""
        self._watched.clear()
        await self._tasks.aclose()

    def _begin(self) -> None:
        """Something is watched: look, if that is not done already."""
        if self._looking is None or self._looking.done():
            self._looking = self._tasks.run(self._go_on())

    async def _end_all_in(self, workspace: WorkspaceId, reason: str) -> None:
        _log.warning("programs of workspace %s are ended: %s", workspace, reason)
        try:
            await self._end(workspace, reason)
        except Exception:
            _log.exception("they could not be ended")

    async def _go_on(self) -> None:
        pause = self._interval
        while self._watched:
            await asyncio.sleep(pause)
            begun = self._clock()
            try:
                await self.look()
            except Exception:
                _log.exception("what workspaces write could not be looked at")
            pause = max(self._interval, self._ease * (self._clock() - begun))
