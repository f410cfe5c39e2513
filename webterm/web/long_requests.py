"""The requests that take long, as the open WebSockets: what ends their right ends them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from webterm.errors import LimitReached
from webterm.ids import UserId
from webterm.web.connections import Connection, Connections, IsLive, always

MOST = 64
"""Long requests that one person may have under way at a time."""
MOST_LARGE = 16
"""Bodies at a time that have memory of their own; others come as small ones do."""
STANDSTILL = 60.0
"""Seconds for which nothing may come from, or go to, a peer."""


class LongRequests(Connections):
    """All of them. ``most`` is how many one person may have, ``standstill`` the patience with a peer, in seconds.

    ``large`` are those whose bodies have memory of their own: `MOST_LARGE` at most, which they see to themselves.
    """

    def __init__(
        self,
        is_live: IsLive = always,
        *,
        most: int = MOST,
        standstill: float = STANDSTILL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(is_live, clock=clock)
        self.standstill = standstill
        self.large: set[Connection] = set()
        self._most = most
        self._running: Counter[UserId] = Counter()

    @asynccontextmanager
    async def joined(self, connection: Connection) -> AsyncIterator[None]:
        """As `Connections.joined`. Raises `webterm.errors.LimitReached` for too many of one person."""
        user = connection.actor.id
        if self._running[user] >= self._most:
            raise LimitReached(f"at most {self._most} uploads, downloads and commands at a time")
        self._running[user] += 1
        try:
            async with super().joined(connection):
                yield
        finally:
            self._running[user] -= 1
            if not self._running[user]:
                del self._running[user]
