"""When to tell viewers of new output: at once when all is quiet or somebody typed, in larger chunks under load."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_GATHER = 0.002  # seconds; below what a person or a screen can notice
_ENOUGH = 28 * 1024  # a little less than one turn of reading brings


class Gathering:
    """Calls ``flush`` for output that has come, no later than 2 ms after it came."""

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._loop = asyncio.get_running_loop()
        self._flushed = 0.0
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, count: int, now: float) -> None:
        """``count`` more bytes are there."""
        self._size += count
        if now - self._flushed >= _GATHER or self._size >= _ENOUGH:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(_GATHER, self.flush)

    def hurry(self) -> None:
        """Somebody typed: whatever comes next is perhaps the answer, and should not wait."""
        self._flushed = 0.0

    def flush(self) -> None:
        """Tell now."""
        self.cancel()
        self._flushed, self._size = self._loop.time(), 0
        self._flush()

    def cancel(self) -> None:
        """Do not tell any more, unless more comes."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
