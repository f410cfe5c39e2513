"""A keeper of its own for each test, and somebody who speaks with it without any of the client's code."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from webterm.keeper.starting import dial, start_keeper
from webterm.keeper.wire import VERSION, KeeperError, Link, Message, Packet, close_all

PATIENCE = 1.0
TOKEN = f"token-{os.getpid():08}"
"""Programs are found by it all over the machine: tests that run beside these have another one."""


def wait_readable(fd: int) -> None:
    ready, _, _ = select.select([fd], [], [], 20)
    assert ready, "nothing came within 20 seconds"


class Peer:
    """One end of the keeper's socket, used in turns: ask, then look at the answer."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.events: list[Message] = []
        self.masters: list[int] = []
        self._last_id = 0

    def hello(self) -> Message:
        packet = self.ask("hello", version=VERSION)
        packet.close()
        return packet.message

    def ask(self, name: str, fds: Sequence[int] = (), /, **fields: object) -> Packet:
        self.send(name, fds, **fields)
        return self.reply()

    def send(self, name: str, fds: Sequence[int] = (), /, **fields: object) -> None:
        self._last_id += 1
        self.link.send({"id": self._last_id, "do": name, **fields}, fds)

    def send_raw(self, data: bytes) -> None:
        os.write(self.link.fileno(), data)

    def reply(self) -> Packet:
        while True:
            packet = self.receive()
            if "event" not in packet.message:
                return packet
            self.events.append(packet.message)

    def event(self) -> Message:
        while not self.events:
            packet = self.receive()
            assert "event" in packet.message
            self.events.append(packet.message)
        return self.events.pop(0)

    def receive(self) -> Packet:
        wait_readable(self.link.fileno())
        return self.link.receive()

    def spawn(self, *argv: str, token: str = TOKEN, **fields: object) -> int:
        """Start a program; returns the master of its terminal."""
        env = {"PATH": os.environ["PATH"], "WEBTERM_TERMINAL": token}
        order = {"env": env, "cwd": "/", "cols": 80, "rows": 24, "record": "", **fields}
        packet = self.ask("spawn", token=token, argv=list(argv), **order)
        assert "ok" in packet.message, packet.message
        self.masters.append(packet.fds[0])
        return packet.fds[0]

    def close(self) -> None:
        self.link.close()
        close_all(self.masters)

    def settle(self) -> None:
        """The keeper has seen all that had happened: what is ready together is handled in any order, but once."""
        for _ in range(2):
            self.ask("list")


def wait_reaped(peer: Peer, *pids: int) -> None:
    """Wait until nothing is left of the processes; the kernel tells of an end a moment before it tells the parent."""
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline, "not ended, or not reaped"
        peer.ask("list")


def error_code(packet: Packet) -> object:
    error = packet.message["error"]
    assert isinstance(error, dict)
    assert error["text"]
    return error["code"]


def read_all(master: int) -> bytes:
    """All output of a program, which has to end."""
    output = b""
    while True:
        wait_readable(master)
        try:
            output += os.read(master, 65536)
        except OSError:
            return output


def read_until(master: int, end: bytes) -> bytes:
    output = b""
    while end not in output:
        wait_readable(master)
        output += os.read(master, 65536)
    return output


def wait_gone(pid: int) -> None:
    """Wait until a process has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        wait_readable(fd)
    finally:
        os.close(fd)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A directory for a keeper; whatever keeper is there in the end is ended."""
    place = tmp_path / "keeper"
    place.mkdir(mode=0o700)
    yield place
    end_keeper(place)


def end_keeper(place: Path) -> None:
    try:
        peer = Peer(dial(place))
    except KeeperError:
        return
    peer.send("shutdown", grace_s=0)
    with contextlib.suppress(EOFError):
        while True:
            peer.receive()
    peer.close()


@pytest.fixture
def keeper(directory: Path) -> Path:
    """The directory of a running keeper."""
    assert start_keeper(directory, PATIENCE) == 0
    return directory


@pytest.fixture
def knock(keeper: Path) -> Iterator[Callable[[], Peer]]:
    """Opens links to the keeper that have not said hello."""
    with contextlib.ExitStack() as stack:

        def dialled() -> Peer:
            peer = Peer(dial(keeper))
            stack.callback(peer.close)
            return peer

        yield dialled


@pytest.fixture
def peer(knock: Callable[[], Peer]) -> Peer:
    """The served server."""
    peer = knock()
    peer.hello()
    return peer


def pair() -> tuple[Link, Link]:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Link(left), Link(right)
