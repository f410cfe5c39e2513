"""What lasts: handlers that run for as long as it takes, and can be ended from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


class Span:
    """The time that one handler takes. ``standstill`` is the patience with a peer, in seconds."""

    def __init__(self, standstill: float) -> None:
        self._standstill = standstill
        self._scope: asyncio.Timeout | None = None
        self._ended: Exception | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While the block runs, what `end` was given is raised in it, and HTTP 408 when the peer stands still."""
        try:
            async with asyncio.timeout(None) as self._scope:
                if self._ended is not None:
                    raise self._ended
                yield
        except TimeoutError:
            if self._scope is None or not self._scope.expired():
                raise
            if self._ended is not None:
                raise self._ended from None
            raise web.HTTPRequestTimeout(text=f"nothing came or went for {self._standstill:g} seconds") from None
        finally:
            self._scope = None

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Around each wait for the peer, which has to move within the standstill."""
        self._set(self._standstill)
        try:
            yield
        finally:
            self._set(None)

    def moved(self) -> None:
        """The peer that is waited for has moved, though what is waited for is not there yet."""
        self._set(self._standstill)

    def end(self, error: Exception) -> None:
        """It has to end, for this reason; of several, the first counts."""
        self._ended = self._ended or error
        self._set(0.0)

    def _set(self, seconds: float | None) -> None:
        scope = self._scope
        if scope is not None and not scope.expired():
            now = asyncio.get_running_loop().time()
            scope.reschedule(now if self._ended is not None else None if seconds is None else now + seconds)
