"""The same work by as little program as can be, in a process of its own: what this machine allows at that moment."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import pty
import socket
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

_PIECE = 1024 * 1024
_PAUSE = 0.02  # seconds between two keys of who types
_F_SETPIPE_SZ = 1031


@contextmanager
def taking(path: Path) -> Iterator[int]:
    """A program that takes one connection at the port that this gives, writes all of it to ``path``, and says ``ok``.

    The kernel moves the bytes (splice); nothing looks at them.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = multiprocessing.get_context("fork").Process(target=_take, args=(server, path))
        process.start()
        try:
            yield int(server.getsockname()[1])
        except BaseException:
            process.kill()  # it may wait for ever for a connection
            raise
        finally:
            process.join()


def _take(server: socket.socket, path: Path) -> None:
    line, _ = server.accept()
    out, into = os.pipe()
    fcntl.fcntl(into, _F_SETPIPE_SZ, _PIECE)
    with open(path, "wb", buffering=0) as file:
        while count := os.splice(line.fileno(), into, _PIECE):
            while count:
                count -= os.splice(out, file.fileno(), count)
    line.sendall(b"ok")
    line.close()


def typing() -> AbstractContextManager[list[float]]:
    """Somebody types into `cat` on a terminal of this machine; times from key to echo, in seconds, there at the end."""
    return beside(_type)


@contextmanager
def beside(work: Callable[[Connection], list[float]]) -> Iterator[list[float]]:
    """``work`` goes on in a process of its own, so that what is done here meanwhile does not count.

    It says that it has begun, goes on until something comes, and gives times, which are there at the end.
    """
    times: list[float] = []
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=lambda: there.send(work(there)))
    process.start()
    here.recv()
    try:
        yield times
    finally:
        here.send("over")
        times += here.recv()
        process.join()


def _type(caller: Connection) -> list[float]:
    child, terminal = pty.fork()
    if child == 0:
        os.execvp("cat", ["cat"])
    tty.setraw(terminal)
    caller.send("ready")
    times: list[float] = []
    while not caller.poll(_PAUSE):
        began = time.perf_counter()
        os.write(terminal, b"x")
        os.read(terminal, 64)
        times.append(time.perf_counter() - began)
    os.close(terminal)
    os.waitpid(child, 0)
    return times
