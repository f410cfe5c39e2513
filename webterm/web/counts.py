"""Counting calls in memory: a storage for the library `limits`.

The library's own asynchronous storage looks at every key there is on every call, and in threads; here old keys go in
one sweep every few seconds, and there are never more than `MOST` of them, however many addresses somebody has.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable

from limits.aio.storage import MovingWindowSupport, Storage

MOST = 100_000
"""Keys kept at the same time; the one that appeared first makes room."""
SWEEP = 10.0
"""Seconds between sweeps."""


class Counts(Storage, MovingWindowSupport):
    """The times of past calls by key, each list in order and no longer than what the key allows."""

    STORAGE_SCHEME = None

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._calls: dict[str, tuple[int, list[float]]] = {}
        self._swept = clock()

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        return ValueError

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Note ``amount`` calls now, unless they would be more than ``limit`` within ``expiry`` seconds."""
        now = self._clock()
        calls = self._within(key, now, expiry)
        if len(calls) + amount > limit:
            return False
        calls.extend([now] * amount)
        self._calls[key] = (expiry, calls)
        self._sweep(now)
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest call that still counts was, and how many count."""
        now = self._clock()
        calls = self._within(key, now, expiry)
        return (calls[0], len(calls)) if calls else (now, 0)

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Note calls without a limit; returns how many count."""
        now = self._clock()
        calls = self._within(key, now, expiry)
        calls.extend([now] * amount)
        self._calls[key] = (expiry, calls)
        return len(calls)

    async def get(self, key: str) -> int:
        expiry, calls = self._calls.get(key, (0, []))
        return len(calls) - bisect_right(calls, self._clock() - expiry)

    async def get_expiry(self, key: str) -> float:
        expiry, calls = self._calls.get(key, (0, []))
        return calls[0] + expiry if calls else self._clock()

    async def check(self) -> bool:
        return True

    async def reset(self) -> int | None:
        """Forget everything; returns how many keys there were."""
        count = len(self._calls)
        self._calls.clear()
        return count

    async def clear(self, key: str) -> None:
        self._calls.pop(key, None)

    def _within(self, key: str, now: float, expiry: int) -> list[float]:
        calls = self._calls.get(key, (expiry, []))[1]
        del calls[: bisect_left(calls, now - expiry)]
        return calls

    def _sweep(self, now: float) -> None:
        while len(self._calls) > MOST:
            del self._calls[next(iter(self._calls))]
        if now - self._swept >= SWEEP:
            self._swept = now
            self._calls = {key: kept for key, kept in self._calls.items() if kept[1] and kept[1][-1] > now - kept[0]}
