"""Looking again and again at something of workspaces, as long as somebody wants to know."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from webterm.errors import WebtermError
from webterm.ids import WorkspaceId
from webterm.tasks import Tasks

T = TypeVar("T")
EASE = 20.0
"""At most one part in so many of the time is spent with looking, ..."""
LONGEST = 5.0
"""... but the next look comes after so many seconds: on a busy machine a look takes long that costs little."""

log = logging.getLogger("webterm.work")


class Rounds(Generic[T]):
    """Has ``look`` called every ``every`` seconds for each workspace that is watched; seldomer where it takes long."""

    def __init__(self, look: Callable[[WorkspaceId], Awaitable[T]], *, every: float, whose: str) -> None:
        """``whose`` names this in the log."""
        self._look = look
        self._every = every
        self._watching: dict[WorkspaceId, list[Callable[[T], None]]] = {}
        self._loops: dict[WorkspaceId, asyncio.Task[None]] = {}
        self._at_once: dict[WorkspaceId, asyncio.Event] = {}
        self._tasks = Tasks(whose)

    def watch(self, workspace: WorkspaceId, tell: Callable[[T], None]) -> Callable[[], None]:
        """Have ``tell`` called with what is seen, for the first time at once; what is returned ends that.

        ``tell`` may not wait, and does not fail. What cannot be looked at is not told.
        """
        self._watching.setdefault(workspace, []).append(tell)
        if workspace not in self._loops:
            self._at_once[workspace] = asyncio.Event()
            self._loops[workspace] = self._tasks.run(self._go_round(workspace))
        self.poke(workspace)
        return lambda: self._leave(workspace, tell)

    def poke(self, workspace: WorkspaceId) -> None:
        """Something has happened: look at once, if anybody wants to know."""
        if workspace in self._at_once:
            self._at_once[workspace].set()

    async def aclose(self) -> None:
        """Look no more. Twice is harmless."""
        await self._tasks.aclose()
        self._watching.clear()

    def _leave(self, workspace: WorkspaceId, tell: Callable[[T], None]) -> None:
        watching = self._watching.get(workspace, [])
        if tell in watching:
            watching.remove(tell)
        if not watching and workspace in self._loops:
            del self._watching[workspace], self._at_once[workspace]
            self._loops.pop(workspace).cancel()

    async def _go_round(self, workspace: WorkspaceId) -> None:
        loop, at_once = asyncio.get_running_loop(), self._at_once[workspace]
        while True:
            at_once.clear()
            began = loop.time()
            try:
                seen = await self._look(workspace)
            except WebtermError:  # nobody can tell at the moment
                pass
            except Exception:
                log.exception("workspace %s cannot be looked at", workspace)
            else:
                for tell in list(self._watching.get(workspace, ())):
                    tell(seen)
            pause = max(self._every, min(EASE * (loop.time() - began), LONGEST))
            try:
                async with asyncio.timeout(pause):
                    await at_once.wait()
            except TimeoutError:
                continue
