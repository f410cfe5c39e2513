"""Threads for what blocks: files, foremost. Few of them, and apart, so that long work keeps nobody from short work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

QUICK = 4
STREAMS = 4
LONG = 3
LONG_FOR_ONE = 2
"""How much long work is done at a time for one workspace; the rest waits for its turn."""

Check = Callable[[], None]
"""Raises when the work is not wanted any more. To be called again and again by what takes long."""


class Stopped(Exception):
    """Nobody waits for this work any more."""


class Threads:
    """Three small pools of threads.

    Work that has begun is waited for, also by who is cancelled: nothing goes on behind anybody's back.
    """

    def __init__(self) -> None:
        self._quick = ThreadPoolExecutor(QUICK, thread_name_prefix="files")
        self._streams = ThreadPoolExecutor(STREAMS, thread_name_prefix="files-streams")
        self._long = ThreadPoolExecutor(LONG, thread_name_prefix="files-long")
        self._turns: dict[str, _Turns] = {}

    async def quick(self, work: Callable[[], T], *, drop: Callable[[T], object] = lambda result: None) -> T:
        """Have ``work`` done that takes milliseconds. When this is cancelled, ``drop`` gets what came of it."""
        return await _finished(self._quick.submit(work), drop)

    async def step(self, work: Callable[[], T]) -> T:
        """One step of a stream."""
        return await _finished(self._streams.submit(work))

    def begin(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Begin one step of a stream. The future must not be cancelled: shield it, and `outlast` it in the end."""
        return asyncio.wrap_future(self._streams.submit(work))

    async def long(self, whose: str, work: Callable[[Check], T]) -> T:
        """Have ``work`` done that may take seconds, `LONG_FOR_ONE` at a time for the same ``whose``.

        When this is cancelled, the check that ``work`` got raises.
        """
        wanted = True

        def check() -> None:
            if not wanted:
                raise Stopped

        async with self._turn(whose):
            future = self._long.submit(work, check)
            try:
                return await asyncio.shield(asyncio.wrap_future(future))
            except asyncio.CancelledError:
                wanted = False
                await _ended(future)
                raise

    async def aclose(self) -> None:
        """Wait until the threads have ended. Twice is harmless."""
        for pool in (self._quick, self._streams, self._long):
            await asyncio.to_thread(pool.shutdown)

    @contextlib.asynccontextmanager
    async def _turn(self, whose: str) -> AsyncIterator[None]:
        turns = self._turns.setdefault(whose, _Turns())
        turns.wanted += 1
        try:
            async with turns.free:
                yield
        finally:
            turns.wanted -= 1
            if not turns.wanted:
                del self._turns[whose]


class _Turns:
    def __init__(self) -> None:
        self.free = asyncio.Semaphore(LONG_FOR_ONE)
        self.wanted = 0


async def outlast(running: asyncio.Future[Any]) -> bool:
    """Wait for the end of ``running``, however often this is cancelled. Returns whether it was.

    How it ended is no concern of this; it counts as looked at.
    """
    cancelled = False
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            cancelled = True
    if not running.cancelled():
        running.exception()
    return cancelled


async def _finished(future: Future[T], drop: Callable[[T], object] = lambda result: None) -> T:
    try:
        return await asyncio.shield(asyncio.wrap_future(future))
    except asyncio.CancelledError:
        await _ended(future)
        if not future.cancelled() and future.exception() is None:
            drop(future.result())
        raise


async def _ended(future: Future[T]) -> None:
    """Wait until a thread is done with it; what has not begun is not begun any more."""
    if not future.cancel():
        await outlast(asyncio.wrap_future(future))


class Pieces:
    """Bytes that are made step by step in threads, the next ones while some are used. Iterate over it, once.

    ``step`` gives the next bytes, which may be none, and None at the end; ``close`` is called in a thread when no step
    runs any more. Cancelling loses nothing.
    """

    def __init__(self, threads: Threads, step: Callable[[], bytes | None], close: Callable[[], None]) -> None:
        self._threads = threads
        self._step = step
        self._close: Callable[[], None] | None = close
        self._next: asyncio.Future[bytes | None] | None = None
        self._over = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._over:
            if self._next is None:
                self._next = self._threads.begin(self._step)
            data = await asyncio.shield(self._next)  # which stays when it raises: then so does the next call
            if data is None:
                break
            self._next = self._threads.begin(self._step)
            if data:
                return data
        self._over = True
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Make no more of it, and wait for the step that runs. Twice is harmless."""
        self._over = True
        running, self._next = self._next, None
        close, self._close = self._close, None
        cancelled = running is not None and await outlast(running)
        if close is not None:
            await self._threads.step(close)
        if cancelled:
            raise asyncio.CancelledError
