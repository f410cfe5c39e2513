"""Large bodies, which the loop reads into memory of ours: past aiohttp, which would copy each byte four times more.

Only what asyncio and aiohttp document is used for it. As aiohttp has not seen where the body ends, its connection ends
with the request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from functools import partial

from aiohttp import web

from webterm.errors import InvalidRequest
from webterm.web.spans import Span

LARGE = 8 * 1024 * 1024
"""Bytes from which on a body is worth a connection."""
PIECE = 2 * 1024 * 1024
"""Bytes that are handed on at a time: with less, handing on takes longer than what is done with them."""
BUFFERS = 3
"""Pieces that are in memory: one is written, one waits for that, and one comes."""


def large_body(request: web.Request, span: Span) -> LargeBody | None:
    """The body of a request, if it may come this way: large, of known length, and nothing between us and its socket.

    From now on it can be read in no other way. ``span`` has the patience with the peer. Raises as reading of
    ``request.content`` does.
    """
    transport, length = request.transport, request.content_length
    if (
        length is None
        or length < LARGE
        or request.content.total_bytes >= PIECE
        or transport is None
        or transport.is_closing()
        or transport.get_extra_info("sslcontext") is not None
        or transport.get_protocol() is not request.protocol
    ):
        return None
    return LargeBody(request, transport, length, span)


class LargeBody(asyncio.BufferedProtocol):
    """A body, and its connection's protocol from now on. All but what comes goes on to aiohttp; what follows the body
    is nobody's. That the connection is lost goes on when all that came has been read, so that none of it is lost too.
    """

    def __init__(self, request: web.Request, transport: asyncio.Transport, length: int, span: Span) -> None:
        self._transport = transport
        self._http = request.protocol
        self._content = request.content
        self._span = span
        self._free = [memoryview(bytearray(PIECE)) for _ in range(BUFFERS)]
        self._coming: memoryview | None = self._free.pop()
        self._filled = 0
        self._full: deque[memoryview] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._given_up = False
        self._broken = False
        self._unread = True
        self._lost: Callable[[], None] | None = None
        first = self._content.read_nowait(-1)
        self._left = length - self._content.total_bytes + len(first)
        self.get_buffer(-1)[: len(first)] = first
        self.buffer_updated(len(first))
        self._http.close()  # after this request
        self._transport.set_protocol(self)
        self._transport.resume_reading()

    async def pieces(self) -> AsyncIterator[memoryview]:
        """All of it, each but the last of `PIECE` bytes. A piece may be used until the one after the next is asked for.

        Raises `webterm.errors.InvalidRequest` for a body that breaks off, after what has come of it.
        """
        lent: deque[memoryview] = deque()
        while True:
            if len(lent) == BUFFERS - 1:
                self._take_back(lent.popleft())
            if not self._full:
                await self._moved()
            if not self._full:
                break
            lent.append(self._full.popleft())
            yield lent[-1]
        self._read()
        if self._broken:
            raise InvalidRequest("the body broke off")

    def give_up(self) -> None:
        """Nobody wants what still comes. Harmless at the end, and twice."""
        self._given_up = True
        self._coming = None
        self._free.clear()
        self._full.clear()
        self._transport.resume_reading()
        self._read()

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._coming is not None:
            return self._coming[self._filled : self._filled + self._left]
        if self._given_up or not self._left:
            return memoryview(bytearray(65_536))
        raise RuntimeError("there is no room")  # the transport has not paused; it ends the connection

    def buffer_updated(self, nbytes: int) -> None:
        if not self._left:
            return
        self._left -= min(nbytes, self._left)
        if self._coming is not None:
            self._filled += nbytes
            if self._filled == PIECE or not self._left:
                self._hand_on(self._coming)
            elif self._waiter is not None:
                self._span.moved()
        if not self._left:
            self._content.feed_eof()

    def eof_received(self) -> None:
        self._http.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._broken = bool(self._left)
        if self._coming is not None and self._filled:
            self._hand_on(self._coming)
        self._wake()
        self._lost = partial(self._http.connection_lost, exc)
        if not self._unread:
            self._read()

    def pause_writing(self) -> None:
        self._http.pause_writing()

    def resume_writing(self) -> None:
        self._http.resume_writing()

    def _hand_on(self, piece: memoryview) -> None:
        self._full.append(piece[: self._filled])
        self._filled = 0
        self._coming = self._free.pop() if self._free and self._left else None
        if self._coming is None and self._left:
            self._transport.pause_reading()
        self._wake()

    def _take_back(self, piece: memoryview) -> None:
        if self._coming is None and self._left:
            self._coming = piece
            self._transport.resume_reading()
        else:
            self._free.append(piece)

    def _read(self) -> None:
        """Nothing of it is wanted any more."""
        self._unread = False
        lost, self._lost = self._lost, None
        if lost is not None:
            lost()

    async def _moved(self) -> None:
        """Wait for a piece, or the end."""
        if self._broken or not self._left:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            async with self._span.waiting():
                await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
