"""Tasks with an owner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from webterm.errors import WebtermError

_logger = logging.getLogger(__name__)


class Tasks:
    """A set of running tasks that must not share fates: one that fails is logged and leaves the others alone."""

    def __init__(self, whose: str) -> None:
        """``whose`` names the owner in the log."""
        self._whose = whose
        self._running: set[asyncio.Task[Any]] = set()

    def run(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start ``work``. Whoever awaits the task takes its result; what nobody foresaw is logged here in any case."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    async def finish(self) -> None:
        """Wait for the ends of all that run now. Cancelling leaves them running."""
        if self._running:
            await asyncio.wait(set(self._running))

    def cancel(self) -> None:
        """Cancel all. They may run a little longer."""
        for task in self._running:
            task.cancel()

    async def aclose(self) -> None:
        """Cancel all and wait for their ends."""
        self.cancel()
        if self._running:
            await asyncio.wait(set(self._running))

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if not isinstance(error, WebtermError):
            _logger.error("%s: a task failed", self._whose, exc_info=error)
