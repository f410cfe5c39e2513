"""A connection to a port in a container that no route leads to: a program in it passes the bytes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING

from webterm.drivers.docker_engine import EngineRefusal
from webterm.drivers.docker_stream import Order, prepare
from webterm.drivers.listeners import Target
from webterm.errors import EngineUnavailable

if TYPE_CHECKING:
    from webterm.drivers.docker_engine import Engine

_PYTHON = """
import socket, sys, threading
line = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def send():
    while data := sys.stdin.buffer.raw.read(65536):
        line.sendall(data)
    line.shutdown(socket.SHUT_WR)
threading.Thread(target=send, daemon=True).start()
while data := line.recv(65536):
    while data:
        data = data[sys.stdout.buffer.raw.write(data):]
"""
_BASH = 'exec 3<>"/dev/tcp/$0/$1" || exit 1; cat <&3 & cat >&3; kill "$!" 2>/dev/null'
RELAYS: dict[str, tuple[str, ...]] = {
    "socat": ("socat", "-t", "3600", "-", "TCP:{bracketed}:{port}"),
    "nc": ("nc", "{address}", "{port}"),
    "python3": ("python3", "-I", "-c", _PYTHON, "{address}", "{port}"),
    "bash": ("bash", "-c", _BASH, "{address}", "{port}"),
}
"""What an image may have that can do it, the best first."""
_HALF = 64 * 1024
_HEAD = 8
_HEAD_TIMEOUT = 30.0


class Relays:
    """Connections through programs in containers. Each is a pair of tasks, which are ended here."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tasks: set[asyncio.Task[None]] = set()

    async def dial(self, container: str, user: str, relay: str, target: Target, port: int) -> socket.socket:
        """A non-blocking socket to a port. ``relay`` is a key of `RELAYS`.

        Where nobody listens it ends at once. Raises `webterm.errors.EngineUnavailable`, and what the engine refuses.
        Cancelling leaves nothing open.
        """
        bracketed = f"[{target.address}]" if ":" in target.address else target.address
        values = {"address": target.address, "bracketed": bracketed, "port": str(port)}
        argv = tuple(_filled(part, values) for part in RELAYS[relay])
        exec_id = await prepare(self._engine, container, Order(argv=argv, user=user))
        reader, writer = await self._engine.streams()
        try:
            async with asyncio.timeout(_HEAD_TIMEOUT):
                await _begin(reader, writer, exec_id)
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            theirs.setblocking(False)
        except BaseException as error:
            writer.close()
            if isinstance(error, OSError | EOFError | asyncio.LimitOverrunError):
                raise EngineUnavailable("the container engine began no stream") from error
            raise
        task = asyncio.get_running_loop().create_task(_pass_on(ours, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return theirs

    async def aclose(self) -> None:
        """Cut all connections. Twice is harmless."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))


def _filled(part: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        part = part.replace(f"{{{name}}}", value)
    return part


async def _begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, exec_id: str) -> None:
    body = json.dumps({"Detach": False, "Tty": False})
    writer.write(
        (
            f"POST /exec/{exec_id}/start HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n{body}"
        ).encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 101"):
        status = head.split(maxsplit=2)[1]
        raise EngineRefusal(int(status) if status.isdigit() else 0, "the program that passes bytes on did not start")


async def _pass_on(ours: socket.socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on in both directions until both have ended, or either side has gone."""
    inner_reader, inner_writer = await asyncio.open_connection(sock=ours)
    try:
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(_send(inner_reader, writer))
            await _receive(reader, inner_writer)
            sending.cancel()
    except* (OSError, EOFError):
        pass  # one side has gone: so does the other
    finally:
        inner_writer.close()
        writer.close()


async def _send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_HALF):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    else:  # an engine with TLS knows of no half of a connection
        writer.close()


async def _receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Of the program's output only what it passes on; not what it complains of."""
    while True:
        head = b""
        with contextlib.suppress(asyncio.IncompleteReadError):
            head = await reader.readexactly(_HEAD)
        if not head:
            return
        left = int.from_bytes(head[4:])
        while left:
            data = await reader.read(min(left, _HALF))
            if not data:
                return
            left -= len(data)
            if head[0] == 1:
                writer.write(data)
                await writer.drain()
