"""Something of another server's that is asked for once and kept for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from webterm.errors import Unavailable

T = TypeVar("T")

LIFETIME = 3600.0
"""Seconds for which an answer is good."""
PAUSE = 10.0
"""Seconds between two questions, also after one that failed: however many strangers come, they cannot make us hammer
another server, nor wait in a long row for one that does not answer."""


class Fetched(Generic[T]):
    """What ``fetch`` answers, kept. Several who ask at the same time wait for one answer."""

    def __init__(self, fetch: Callable[[], Awaitable[T]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._asked = float("-inf")
        self._answer: T | None = None
        self._answered = float("-inf")

    async def get(self, *, fresh: bool = False) -> T:
        """The answer; ``fresh``: as new as the pause between two questions allows.

        Raises what ``fetch`` raises, and `webterm.errors.Unavailable` for a while after that.
        """
        async with self._lock:
            now = self._clock()
            kept = self._answer if now - self._answered < LIFETIME else None
            if kept is not None and not (fresh and now - self._asked >= PAUSE):
                return kept
            if now - self._asked < PAUSE:
                raise Unavailable("the other server did not answer a moment ago; try again in a few seconds")
            return await self._ask(now)

    async def _ask(self, now: float) -> T:
        before, self._asked = self._asked, now
        try:
            self._answer = await self._fetch()
        except asyncio.CancelledError:  # says nothing about the other server
            self._asked = before
            raise
        self._answered = self._clock()
        return self._answer
