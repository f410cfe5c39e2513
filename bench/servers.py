"""The servers under measurement, each in a process of its own, and the CPU and memory that they use."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from bench.websocket import WebSocket

ROOT = Path(__file__).resolve().parent.parent


class Server:
    """A running server. Leaving ends it and every program in it."""

    port: int
    pids: list[int]

    def cpu(self) -> float:
        """Seconds of CPU, user and system, that its processes have used so far."""
        return sum(cpu_of(pid) for pid in self.pids)

    def anonymous_memory(self) -> int:
        """RssAnon of its first process, in bytes."""
        status = Path(f"/proc/{self.pids[0]}/status").read_text()
        return int(status.partition("RssAnon:")[2].split()[0]) * 1024

    def close(self) -> None:
        """End it."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Webterm(Server):
    """``webterm serve`` with its keeper, in a directory of its own. ``settings`` are variables of its environment."""

    def __init__(self, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="webterm-bench-")
        self._base = [sys.executable, "-m", "webterm"]
        self._data = ["--data-dir", str(Path(self._directory.name, "data"))]
        quiet = {"WEBTERM_SERVER__LOG_LEVEL": "error", "WEBTERM_RUNTIMES__DRIVER": "local"}
        command = [*self._base, "serve", "--port", "0", *self._data]
        env = {**os.environ, **quiet, **settings}
        self._process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
        try:
            self._sign_in()
            self.web_socket("json").close()
            self.pids = [self._process.pid, *_holders_of(self._data[1])]
        except BaseException:
            self.close()
            raise

    @property
    def headers(self) -> dict[str, str]:
        """What the owner's browser sends with each request."""
        return {"Cookie": self._cookie, "Origin": f"http://127.0.0.1:{self.port}"}

    def web_socket(self, mode: str, *, peek: int | None = None) -> WebSocket:
        """A connection; ``mode`` is ``binary`` or ``json``."""
        headers = {**self.headers, "Sec-WebSocket-Protocol": f"webterm.v1.{mode}"}
        return WebSocket(self.port, "/ws", headers=headers, peek=peek)

    def close(self) -> None:
        subprocess.run([*self._base, "stop", "--all", *self._data], cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        self._process.kill()
        self._process.communicate()
        self._directory.cleanup()

    def _sign_in(self) -> None:
        assert self._process.stdout is not None
        found = None
        while found is None:
            line = self._process.stdout.readline()
            if not line:
                raise RuntimeError("webterm did not start")
            found = re.search(r"127\.0\.0\.1:(\d+)(/\?login=\S+)", line)
        self.port = int(found[1])
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", found[2])
        cookie = connection.getresponse().headers["Set-Cookie"]
        connection.close()
        self._cookie = cookie.partition(";")[0]


class Terminado(Server):
    """tornado with terminado."""

    def __init__(self, shell: list[str]) -> None:
        command = [sys.executable, "-m", "bench.terminado_server", *shell]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("terminado did not start")
        self.port = int(line)
        self.pids = [self._process.pid]

    def web_socket(self, *, peek: int | None = None) -> WebSocket:
        """A connection, which is a terminal."""
        return WebSocket(self.port, "/websocket", headers={}, peek=peek)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def cpu_of(pid: int) -> float:
    """Seconds of CPU, user and system, of one process: its own clock, see clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def _holders_of(data: str) -> list[int]:
    """The keepers of a data directory, by their command lines."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"webterm.keeper" in command and data.encode() in b" ".join(command):
                found.append(int(entry.name))
    return found
