"""Messages between a server and its keeper: one JSON object, and descriptors, per packet (unix(7), SOCK_SEQPACKET).

A request carries ``id`` and ``do``; its reply the same ``id`` and either ``ok`` (an object) or ``error`` (an object
with ``code`` and ``text``). What the keeper says unasked carries ``event``. Descriptors travel beside the object as
SCM_RIGHTS. Text that is no UTF-8 (names of files, records) passes unharmed as surrogate escapes (PEP 383).
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

VERSION = 1
"""Of this language. A server and a keeper with different versions refuse each other."""

MAX_MESSAGE = 256 * 1024
MAX_FDS = 4
MAX_RECORD = 32 * 1024
SIGNALS = ("INT", "TERM", "KILL", "HUP", "QUIT", "TSTP", "CONT")

_SOCKET_NAME = "keeper.sock"
_LONGEST_PATH = 100
"""Of ``sun_path``, which holds 108 bytes."""

Message: TypeAlias = dict[str, object]


class KeeperError(Exception):
    """Something the keeper, or the way to it, refused. ``code`` is for machines, the text for people.

    Codes: ``malformed``, ``too_big``, ``version``, ``busy``, ``not_served``, ``no_such_program``, ``launch_failed``,
    ``denied``, ``limit``, ``stopping``, ``descriptors_lost``, ``not_running``, ``lost``, ``no_answer``, ``internal``.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: ``status`` (0-255) or ``signal`` (a name such as ``KILL``), the other is None."""

    status: int | None = None
    signal: str | None = None


@dataclass(frozen=True, slots=True)
class Packet:
    """One received message with its descriptors, which now belong to the receiver."""

    message: Message
    fds: list[int] = field(default_factory=list)

    def close(self) -> None:
        """Close the descriptors that nobody took."""
        close_all(self.fds)


def close_all(fds: list[int]) -> None:
    """Close the descriptors and empty the list."""
    while fds:
        os.close(fds.pop())


def encode(message: Message) -> bytes:
    """The packet of a message. Raises `KeeperError` (``too_big``, ``malformed``)."""
    try:
        data = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise KeeperError("malformed", "a text holds half of a surrogate pair") from None
    if len(data) > MAX_MESSAGE:
        raise KeeperError("too_big", f"the command, its environment and its record exceed {MAX_MESSAGE // 1024} KiB")
    return data


def decode(data: bytes) -> Message:
    """The message of a packet. Raises `KeeperError` (``malformed``)."""
    try:
        message = json.loads(data.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        raise KeeperError("malformed", "the message is no JSON") from None
    if not isinstance(message, dict):
        raise KeeperError("malformed", "the message is no JSON object")
    return message


def text(message: Message, key: str) -> str:
    """The text under ``key``. Raises `KeeperError` (``malformed``), as do its siblings below."""
    value = message.get(key)
    if not isinstance(value, str):
        raise KeeperError("malformed", f"{key} must be a text")
    return value


def number(message: Message, key: str, low: int, high: int) -> int:
    """The integer under ``key``, within the bounds."""
    value = message.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise KeeperError("malformed", f"{key} must be a number from {low} to {high}")
    return value


def seconds(message: Message, key: str) -> float:
    """The duration under ``key``, 0 to one hour."""
    value = message.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 3600:
        raise KeeperError("malformed", f"{key} must be seconds from 0 to 3600")
    return float(value)


def texts(message: Message, key: str) -> list[str]:
    """The list of texts under ``key``."""
    value = message.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise KeeperError("malformed", f"{key} must be a list of texts")
    return value


def mapping(message: Message, key: str) -> dict[str, str]:
    """The object under ``key``, all of whose values are texts."""
    value = message.get(key)
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise KeeperError("malformed", f"{key} must be an object of texts")
    return value


def ended(message: Message) -> Ended:
    """How a program ended, from the ``status`` and ``signal`` of a message."""
    status, signal = message.get("status"), message.get("signal")
    return Ended(status if isinstance(status, int) else None, signal if isinstance(signal, str) else None)


@contextlib.contextmanager
def socket_path(directory: Path) -> Iterator[str]:
    """The path of the keeper's socket, by way of a descriptor of the directory where the true one is too long."""
    path = str(directory / _SOCKET_NAME)
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield path
        return
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}/{_SOCKET_NAME}"
    finally:
        os.close(fd)


class Link:
    """One end of the socket: packets with descriptors, in order, never waiting."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, 2 * MAX_MESSAGE)
        self._sock = sock
        self._unsent: deque[tuple[bytes, list[int]]] = deque()

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def backlog(self) -> bool:
        """Whether packets wait for `flush`, because the other end does not read."""
        return bool(self._unsent)

    def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Send, or put behind what waits. The descriptors stay the caller's; duplicates wait.

        Raises `KeeperError` (``too_big``, ``malformed``) and OSError where the other end has gone.
        """
        data = encode(message)
        if not self._unsent and self._try(data, fds):
            return
        self._unsent.append((data, [os.dup(fd) for fd in fds]))

    def flush(self) -> None:
        """Send what waits, as far as that goes. Raises OSError where the other end has gone."""
        while self._unsent:
            data, fds = self._unsent[0]
            if not self._try(data, fds):
                return
            self._unsent.popleft()
            close_all(fds)

    def _try(self, data: bytes, fds: Sequence[int]) -> bool:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._sock.sendmsg([data], rights, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return False
        return True

    def receive(self) -> Packet:
        """The next packet. Raises BlockingIOError (none now), EOFError (the other end has gone) and `KeeperError`."""
        space = socket.CMSG_LEN(MAX_FDS * array.array("i").itemsize)
        try:
            data, rights, flags, _ = self._sock.recvmsg(MAX_MESSAGE, space, socket.MSG_CMSG_CLOEXEC)
        except (ConnectionError, TimeoutError):
            raise EOFError from None
        fds = array.array("i")
        for level, kind, raw in rights:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(raw[: len(raw) - len(raw) % fds.itemsize])
        packet_fds = list(fds)
        try:
            return Packet(self._checked(data, flags), packet_fds)
        except BaseException:
            close_all(packet_fds)
            raise

    def _checked(self, data: bytes, flags: int) -> Message:
        if not data:
            raise EOFError
        if flags & socket.MSG_TRUNC:
            raise KeeperError("too_big", f"the message exceeds {MAX_MESSAGE // 1024} KiB")
        message = decode(data)
        if flags & socket.MSG_CTRUNC:
            message["descriptors_lost"] = True
        return message

    def peer(self) -> tuple[int, int]:
        """The process id and the user id of whoever opened the other end (unix(7), SO_PEERCRED)."""
        raw = array.array("i")
        raw.frombytes(self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 3 * raw.itemsize))
        return raw[0], raw[1]

    def close(self) -> None:
        """Close the socket and forget what waits. Twice is harmless."""
        while self._unsent:
            close_all(self._unsent.popleft()[1])
        self._sock.close()
