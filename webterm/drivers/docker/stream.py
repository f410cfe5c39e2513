"""Raw streams of programs in containers: begun over a connection of their own, cut into frames, run to their end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from webterm.drivers.docker.engine import EngineRefusal
from webterm.drivers.duplex import readable
from webterm.errors import EngineUnavailable
from webterm.execution import Stream

if TYPE_CHECKING:
    from webterm.drivers.docker.engine import Engine

CHUNK = 64 * 1024
DETACH_KEYS = ",".join(("ctrl-@", "ctrl-^") * 8)
"""What makes the engine let go of a terminal cannot be switched off. This is what nobody ever sends, and of what can
be set it delays the least: only a NUL waits for the byte after it. (One key repeated loses and doubles bytes. So does
the beginning of this, NUL and Ctrl-^ by turns.)"""

_HEAD = 8
_LONGEST_HEAD = 16 * 1024
_ANSWER_TIMEOUT = 30.0
_END_TIMEOUT = 10.0
_FIRST_PAUSE = 0.002
_LONGEST_END = 32
_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BEGIN_WITH = f"""
IFS= read -r end_word
exec </dev/null
PATH={_SYSTEM}:$PATH
trap 'printf "%s %s." "$end_word" "$?"' EXIT
"""
"""The word by which a script says that it is at its end is told to it alone: other programs see its arguments."""
"""Where scripts look for programs first: an image may say that people's own come first."""
_STREAMS = {1: Stream.STDOUT, 2: Stream.STDERR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run in a container: ``env`` is added to the container's own, ``user`` is ``UID:UID``."""

    argv: Sequence[str]
    user: str
    env: Mapping[str, str] = field(default_factory=dict)
    terminal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A script that has run to its end."""

    status: int
    stdout: bytes


async def prepare(engine: Engine, container: str, order: Order) -> str:
    """Tell the engine what to run; returns the id of the exec, which does not run yet.

    Raises `webterm.errors.EngineUnavailable` and `webterm.drivers.docker.engine.EngineRefusal`.
    """
    wanted: dict[str, Any] = {
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": order.terminal,
        "User": order.user,
        "Env": [f"{name}={value}" for name, value in order.env.items()],
        "Cmd": list(order.argv),
    }
    if order.terminal:
        wanted["DetachKeys"] = DETACH_KEYS
    made = await engine.call("POST", f"containers/{container}/exec", body=wanted)
    return str(made["Id"])


async def begin(engine: Engine, exec_id: str, *, terminal: bool) -> socket.socket:
    """Start a prepared exec; returns its stream, non-blocking, at its very first byte. It is the caller's.

    The program's input ends with the stream's sending half, unless it has a terminal. Raises
    `webterm.errors.EngineUnavailable` and `webterm.drivers.docker.engine.EngineRefusal`. Cancelling closes the
    connection; whether the program runs then is not known.
    """
    sock = await engine.connect()
    try:
        async with asyncio.timeout(_ANSWER_TIMEOUT):
            await _ask(sock, exec_id, terminal=terminal)
            return sock
    except BaseException as error:
        sock.close()
        if isinstance(error, TimeoutError | OSError):
            raise EngineUnavailable("the container engine began no stream") from error
        raise


async def _ask(sock: socket.socket, exec_id: str, *, terminal: bool) -> None:
    body = json.dumps({"Detach": False, "Tty": terminal}).encode()
    head = (
        f"POST /exec/{exec_id}/start HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    )
    await asyncio.get_running_loop().sock_sendall(sock, head.encode() + body)
    said = await _answer_head(sock)
    status = int(said.split(maxsplit=2)[1]) if len(said.split(maxsplit=2)) > 1 and said.split()[1].isdigit() else 0
    if status != 101:
        raise EngineRefusal(status, await _reason(sock))


async def _answer_head(sock: socket.socket) -> bytes:
    """The head of the answer, and not a byte more: what follows is the program's."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        seen = await peek(sock)
        if not seen or len(head) > _LONGEST_HEAD:
            raise EngineUnavailable("the container engine hung up instead of beginning a stream")
        end = (head + seen).find(b"\r\n\r\n")
        head += sock.recv(len(seen) if end < 0 else end + 4 - len(head))
    return head


async def peek(sock: socket.socket) -> bytes:
    """What has arrived, left where it is; ``b""`` at the end. Waits for the first byte. Raises OSError."""
    while True:
        try:
            return sock.recv(4096, socket.MSG_PEEK)
        except BlockingIOError:
            await readable(sock.fileno())


async def _reason(sock: socket.socket) -> str:
    """Why the engine refuses: the start of its answer is enough, and comes at once."""
    data = await peek(sock)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(data)["message"])
    return data.decode("utf-8", "replace")


