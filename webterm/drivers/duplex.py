"""Descriptors of ours that are read and written by whoever waits, until somebody else ends that."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable

from webterm.errors import TerminalExited

CHUNK = 64 * 1024
_AT_END = (errno.EIO, errno.ECONNRESET, errno.EPIPE)
"""How masters of terminals, and sockets, say that nobody is at the other end any more."""


class Duplex:
    """A non-blocking descriptor, owned from now on. ``is_over``: nobody reads what is written any more."""

    def __init__(self, fd: int, is_over: Callable[[], bool]) -> None:
        self._fd: int | None = fd
        self._is_over = is_over
        self._shut = False
        self._loop = asyncio.get_running_loop()
        self._writing = asyncio.Lock()
        self._waiting: set[asyncio.Future[None]] = set()

    def fileno(self) -> int:
        """The descriptor. Raises `webterm.errors.TerminalExited` once it is shut."""
        if self._fd is None or self._shut:
            raise TerminalExited("the terminal is closed")
        return self._fd

    async def read(self) -> bytes:
        """At most 64 KiB; ``b""`` at the end. Cancelling loses nothing."""
        while True:
            fd = self.fileno()
            try:
                return os.read(fd, CHUNK)
            except BlockingIOError:
                await self._ready(fd, self._loop.add_reader, self._loop.remove_reader)
            except OSError as error:
                if error.errno not in _AT_END:
                    raise
                return b""

    async def write(self, data: bytes) -> None:
        """Write all of it, one writer after the other; given up when it is over."""
        rest = memoryview(data)
        async with self._writing:
            while True:
                fd = self.fileno()
                if not rest or self._is_over():
                    return
                try:
                    rest = rest[os.write(fd, rest[:CHUNK]) :]
                    # A program that reads as fast as we write would have the loop to itself.
                    await asyncio.sleep(0)
                except BlockingIOError:
                    await self._ready(fd, self._loop.add_writer, self._loop.remove_writer)
                except OSError as error:
                    if error.errno not in _AT_END:
                        raise
                    return

    async def until_readable(self) -> None:
        """Wait until there may be something to read."""
        await self._ready(self.fileno(), self._loop.add_reader, self._loop.remove_reader)

    def wake(self) -> None:
        """Have everybody who waits look again."""
        for future in self._waiting:
            _resolve(future)

    def shut(self) -> None:
        """Nobody may read or write any more; the descriptor stays open."""
        self._shut = True
        self.wake()

    def close(self) -> None:
        """Shut and close it. Twice is harmless."""
        self.shut()
        fd, self._fd = self._fd, None
        if fd is not None:
            self._loop.remove_reader(fd)
            self._loop.remove_writer(fd)
            os.close(fd)

    async def _ready(
        self, fd: int, add: Callable[[int, Callable[[], None]], object], remove: Callable[[int], object]
    ) -> None:
        """Wait until the descriptor is ready, or somebody calls `wake`."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.add(future)
        add(fd, lambda: _resolve(future))
        try:
            await future
        finally:
            self._waiting.discard(future)
            if self._fd == fd:  # else it is closed, and the number may be another's
                remove(fd)


async def readable(fd: int) -> None:
    """Wait until a descriptor can be read. It must stay open as long."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _resolve, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
