"""Promises of time, held against a machine that is busy with others: waiting for a processor does not count."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

PATIENCE = 30.0
"""Seconds after which nothing is waited for any more."""


class Stopwatch:
    """Seconds since it was made in which this process and others, by their ids, did not wait for a processor."""

    def __init__(self, *pids: int) -> None:
        self._pids = (os.getpid(), *pids)
        self._began = time.monotonic()
        self._waited = sum(map(_waited, self._pids))

    def read(self) -> float:
        return time.monotonic() - self._began - self.waited()

    def waited(self) -> float:
        """Seconds for which they did."""
        return max(sum(map(_waited, self._pids)) - self._waited, 0.0)


@asynccontextmanager
async def within(seconds: float, *pids: int) -> AsyncIterator[None]:
    """Fails when what is inside takes longer, as this process and others count."""
    watch = Stopwatch(*pids)
    async with asyncio.timeout(PATIENCE):
        yield
    assert (took := watch.read()) < seconds, f"it took {took:.2f} s"


def _waited(pid: int) -> float:
    """Seconds for which the threads of a process have been ready to run, and did not: schedstat of proc(5)."""
    nanoseconds = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):  # it has ended
            nanoseconds += int(thread.read_text().split()[1])
    return nanoseconds / 1e9
