"""HTTP over a unix socket, as an engine speaks it, in calls that wait."""

from __future__ import annotations

import http.client
import socket


class Connection(http.client.HTTPConnection):
    """A connection to whoever listens at ``path``; ``timeout`` is for each step, in seconds."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
