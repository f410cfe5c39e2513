"""Files up and down: a large one beside `cp` on the same disk, and many small ones while somebody types."""

from __future__ import annotations

import dataclasses
import http.client
import io
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from bench import bare
from bench.figures import Row, at_least, at_most, bounded, compare, percentile, shown
from bench.programs import READY, Programs
from bench.servers import Webterm
from bench.terminals import ThroughWebterm, now

_MIB = 1024 * 1024
_PIECE = 4 * _MIB
_FOLDERS = 200
_AT_ONCE = 500  # files in one form
_PAUSE = 0.02  # seconds between two keys of who types


class Workspace:
    """A new workspace of the owner's, and plain HTTP to it."""

    def __init__(self, webterm: Webterm) -> None:
        self._webterm = webterm
        made = self.call("POST", "/api/v1/workspaces", json.dumps({"name": "bench"}).encode())
        self.id: str = json.loads(made)["id"]
        self._path = f"/api/v1/workspaces/{self.id}"

    def call(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
        """One request; raises `RuntimeError` when it is refused."""
        connection = http.client.HTTPConnection("127.0.0.1", self._webterm.port, timeout=600)
        headers = {**self._webterm.headers, **({} if body is None else {"Content-Type": kind})}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:200]!r}")
        return data

    def here(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
        """One request about this workspace."""
        return self.call(method, self._path + path, body, kind)

    def up(self, source: Path, name: str) -> None:
        """A file, as an upload that could be resumed, in one piece, with as little work here as can be."""
        size = source.stat().st_size
        begun = json.loads(self.here("POST", "/uploads", json.dumps({"path": name, "size": size}).encode()))
        head = self._head("PUT", f"/uploads/{begun['upload']}?offset=0", {"Content-Length": str(size)})
        with socket.create_connection(("127.0.0.1", self._webterm.port)) as line, open(source, "rb") as file:
            line.sendall(head)
            line.sendfile(file)
            answer = line.recv(65536)
        if b'"entry"' not in answer and b" 200 " not in answer.splitlines()[0]:
            raise RuntimeError(f"upload: {answer[:300]!r}")

    def down(self, path: str) -> int:
        """How many bytes come, with as little work here as can be."""
        count, buffer = 0, bytearray(_MIB)
        with socket.create_connection(("127.0.0.1", self._webterm.port)) as line:
            line.sendall(self._head("GET", path, {}))
            while got := line.recv_into(buffer):
                count += got
        return count

    def close(self) -> None:
        """Remove it with everything in it."""
        self.here("DELETE", "?purge=1")

    def _head(self, method: str, path: str, more: dict[str, str]) -> bytes:
        headers = {**self._webterm.headers, "Host": f"127.0.0.1:{self._webterm.port}", "Connection": "close", **more}
        lines = [f"{method} {self._path}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode()


def measure_large(webterm: Webterm, *, rounds: int, size: int) -> Iterator[Row]:
    """Rows about a file of ``size`` bytes.

    All who write it write a new file, when nothing of the one before them is left: so all have the same memory.
    """
    told: dict[str, list[float]] = {"cp": [], "bare": [], "up": [], "down": []}
    kept: dict[str, list[float]] = {name: [] for name in told}
    grown = []
    with tempfile.TemporaryDirectory(prefix="webterm-bench-") as directory:
        source, copy = Path(directory, "source"), Path(directory, "copy")
        with open(source, "wb") as file:
            for _ in range(size // _PIECE):
                file.write(os.urandom(_PIECE))
        workspace = Workspace(webterm)
        steps: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "cp": (lambda: subprocess.run(["cp", source, copy], check=True), copy.unlink),
            "bare": (lambda: _up_bare(source, copy), copy.unlink),
            "up": (lambda: workspace.up(source, "file"), lambda: None),
            "down": (lambda: workspace.down("/files/file"), lambda: workspace.here("DELETE", "/files/file")),
        }
        for number in range(rounds + 1):
            with growth_of(webterm) as growth:
                for name, (work, remove) in steps.items():
                    os.sync()
                    seconds = _seconds(work)
                    synced = seconds + _seconds(os.sync)
                    remove()
                    if number:  # the first round warms up
                        told[name].append(size / seconds / _MIB)
                        kept[name].append(size / synced / _MIB)
            if number:
                grown.append(growth[0] / _MIB)
        workspace.close()
    what, other = f"{size // _MIB} MiB", "splice from a socket to a file"
    yield compare(f"{what} up", told["up"], "cp", told["cp"], at_least(0.5), unit="MiB/s")
    yield compare(f"{what} up", told["up"], other, told["bare"], at_least(0.7), unit="MiB/s")
    yield compare(f"{what} up and on the disk", kept["up"], "cp, sync", kept["cp"], at_least(0.5), unit="MiB/s")
    yield Row(what=f"{what} down", figure=shown(told["down"], "MiB/s"))
    yield bounded(f"memory of the server meanwhile, {what} up and down", grown, at_most(64), unit="MiB")


def _up_bare(source: Path, copy: Path) -> None:
    with bare.taking(copy) as port, socket.create_connection(("127.0.0.1", port)) as line, open(source, "rb") as file:
        line.sendfile(file)
        line.shutdown(socket.SHUT_WR)
        line.recv(2)


def measure_small(webterm: Webterm, programs: Programs, *, count: int) -> Iterator[Row]:
    """Rows about a folder of ``count`` small files."""
    names = [f"d{number % _FOLDERS}/file {number}.txt" for number in range(count)]
    forms = [_form(names[begin : begin + _AT_ONCE]) for begin in range(0, count, _AT_ONCE)]
    workspace = Workspace(webterm)
    steps: dict[str, Callable[[], object]] = {
        "nothing": lambda: time.sleep(3),
        "up": lambda: [workspace.here("POST", "/upload/folder", form, _FORM) for form in forms],
        "list": lambda: _list_all(workspace),
        "zip": lambda: _check_zip(workspace.here("GET", "/archive/folder"), count),
        "search": lambda: workspace.here("GET", "/search?query=needle&content=1"),
        "remove": lambda: workspace.here("DELETE", "/files/folder?recursive=1"),
    }
    beside = {"remove": f"rm -r: {_seconds_of_rm(names):.2f} s"}
    for name, step in steps.items():
        os.sync()  # what the step before has left to the disk
        with bare.beside(lambda caller: _type_on(webterm, programs, caller)) as times, bare.typing() as bare_times:
            seconds = _seconds(step)
        if name != "nothing":
            yield Row(what=f"{count} small files: {name}", figure=shown([seconds], "s"), against=beside.get(name, ""))
        usual = (
            f"p50 {percentile(times, 0.5) * 1000:.2f} ms; longest on a bare terminal: {max(bare_times) * 1000:.1f} ms"
        )
        what = f"the longest echo for another who types meanwhile: {name}"
        row = bounded(what, [max(times) * 1000], at_most(50), unit="ms")
        yield dataclasses.replace(row, against=usual, held=None if name == "nothing" else row.held)
    workspace.close()


def _seconds_of_rm(names: list[str]) -> float:
    """How long it takes to remove the same files without us."""
    with tempfile.TemporaryDirectory(prefix="webterm-bench-") as directory:
        for name in names:
            path = Path(directory, "folder", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"This is what is in {name}.\n")
        os.sync()
        return _seconds(lambda: subprocess.run(["rm", "-r", Path(directory, "folder")], check=True))


_FORM = "multipart/form-data; boundary=parting"


def _form(names: list[str]) -> bytes:
    out = io.BytesIO()
    for name in names:
        out.write(
            b'--parting\r\nContent-Disposition: form-data; name="file"; filename="' + name.encode() + b'"\r\n\r\n'
        )
        out.write(b"This is what is in " + name.encode() + b".\n\r\n")
    out.write(b"--parting--\r\n")
    return out.getvalue()


def _list_all(workspace: Workspace) -> None:
    after, count = "", 0
    while after is not None:
        page = json.loads(
            workspace.here("GET", f"/tree?depth=3&limit=5000&after={after}" if after else "/tree?depth=3&limit=5000")
        )
        after, count = page["next"], count + len(page["items"])


def _check_zip(data: bytes, count: int) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as pack:
        files = [info for info in pack.infolist() if not info.is_dir()]
        if len(files) != count:
            raise RuntimeError(f"{len(files)} of {count} files are in the archive")


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextmanager
def growth_of(webterm: Webterm) -> Iterator[list[int]]:
    """The most by which the server's memory has grown meanwhile."""
    before, most, over = webterm.anonymous_memory(), [0], threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            most[0] = max(most[0], webterm.anonymous_memory() - before)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield most
    finally:
        over.set()
        looking.join()


def _type_on(webterm: Webterm, programs: Programs, caller: Connection) -> list[float]:
    """Somebody types; times from key press to echo, in seconds."""
    times: list[float] = []
    terminal = ThroughWebterm(webterm, "binary", programs.raw_cat)
    terminal.read_until(READY)
    caller.send("ready")
    while not caller.poll(_PAUSE):
        began = now()
        terminal.write("x")
        while not terminal.read():
            pass
        times.append(now() - began)
    terminal.close()
    return times
