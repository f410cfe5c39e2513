"""A connection to a port in a container that no route leads to: a program in it passes the bytes on."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from webterm.drivers.docker.bridge import Bridges
from webterm.drivers.docker.stream import Frames, Order, begin, peek, prepare, speaks_in_frames
from webterm.drivers.duplex import readable
from webterm.drivers.listeners import Target
from webterm.errors import EngineUnavailable
from webterm.execution import Stream

if TYPE_CHECKING:
    from webterm.drivers.docker.engine import Engine

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


class Relays:
    """Connections through programs in containers, which are ended here."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._bridges = Bridges()

    async def dial(self, container: str, user: str, relay: str, target: Target, port: int) -> socket.socket:
        """A non-blocking socket to a port. ``relay`` is a key of `RELAYS`.

        Where nobody listens it ends at once. Raises `webterm.errors.EngineUnavailable`, and what the engine refuses.
        Cancelling leaves nothing open.
        """
        bracketed = f"[{target.address}]" if ":" in target.address else target.address
        values = {"address": target.address, "bracketed": bracketed, "port": str(port)}
        argv = tuple(_filled(part, values) for part in RELAYS[relay])
        exec_id = await prepare(self._engine, container, Order(argv=argv, user=user))
        stream = await begin(self._engine, exec_id, terminal=False)
        try:
            return self._bridges.join(_Passed(stream))
        except OSError as error:
            raise EngineUnavailable(f"no connection can be made: {error.strerror}") from error

    async def aclose(self) -> None:
        """Cut all connections. Twice is harmless."""
        await self._bridges.aclose()


class _Passed:
    """What a program passes on: its standard input and output, but not what it complains of."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._frames = Frames()
        self._begun = False

    async def read(self) -> bytes:
        if not self._begun:
            first = await peek(self._stream)
            if not speaks_in_frames(first):  # the engine itself: the program has not begun
                return b""
            self._begun = True
        while True:
            try:
                piece = self._frames.read(self._stream.fileno())
            except BlockingIOError:
                await readable(self._stream.fileno())
                continue
            if piece is None:
                return b""
            if piece[0] is Stream.STDOUT:
                return piece[1]
            await asyncio.sleep(0)  # it may complain for ever, faster than it is read

    async def write(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._stream, data)

    async def end(self) -> None:
        self._stream.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._stream.close()


def _filled(part: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        part = part.replace(f"{{{name}}}", value)
    return part