def shut_down(fd: int) -> None:
    """End a stream in both directions, whoever else has it. What has arrived can still be read."""
    with socket.socket(fileno=os.dup(fd)) as sock, contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class Frames:
    """Output without a terminal, as it arrives in frames: stdout and stderr apart."""

    def __init__(self) -> None:
        self._ahead: deque[tuple[Stream, bytes]] = deque()
        self._head = b""
        self._stream = Stream.STDOUT
        self._left = 0

    def read(self, fd: int) -> tuple[Stream, bytes] | None:
        """The next piece; None at the end. Raises BlockingIOError where there is nothing yet: nothing is lost."""
        return self._ahead.popleft() if self._ahead else self._receive(fd)

    def take(self, fd: int) -> bool:
        """Have the next piece come from memory; whether there was one. Raises BlockingIOError."""
        piece = self._receive(fd)
        if piece is not None:
            self._ahead.append(piece)
        return piece is not None

    def _receive(self, fd: int) -> tuple[Stream, bytes] | None:
        while True:
            if self._left:
                data = _received(fd, min(self._left, CHUNK))
                self._left -= len(data)
                return (self._stream, data) if data else None
            data = _received(fd, _HEAD - len(self._head))
            if not data:
                return None
            self._head += data
            if len(self._head) == _HEAD:
                self._stream = _STREAMS.get(self._head[0], Stream.STDOUT)
                self._left = int.from_bytes(self._head[4:])
                self._head = b""

    def put_back(self, *pieces: tuple[Stream, bytes]) -> None:
        """Have these come next."""
        self._ahead.extendleft(piece for piece in reversed(pieces) if piece[1])


def speaks_in_frames(first: bytes) -> bool:
    """Whether the first bytes of a stream without a terminal are a program's: the engine itself knows no frames."""
    return not first or first[0] in _STREAMS


def _received(fd: int, size: int) -> bytes:
    try:
        return os.read(fd, size)
    except ConnectionError:
        return b""


async def exec_status(engine: Engine, exec_id: str, *, patience: float = _END_TIMEOUT) -> int | None:
    """How a program ended whose stream is at its end; None where the engine does not know it any more.

    Raises `webterm.errors.EngineUnavailable`, also where after ``patience`` seconds it is still said to run.
    """
    pause = _FIRST_PAUSE
    try:
        async with asyncio.timeout(patience):
            while True:
                seen = await engine.call("GET", f"exec/{exec_id}/json", timeout=2 * _END_TIMEOUT)
                if not seen["Running"] and seen["ExitCode"] is not None:
                    return int(seen["ExitCode"])
                await asyncio.sleep(pause)  # the stream may end a moment before
                pause = min(2 * pause, 0.25)
    except EngineRefusal as refusal:
        if refusal.answer == 404:
            return None
        raise
    except TimeoutError as error:
        raise EngineUnavailable("the container engine does not tell the end of a program") from error


async def runs(engine: Engine, exec_id: str) -> bool:
    """Whether a program runs, or nobody answers who would know."""
    try:
        seen = await engine.call("GET", f"exec/{exec_id}/json", timeout=_END_TIMEOUT)
        return bool(seen["Running"])
    except EngineRefusal as refusal:
        return refusal.answer != 404
    except EngineUnavailable:
        return True


async def run(
    engine: Engine,
    container: str,
    script: str,
    *arguments: str,
    user: str,
    timeout: float = 10.0,
    most: int = 1024 * 1024,
) -> Ran:
    """Run a script of ``sh`` in a container to its end; no more than ``most`` bytes of its output count.

    It says itself that it is at its end: an engine may not tell before all programs of the container that have ended
    are read to their last byte. Raises `webterm.errors.EngineUnavailable`, also after ``timeout`` seconds, and
    `webterm.drivers.docker.engine.EngineRefusal`. Cancelling, or a timeout, leaves the script running.
    """
    word = secrets.token_hex(8)
    argv = ("/bin/sh", "-c", f"{_BEGIN_WITH}\n{script}", "sh", *arguments)
    try:
        async with asyncio.timeout(timeout):
            order = Order(argv=argv, user=user)
            sock = await begin(engine, await prepare(engine, container, order), terminal=False)
            try:
                await asyncio.get_running_loop().sock_sendall(sock, f"{word}\n".encode())
                return await _read_to_end(sock, word.encode(), most)
            finally:
                sock.close()
    except TimeoutError as error:
        raise EngineUnavailable(f"a script in a container did not end within {timeout:.0f} seconds") from error
    except OSError as error:
        raise EngineUnavailable(f"the container engine hung up: {error}") from error


async def _read_to_end(sock: socket.socket, word: bytes, most: int) -> Ran:
    said = bytearray()
    end = re.compile(word + rb" (\d+)\.$")
    frames, tail = Frames(), b""
    first = await peek(sock)
    if not speaks_in_frames(first):
        raise EngineRefusal(0, first.decode("utf-8", "replace"))
    while True:
        try:
            piece = frames.read(sock.fileno())
        except BlockingIOError:
            await readable(sock.fileno())
            continue
        if piece is None:
            raise EngineUnavailable("a script in a container was ended by something else")
        await asyncio.sleep(0)  # there may always be more: others have to get their turn, and the time limit
        stream, data = piece
        if stream is Stream.STDOUT:
            said += data[: most - len(said)]
            tail = (tail + data)[-_LONGEST_END:]
            if (found := end.search(tail)) is not None:
                return Ran(status=int(found[1]), stdout=bytes(said).removesuffix(found[0]))
