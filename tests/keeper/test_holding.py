"""Streams of programs that run elsewhere, held by the keeper over a restart of the server."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keeper.conftest import PATIENCE, TOKEN, wait_readable
from webterm.keeper.client import KeeperClient, KeeperError, Taken, is_running, shut_down

pytestmark = pytest.mark.both_loops


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The stream, and the end where the program would be."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(20)
    with ours, theirs:
        yield ours, theirs


async def holding(directory: Path, ours: socket.socket, memory: int | None = None) -> KeeperClient:
    client = await KeeperClient.connect(directory, patience=PATIENCE)
    await client.hold(TOKEN, ours.fileno(), record=b"\xffrecord", note="where it leads", memory=memory)
    ours.close()
    return client


def told(taken: Taken) -> tuple[bytes, str, int, object]:
    return taken.record, taken.note, taken.pid, taken.exit


async def test_a_stream_outlives_the_server(directory: Path, ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    memory = os.memfd_create("log")
    os.write(memory, b"log")
    client = await holding(directory, ours, memory)
    os.close(memory)
    await client.keep(TOKEN, b"newer")
    await client.aclose()
    theirs.sendall(b"while nobody was there")

    other = await KeeperClient.connect(directory, patience=PATIENCE, start=False)
    assert await other.tokens() == [TOKEN]
    taken = await other.take(TOKEN)
    assert told(taken) == (b"newer", "where it leads", 0, None)
    assert os.read(taken.master, 100) == b"while nobody was there"
    os.write(taken.master, b"typed")
    assert theirs.recv(100) == b"typed"
    assert taken.memory is not None
    assert os.pread(taken.memory, 100, 0) == b"log"
    for fd in (taken.master, taken.memory):
        os.close(fd)
    await other.aclose()


@pytest.mark.parametrize("how", ["hang_up", "forget", "shut_down"])
async def test_it_is_closed_when_nobody_wants_it(
    directory: Path, ends: tuple[socket.socket, socket.socket], how: str
) -> None:
    ours, theirs = ends
    client = await holding(directory, ours)
    if how == "hang_up":
        assert await client.hang_up(TOKEN, grace=60, scope="tree") is None
    elif how == "forget":
        await client.forget(TOKEN)
    else:
        await client.aclose()
        assert await shut_down(directory, 60) == 1
    wait_readable(theirs.fileno())
    assert theirs.recv(1) == b""
    if how != "shut_down":
        assert await client.tokens() == []
        await client.aclose()
    else:
        assert not await is_running(directory)


async def test_what_it_is_not(directory: Path, ends: tuple[socket.socket, socket.socket]) -> None:
    """It has no process to signal; a token has one stream; nothing is held of a request that is refused."""
    ours, theirs = ends
    again = ours.dup()
    client = await holding(directory, ours)
    with pytest.raises(KeeperError, match="not run here"):
        await client.signal(TOKEN, "TERM")
    with again, pytest.raises(KeeperError, match="in use"):
        await client.hold(TOKEN, again.fileno())
    with pytest.raises(KeeperError, match="exceeds"):
        await client.hold("another-token", theirs.fileno(), note="x" * 5000)
    assert await client.tokens() == [TOKEN]
    await client.hang_up(TOKEN, grace=0, scope="tree")
    assert theirs.recv(1) == b""
    await client.aclose()
