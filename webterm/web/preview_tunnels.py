"""WebSockets of apps in previews: both handshakes are real, and from then on bytes go through as they are."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from webterm.web.gate import FOREIGN
from webterm.web.preview_headers import View, back
from webterm.web.spans import Span
from webterm.work.previews import Tunnel

AHEAD = 256 * 1024
"""Bytes of a browser's that wait for the app; then the browser is read no further."""


class _Arriving:
    """What comes from a browser after the handshake, in the place of the library's own parser."""

    def __init__(self, protocol: RequestHandler) -> None:
        self._protocol = protocol
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._more = asyncio.Event()
        self._over = False

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """For the library."""
        self._pieces.append(data)
        self._waiting += len(data)
        if self._waiting >= AHEAD:
            self._protocol.pause_reading()
        self._more.set()
        return False, b""

    def feed_eof(self) -> None:
        """For the library: the browser has gone."""
        self._over = True
        self._more.set()

    async def read(self) -> bytes:
        """What came; ``b""`` at the end."""
        while not self._pieces and not self._over:
            self._more.clear()
            await self._more.wait()
        data = b"".join(self._pieces)
        paused = self._waiting >= AHEAD
        self._pieces, self._waiting = [], 0
        if paused and not self._over:
            self._protocol.resume_reading()
        return data


async def tunnelled(request: web.Request, tunnel: Tunnel, view: View, span: Span) -> web.StreamResponse:
    """Let a browser's WebSocket through. Returns when either side is done with it."""
    response = web.StreamResponse(status=101, headers=list(back(tunnel.headers, view, upgraded=True)))
    response.headers["Connection"], response.headers["Upgrade"] = "Upgrade", "websocket"
    response.force_close()
    response[FOREIGN] = True
    await response.prepare(request)
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the browser has gone")
    arriving = _Arriving(request.protocol)
    request.protocol.set_parser(arriving)  # type: ignore[arg-type] # typed for the library's own only
    try:
        async with asyncio.TaskGroup() as group:
            ways = [
                group.create_task(_out(arriving, tunnel)),
                group.create_task(_in(tunnel, response, span)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
    finally:
        transport.close()  # what has been written goes out first
    return response


async def _out(arriving: _Arriving, tunnel: Tunnel) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await arriving.read():
            await tunnel.write(data)


async def _in(tunnel: Tunnel, response: web.StreamResponse, span: Span) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await tunnel.read():
            async with span.waiting():
                await response.write(data)
