"""Bytes that come from somebody and go to a disk, in large pieces, as fast as the slower of the two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence

from webterm.work.threads import Threads, outlast

PIECE = 1024 * 1024
"""Bytes that are gathered before a thread writes them; about twice as much is in memory."""

Chunk = bytes | memoryview
"""A view is of somebody's memory, who may use it again soon."""
Write = Callable[[Sequence[Chunk]], None]


async def receive(
    data: AsyncIterable[Chunk],
    threads: Threads,
    write: Write,
    *,
    admit: Callable[[int], Awaitable[None]],
    keep: bool = False,
) -> None:
    """Have all of ``data`` written by ``write``, which is called in a thread, one call after the other.

    A chunk that is a view has been written when the one after the next is asked for.

    ``admit`` is asked before so many bytes more are taken, and what it raises is raised here. When something raises, or
    this is cancelled, it waits for the write that is under way; with ``keep`` what has come is written first. How long
    ``data`` may take is for whoever makes it to say.
    """
    gathering = _Gathering(threads, write)
    try:
        async for chunk in data:
            await admit(len(chunk))
            await gathering.add(chunk)
        await gathering.flush()
    except BaseException:
        await gathering.end(keep=keep)
        raise


class _Gathering:
    def __init__(self, threads: Threads, write: Write) -> None:
        self._threads = threads
        self._write = write
        self._gathered: list[Chunk] = []
        self._size = 0
        self._running: asyncio.Future[None] | None = None

    async def add(self, chunk: Chunk) -> None:
        self._gathered.append(chunk)
        self._size += len(chunk)
        if self._size >= PIECE or isinstance(chunk, memoryview):
            await self._written()
            self._begin()

    async def flush(self) -> None:
        await self._written()
        self._begin()
        await self._written()

    async def end(self, *, keep: bool) -> None:
        """Wait, however often this is cancelled, until no thread writes any more."""
        failed, cancelled = await self._settled()
        if keep and not failed:
            self._begin()
            cancelled |= (await self._settled())[1]
        if cancelled:
            raise asyncio.CancelledError

    def _begin(self) -> None:
        if self._gathered:
            gathered, self._gathered, self._size = self._gathered, [], 0
            self._running = self._threads.begin(lambda: self._write(gathered))

    async def _written(self) -> None:
        if self._running is not None:
            await asyncio.shield(self._running)
            self._running = None

    async def _settled(self) -> tuple[bool, bool]:
        """Whether the last write failed, and whether this was cancelled while it went on."""
        running, self._running = self._running, None
        if running is None:
            return False, False
        cancelled = await outlast(running)
        return running.exception() is not None, cancelled
