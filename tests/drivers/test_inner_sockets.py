"""The process that makes sockets in other network namespaces: it says what it may not do, and ends in time."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.drivers.sandboxes import running
from webterm.drivers.inner_sockets import CannotEnter, InnerSockets, connect
from webterm.errors import NoSuchPort


@pytest.fixture
def no_namespace() -> Iterator[int]:
    """A descriptor that is none of a namespace."""
    fd = os.open("/dev/null", os.O_RDONLY)
    yield fd
    os.close(fd)


def helpers() -> set[int]:
    """Those of this process."""
    return {pid for pid in running("inner_sockets_process") if f"\nPPid:\t{os.getpid()}\n" in status(pid)}


def status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""


async def test_a_refusal_is_said_and_the_next_is_served(no_namespace: int) -> None:
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    async with aclosing(InnerSockets()) as sockets:
        for namespaces in ([no_namespace], [no_namespace, no_namespace]):
            with pytest.raises(CannotEnter, match="Invalid argument"):
                await sockets.make(socket.AF_INET, namespaces)
        if os.geteuid() == 0:
            with socket.create_server(("127.0.0.1", 0)) as server:
                sock = await sockets.make(socket.AF_INET, [own])
                await connect(sock, "127.0.0.1", server.getsockname()[1])
                sock.close()
        (helper,) = helpers()
        os.kill(helper, signal.SIGKILL)
        os.waitid(os.P_PID, helper, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - it has been killed
        with pytest.raises(CannotEnter, match="Invalid argument"):
            await sockets.make(socket.AF_INET6, [no_namespace])
        assert helpers() - {helper}
    assert not helpers()
    os.close(own)


async def test_it_ends_when_nobody_needs_it(no_namespace: int) -> None:
    sockets = InnerSockets(rest=0.01)
    with pytest.raises(CannotEnter):
        await sockets.make(socket.AF_INET, [no_namespace])
    async with asyncio.timeout(60):
        while helpers():  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)
    await sockets.aclose()


async def test_nobody_at_the_other_end_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    sock = socket.socket()
    sock.setblocking(False)
    with pytest.raises(NoSuchPort, match="Connection refused"):
        await connect(sock, "127.0.0.1", port)
    assert sock.fileno() == -1
