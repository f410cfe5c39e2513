"""Following a table to which lines are added: each server reads the new ones twice a second, and at once if poked.

The lines are numbered in the order in which they are committed, so none is passed over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from webterm.errors import StoreUnavailable
from webterm.store.engine import Connection, Store

log = logging.getLogger("webterm.store")

INTERVAL = 0.5
"""Seconds between two looks."""
PRUNING = 600.0
"""Seconds between two removals of old lines."""
KEPT = 86_400.0
"""Seconds for which lines are kept, for servers that cannot reach the database meanwhile."""


class Line(Protocol):
    """A row of such a table."""

    @property
    def number(self) -> int: ...


L = TypeVar("L", bound=Line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed(Generic[L]):
    """Such a table. ``latest``: the number of its newest line; ``since``: those after a number; ``prune``: without
    those that were added before a time."""

    latest: Callable[[Connection], Awaitable[int]]
    since: Callable[[Connection, int], Awaitable[Sequence[L]]]
    prune: Callable[[Connection, float], Awaitable[None]]


class Following(Generic[L]):
    """Calls ``tell`` with every line once, in order, from `start` on. What it raises is logged.

    ``chores`` is done beside, with ``interval`` between, and may write. ``what`` is for the log.
    """

    def __init__(
        self,
        store: Store,
        feed: Feed[L],
        tell: Callable[[L], Awaitable[None]],
        *,
        what: str,
        chores: Callable[[], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.time,
        interval: float = INTERVAL,
    ) -> None:
        self._store = store
        self._feed = feed
        self._tell = tell
        self._what = what
        self._chores = chores
        self._clock = clock
        self._interval = interval
        self._number = 0
        self._version: int | None = None
        self._pruning: float | None = None
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def poke(self) -> None:
        """Look at once: a line has just been committed. Harmless where nothing was started."""
        self._wake.set()

    async def start(self) -> None:
        """Begin with the lines that come from now on. Raises `webterm.errors.StoreUnavailable`."""
        async with self._store.reading() as conn:
            self._number = await self._feed.latest(conn)
        # Two tasks, because chores write, and writers may have to wait for each other.
        for step, pause in ((self._look, self._until_poked), (self._tidy, self._rest)):
            self._tasks.append(asyncio.create_task(self._repeat(step, pause), name=self._what))

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
                    log.warning("%s are not seen until the database answers: %s", self._what, error)
                reachable = False
            except Exception:
                log.exception("looking for %s failed", self._what)
            await pause()

    async def _until_poked(self) -> None:
        # Not wait_for: on Python 3.11 it loses a cancellation that comes together with the poke.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._interval):
                await self._wake.wait()
        self._wake.clear()  # before looking: a poke while we look makes us look again

    async def _rest(self) -> None:
        await asyncio.sleep(self._interval)

    async def _look(self) -> None:
        version = await self._store.version()  # before reading: what is committed meanwhile is seen at the next look
        if version is not None and version == self._version:
            return
        async with self._store.reading() as conn:
            found = await self._feed.since(conn, self._number)
        for line in found:
            self._number = line.number
            await self._tell(line)
        self._version = version

    async def _tidy(self) -> None:
        if self._chores is not None:
            await self._chores()
        now = self._clock()
        if is_due(self._pruning, now, PRUNING):
            self._pruning = now + PRUNING
            async with self._store.writing() as conn:
                await self._feed.prune(conn, now - KEPT)


def is_due(due: float | None, now: float, every: float) -> bool:
    """Whether what was ``due`` (None: never yet), and is done ``every`` so many seconds, is to be done now."""
    return due is None or not 0 < due - now <= every  # later than that: the clock was set back
