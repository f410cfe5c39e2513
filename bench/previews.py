"""Previews: what they add to a request, and how much goes through them."""

from __future__ import annotations

import http.client
import re
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.figures import Row, at_least, at_most, bounded, percentile, shown
from bench.programs import READY
from bench.servers import Webterm
from bench.terminals import Channels, now
from bench.transfers import Workspace, growth_of

_PATIENCE = 120.0
_MB = 1_000_000

APP = """
import socket, sys, threading
ZEROS = bytes(1024 * 1024)
def answer(line):
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(1024 * 1024)
    while True:
        head = b""
        while b"\\r\\n\\r\\n" not in head:
            data = line.recv(65536)
            if not data:
                return
            head += data
        head, _, body = head.partition(b"\\r\\n\\r\\n")
        fields = dict(row.lower().split(b": ", 1) for row in head.split(b"\\r\\n")[1:])
        left = int(fields.get(b"content-length", 0)) - len(body)
        while left > 0:
            left -= line.recv_into(buffer)
        size = int(head.split(b"?", 1)[1].split()[0]) if b"?" in head.split(b"\\r\\n")[0] else 2
        line.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nContent-Length: %d\\r\\n\\r\\n" % size)
        while size:
            size -= line.send(ZEROS[:size])
server = socket.create_server(("0.0.0.0", int(sys.argv[1])))
print("ready" + "-steady", flush=True)
while True:
    threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()
"""


class App:
    """A web server that runs in a workspace, and its preview."""

    def __init__(self, webterm: Webterm, workspace: Workspace, port: int) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
            file.write(APP)
            file.flush()
            workspace.up(Path(file.name), "app.py")
        self._channels = Channels(webterm, "json")
        self._channels.set_timeout(_PATIENCE)
        self._channel = self._channels.open("python3", "app.py", str(port), workspace=workspace.id)
        seen = b""
        while READY not in seen:
            for _, _, frame, at in self._channels.outputs():
                seen += self._channels.data(frame, at)
        self.webterm, self.port = webterm, port
        arrival = http.client.HTTPConnection("127.0.0.1", webterm.port, timeout=_PATIENCE)
        navigating = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin"}
        cookie = {"Cookie": webterm.headers["Cookie"]}
        arrival.request("GET", f"/preview/{workspace.id}/{port}/", headers=cookie | navigating)
        answer = arrival.getresponse()
        answer.read()
        arrival.close()
        self.path = answer.headers["Location"]
        if answer.status != 303:
            raise RuntimeError(f"no preview: {answer.status}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channels.end(self._channel)
        self._channels.await_message("detached")
        self._channels.close()


def free_port() -> int:
    """A port of this machine at which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def measure(app: App, kind: str, address: str, *, times: int, size: int) -> Iterator[Row]:
    """Rows about an app: through its preview, and straight to its ``address``."""
    through, straight = Client("127.0.0.1", app.webterm.port, app.path), Client(address, app.port, "/")
    waits: dict[str, list[float]] = {"through": [], "straight": []}
    for _ in range(times):  # taking turns
        waits["through"].append(through.wait())
        waits["straight"].append(straight.wait())
    middle = {name: percentile(found, 0.5) * 1e3 for name, found in waits.items()}
    added = middle["through"] - middle["straight"]
    yield bounded(f"what a preview of a {kind} adds to a request, p50", [added], at_most(1), unit="ms")
    with growth_of(app.webterm) as growth:
        down = [through.down(size) / _MB for _ in range(3)]
        up = [through.up(size) / _MB for _ in range(3)]
    beside = [straight.down(size) / _MB for _ in range(3)]
    what = f"{size // 1024**2} MiB through a preview of a {kind}"
    yield bounded(f"{what}, down", down, at_least(300), unit="MB/s")
    yield bounded(f"{what}, up", up, at_least(300), unit="MB/s")
    yield bounded(f"memory of the server meanwhile, {kind}", [growth[0] / 1024**2], at_most(64), unit="MiB")
    yield Row(what="the same without it, down", figure="", against=shown(beside, "MB/s"))
    through.close()
    straight.close()


class Client:
    """A connection that stays, over which requests are made with as little work as can be."""

    def __init__(self, address: str, port: int, path: str) -> None:
        self._line = socket.create_connection((address, port), timeout=_PATIENCE)
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = f"{address}:{port}"
        self._path = path
        self._buffer = memoryview(bytearray(1024 * 1024))

    def wait(self) -> float:
        """Seconds from a small request to the end of its answer."""
        began = now()
        self._ask("GET", "")
        self._answer()
        return now() - began

    def down(self, size: int) -> float:
        """Bytes in a second, of an answer of ``size`` bytes."""
        began = now()
        self._ask("GET", f"?{size}")
        self._answer()
        return size / (now() - began)

    def up(self, size: int) -> float:
        """The same for a request."""
        began = now()
        self._ask("PUT", "", size)
        left = size
        while left:
            left -= self._line.send(self._buffer[: min(left, len(self._buffer))])
        self._answer()
        return size / (now() - began)

    def close(self) -> None:
        """End the connection."""
        self._line.close()

    def _ask(self, method: str, query: str, size: int = 0) -> None:
        body = f"Content-Length: {size}\r\n" if size else ""
        self._line.sendall(f"{method} {self._path}{query} HTTP/1.1\r\nHost: {self._host}\r\n{body}\r\n".encode())

    def _answer(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            got = self._line.recv_into(self._buffer)
            if not got:
                raise ConnectionError(f"it ended after {head!r}")
            head += self._buffer[:got]
        head, _, body = head.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)content-length: (\d+)", head)
        if not head.startswith(b"HTTP/1.1 200") or found is None:
            raise RuntimeError(f"not what was asked for: {head[:300]!r}")
        left = int(found[1]) - len(body)
        while left > 0:
            left -= self._line.recv_into(self._buffer)
