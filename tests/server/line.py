"""A line between a client and the server that tests cut at a chosen byte, and block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from yarl import URL

_NEVER = 2**62


class Line:
    """Forwards connections to ``target``. What is said here holds for the newest connection."""

    def __init__(self, target: URL) -> None:
        self.url = target
        self.cuts = 0
        self._target = target
        self._ends: list[_End] = []
        self._admits = True
        self._held: list[tuple[_End, _End]] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Cut every connection now."""
        for end in self._ends:
            end.abort()

    def cut_after(self, count: int, *, towards_client: bool = True) -> None:
        """Cut once this many more bytes have passed, wherever in a frame that is."""
        for end in self._ends:
            if end.towards_client is towards_client:
                end.left = count

    def block(self) -> None:
        """Take nothing more from the server: a client that does not read its socket."""
        for end in self._ends:
            end.block()

    def unblock(self) -> None:
        """Read on."""
        for end in self._ends:
            end.unblock()

    async def refuse(self) -> None:
        """Cut, and let nobody in; returns when this side of every connection is closed."""
        self._admits = False
        ends = tuple(self._ends)
        self.cut()
        for end in ends:
            await end.lost.wait()

    def admit(self) -> None:
        """Let those in who wait, and who come."""
        self._admits = True
        for near, far in self._held:
            self._begin(near, far)
        self._held.clear()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = self._target.with_port(port)

    async def aclose(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        self.cut()

    def _accept(self) -> _End:
        near, far = _End(self, towards_client=False), _End(self, towards_client=True)
        near.other, far.other = far, near
        self._ends = [near, far]
        if self._admits:
            self._begin(near, far)
        else:
            self._held.append((near, far))
        return near

    def _begin(self, near: _End, far: _End) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(near, far))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, near: _End, far: _End) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: far, self._target.host or "", self._target.port or 0)
        except OSError:
            near.abort()


class _End(asyncio.Protocol):
    """What comes in here goes out at the other end."""

    def __init__(self, line: Line, *, towards_client: bool) -> None:
        self.towards_client = towards_client
        self.left = _NEVER
        self.other: _End
        self._line = line
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self.lost = asyncio.Event()
        self._blocked = False
        self._aborted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by inheritance
        if self._aborted:
            self._transport.abort()
            return
        for data in self._early:
            self._transport.write(data)
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        self.other.write(data[: self.left])
        self.left -= len(data)
        if self.left <= 0:
            self._line.cuts += 1
            self.abort()

    def write(self, data: bytes) -> None:
        if self._transport is None:
            self._early.append(data)
        else:
            self._transport.write(data)

    def pause_writing(self) -> None:
        self.other._hold(True)

    def resume_writing(self) -> None:
        self.other._hold(False)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()
        if self.other._transport is not None:
            self.other._transport.close()
        elif not self.towards_client:
            self.other._aborted = True

    def block(self) -> None:
        self._blocked = self.towards_client
        if self._blocked:
            self._hold(True)

    def unblock(self) -> None:
        self._blocked = False
        self._hold(False)

    def abort(self) -> None:
        for end in (self, self.other):
            end._aborted = True
            if end._transport is not None:
                end._transport.abort()

    def _hold(self, on: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if on:
            self._transport.pause_reading()
        elif not self._blocked:
            self._transport.resume_reading()


@asynccontextmanager
async def line_to(target: URL) -> AsyncIterator[Line]:
    line = Line(target)
    await line.start()
    try:
        yield line
    finally:
        await line.aclose()
