"""How programs in containers have ended: asked of the engine when there is a reason to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from webterm.drivers.docker.stream import exec_status, runs
from webterm.errors import Unavailable
from webterm.tasks import Tasks

if TYPE_CHECKING:
    from webterm.drivers.docker.engine import Engine

_PATIENCE = 10.0


class Learning:
    """Looks at one program, an exec of the engine. ``learn`` is run, by one look at a time, once it has ended."""

    def __init__(self, engine: Engine, exec_id: str, learn: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._engine = engine
        self._exec = exec_id
        self._learn = learn
        self._look: asyncio.Task[None] | None = None
        self._sure = False
        self._tasks = Tasks("ends of programs in containers")

    def begin(self, *, sure: bool) -> None:
        """Look: it has ended; not ``sure``: it may have.

        Who is sure waits for no look that has begun before, whose answer may hang: that one is given up.
        """
        if self._look is not None and not self._look.done():
            if not sure:
                return
            self._look.cancel()
        self._sure = sure
        self._look = self._tasks.run(self._run(sure=sure))

    async def settle(self) -> None:
        """Have no look under way: wait for one that is sure, give up others."""
        if not self._sure:
            self.cancel()
        await self._tasks.finish()

    def cancel(self) -> None:
        """Give up. Twice is harmless."""
        self._tasks.cancel()

    async def status(self, patience: float = _PATIENCE) -> int | None:
        """How it has ended; None where the engine cannot say within so many seconds."""
        with contextlib.suppress(Unavailable):
            return await exec_status(self._engine, self._exec, patience=patience)
        return None

    async def _run(self, *, sure: bool) -> None:
        if sure or not await runs(self._engine, self._exec):
            await self._learn()
