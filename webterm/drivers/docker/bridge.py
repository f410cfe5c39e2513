"""Plain sockets in front of what is none: connections with TLS or with frames, each half of which can end by itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Protocol

from webterm.tasks import Tasks

_CHUNK = 64 * 1024


class Line(Protocol):
    """A connection. One may read while another writes; all but `close` may raise OSError when it has gone."""

    async def read(self) -> bytes:
        """What comes next; ``b""`` at the end."""

    async def write(self, data: bytes) -> None:
        """Send all of it."""

    async def end(self) -> None:
        """Say that nothing more will be sent; what is received goes on."""

    def close(self) -> None:
        """To be called once."""


class Bridges:
    """Passes bytes on between connections and sockets of ours, in tasks that end here."""

    def __init__(self) -> None:
        self._tasks = Tasks("bridges to a container engine")

    async def bridge(self, sock: socket.socket, context: ssl.SSLContext, name: str) -> socket.socket:
        """A non-blocking socket that stands for ``sock``, connected to a server that is called ``name``.

        ``sock`` is taken over, also where this raises: OSError (ssl.SSLError is one). Cancelling closes it.
        """
        line = _Sealed(sock, context, name)
        try:
            await line.shake_hands()
        except BaseException:
            line.close()
            raise
        return self.join(line)

    def join(self, line: Line) -> socket.socket:
        """A non-blocking socket that stands for ``line``, which is taken over, also where this raises OSError."""
        try:
            ours, theirs = socket.socketpair()
        except BaseException:
            line.close()
            raise
        for end in (ours, theirs):
            end.setblocking(False)
        self._tasks.run(_pass_on(line, ours))
        return theirs

    async def aclose(self) -> None:
        """Cut all of them. Twice is harmless."""
        await self._tasks.aclose()


class _Sealed:
    """A connection with TLS."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, name: str) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._sending = asyncio.Lock()

    async def shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            else:
                await self._flush()
                return

    async def read(self) -> bytes:
        while True:
            try:
                return self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                await self._flush()  # answers of TLS itself
                if not await self._fill():
                    return b""
            except ssl.SSLZeroReturnError:
                return b""

    async def write(self, data: bytes) -> None:
        self._tls.write(data)
        await self._flush()

    async def end(self) -> None:
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        await self._flush()

    def close(self) -> None:
        self._sock.close()

    async def _fill(self) -> bool:
        data = await self._loop.sock_recv(self._sock, _CHUNK)
        if data:
            self._incoming.write(data)
        return bool(data)

    async def _flush(self) -> None:
        async with self._sending:
            while self._outgoing.pending:
                await self._loop.sock_sendall(self._sock, self._outgoing.read(_CHUNK))


async def _pass_on(line: Line, ours: socket.socket) -> None:
    """Until the connection has ended; that our side sends no more is passed on."""
    sending = asyncio.ensure_future(_send(line, ours))
    loop = asyncio.get_running_loop()
    try:
        with contextlib.suppress(OSError):  # one side has gone: so does the other
            while data := await line.read():
                await loop.sock_sendall(ours, data)
    finally:
        sending.cancel()
        await asyncio.wait([sending])
        ours.close()
        line.close()


async def _send(line: Line, ours: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while data := await loop.sock_recv(ours, _CHUNK):
            await line.write(data)
        await line.end()
