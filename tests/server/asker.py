"""A program that prints what a test tells it to, and tells the test every byte that its terminal says to it.

Run as ``python asker.py SOCKET``: raw mode, commands and reports over a unix socket.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import sys
import termios
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path


class Asker:
    """The test's end of one such program."""

    def __init__(self, path: Path) -> None:
        self.command = [sys.executable, "-S", "-E", __file__, str(path)]
        self.heard = bytearray()
        """Everything that came to the program as input."""
        self.there = asyncio.Event()
        """Set when the program is in raw mode and listens."""
        self._news = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None

    async def print(self, data: bytes) -> None:
        """Have it print these bytes; returns as soon as the program has been told."""
        assert self._writer is not None
        self._writer.write(data)
        await self._writer.drain()

    async def until(self, condition: Callable[[bytes], object]) -> None:
        """Wait until what it heard makes ``condition`` true."""
        try:
            async with asyncio.timeout(30):
                while not condition(bytes(self.heard)):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise TimeoutError(f"heard {len(self.heard)} bytes, {bytes(self.heard)[-300:]!r}") from None

    async def listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.there.set()
        while data := await reader.read(65536):
            self.heard += data
            self._news.set()
        writer.close()


@asynccontextmanager
async def asking(path: Path) -> AsyncIterator[Asker]:
    """A program to be started with `Asker.command`."""
    asker = Asker(path)
    server = await asyncio.start_unix_server(asker.listen, path)
    try:
        yield asker
    finally:
        server.close()


def main(path: str) -> None:
    """Pass everything on, both ways, until the test hangs up."""
    tty.setraw(0, termios.TCSANOW)
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(path)
        while True:
            ready, _, _ = select.select([0, control.fileno()], [], [])
            if 0 in ready:
                control.sendall(os.read(0, 65536))
            if control.fileno() in ready:
                data = control.recv(65536)
                if not data:
                    return
                while data:
                    data = data[os.write(1, data) :]


if __name__ == "__main__":
    main(sys.argv[1])
