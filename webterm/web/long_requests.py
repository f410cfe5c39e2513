"""The requests that take long, as the open WebSockets: what ends their right ends them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from webterm.errors import LimitReached
from webterm.ids import UserId
from webterm.web.connections import Connection, Connections

MOST = 64
"""Long requests that one person may have under way at a time."""


class LongRequests(Connections):
    """All of them. ``most`` is how many one person may have."""

    def __init__(self, most: int = MOST, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock=clock)
        self._most = most
        self._running: Counter[UserId] = Counter()

    @asynccontextmanager
    async def joined(self, connection: Connection) -> AsyncIterator[None]:
        """As `Connections.joined`. Raises `webterm.errors.LimitReached` for too many of one person."""
        user = connection.actor.id
        if self._running[user] >= self._most:
            raise LimitReached(f"at most {self._most} uploads and downloads at a time")
        self._running[user] += 1
        try:
            async with super().joined(connection):
                yield
        finally:
            self._running[user] -= 1
            if not self._running[user]:
                del self._running[user]
