"""A network between the browser and the server that can be cut, or go dead."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Network:
    """Forwards TCP connections to ``port``. Each end sees what a real network would show it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._listener: asyncio.Server
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def connect(self) -> None:
        """Let connections be made (again)."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """All connections break at once, and no new ones are made."""
        self._listener.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._listener.wait_closed()

    def go_dead(self) -> None:
        """Nothing travels any more, and nobody is told."""
        self._flows.clear()

    def revive(self) -> None:
        """New connections travel; those that were there stay dead."""
        for task in self._connections:
            task.cancel()
        self._flows.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            there, here = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        finally:
            self._connections.discard(task)
        self._pump(reader, here)
        self._pump(there, writer)

    def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        self._writers.add(sink)
        task = asyncio.create_task(self._carry(source, sink))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        except asyncio.CancelledError:
            return  # a dead connection: its ends are left as they are
        with contextlib.suppress(OSError):
            sink.close()
        self._writers.discard(sink)

    async def end(self) -> None:
        self.revive()
        await self.cut()


@asynccontextmanager
async def network(port: int) -> AsyncIterator[Network]:
    """A network in front of the server on ``port``."""
    net = Network(port)
    await net.connect()
    try:
        yield net
    finally:
        await net.end()
