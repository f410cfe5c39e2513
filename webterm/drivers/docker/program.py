"""A program in a container: what the engine is told to run, and how it says that it runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import signal
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from webterm.drivers.docker.stream import (
    Frames,
    Order,
    begin,
    exec_status,
    peek,
    prepare,
    speaks_in_frames,
)
from webterm.drivers.duplex import readable
from webterm.drivers.sandbox_layout import HOME
from webterm.errors import EngineUnavailable, LaunchFailed
from webterm.execution import Stream
from webterm.exits import Exit
from webterm.ids import WorkspaceId
from webterm.session import Launch, Size

if TYPE_CHECKING:
    from webterm.drivers.docker.containers import Container
    from webterm.drivers.docker.engine import Engine

MARK = "WEBTERM_EXEC"
"""The environment variable that marks everything which comes of a program with the program's token."""

PREFIX = "docker-"
TAIL = "[A-Za-z0-9_-]{16}"
"""What nobody can guess of a token."""
_TOKEN = re.compile(rf"{PREFIX}(.+)-{TAIL}")
_OURS = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "TERM_PROGRAM": "webterm"}
_ENDING = {
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "XCPU", "XFSZ", "SYS",
}  # fmt: skip
"""Signals that end programs: a status above 128 may tell of one (signal(7))."""
_LEFT_TO_SHELLS = ("INT", "QUIT", "PIPE")
_LONGEST_WORDS = 4096
_BEGIN_TIMEOUT = 60.0
_LONGEST_BEFORE = 64 * 1024
"""Bytes that may come before a program says that it runs: others in its container could write for ever."""

_BEGIN = r"""
if ! cd -P -- "$1" 2>/dev/null; then printf '%s: no such file or directory, or one that is closed\n' "$1"; exit 126; fi
shift
unset OLDPWD
: "${LANG:=C.UTF-8}"; export LANG
if [ $# = 0 ]; then
  if command -v bash >/dev/null 2>&1; then set -- bash -l; else set -- sh -l; fi
  SHELL=$(command -v "$1"); export SHELL
fi
if command -v -- "$1" >/dev/null 2>&1; then printf '\001%s\002' "$$"; exec "$@"; fi
printf '\001-\002'
exit 127
"""
"""Says which number its process has in the container, and becomes the program; ``-`` where there is none such.

It goes into its directory itself: the engine would go there with descriptors of its machine still open."""
_WAIT = "IFS= read -r _\n"
"""A terminal gets its size when its first process runs already. The program must not see it without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a program runs: what it takes to find it again. ``leader`` is its number in the container."""

    exec: str
    container: str
    user: str
    leader: int
    shell: bool
    host_pid: int | None = None

    def dump(self) -> str:
        """As text, for `load`."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Place | None:
        """What `dump` has made; None where it is something else."""
        with contextlib.suppress(ValueError, TypeError):
            return cls(**json.loads(text))
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A program that runs, and its stream, which is the receiver's. ``frames`` may have some of its output already."""

    place: Place
    stream: socket.socket
    frames: Frames


def new_token(workspace: WorkspaceId) -> str:
    """A fresh token, which nobody can guess, for a program in a workspace's container."""
    return f"{PREFIX}{workspace}-{secrets.token_urlsafe(12)}"


def workspace_of(token: str) -> WorkspaceId | None:
    """The workspace in whose container a program is; None for what is no token of this driver's."""
    match = _TOKEN.fullmatch(token)
    return None if match is None else WorkspaceId(match[1])


def exit_of(status: int, *, shell: bool) -> Exit:
    """What the engine says of an end. It does not tell 128 and a signal's number from that signal.

    A login shell ends with such a status, too: with that of the last command, which somebody may have interrupted.
    """
    name = _signal(status - 128)
    if name not in _ENDING or (shell and name in _LEFT_TO_SHELLS):
        return Exit(status=status & 0xFF)
    return Exit(signal=name)


def _signal(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name.removeprefix("SIG")
    return ""


def order_for(launch: Launch, token: str, user: str, env: Mapping[str, str], *, terminal: bool) -> Order:
    """What to run for a launch. ``env`` is of the settings."""
    added = {} if launch.runtime is None else launch.runtime.env
    ours = _OURS if terminal else {}
    directory = str(PurePosixPath(HOME, launch.cwd or ""))
    return Order(
        argv=("/bin/sh", "-c", (_WAIT if terminal else "") + _BEGIN, "sh", directory, *launch.argv),
        user=user,
        env={**ours, **env, **added, **launch.env, MARK: token},
        terminal=terminal,
    )


async def launch_in(engine: Engine, container: Container, order: Order, size: Size | None, *, shell: bool) -> Begun:
    """Start a program, and wait until it runs.

    Raises `webterm.errors.LaunchFailed`, `webterm.errors.EngineUnavailable` and
    `webterm.drivers.docker.engine.EngineRefusal`. Where this raises or is cancelled the program may run: its tree has
    to be ended.
    """
    exec_id = await prepare(engine, container.id, order)
    stream = await begin(engine, exec_id, terminal=order.terminal)
    try:
        frames = Frames()
        if size is not None:
            await _give_size(engine, exec_id, stream, size)
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().sock_sendall(stream, b"\n")
        try:
            async with asyncio.timeout(_BEGIN_TIMEOUT):
                leader = int(await (_until_it_says(stream, frames) if size is None else _until_it_runs(stream)))
        except ValueError:
            raise LaunchFailed(f"there is no program {order.argv[5]!r} in the container") from None
        except _NotBegun as fault:
            raise await _failure(engine, exec_id, fault.words) from None
        seen = await engine.call("GET", f"exec/{exec_id}/json") if container.pid is not None and size else {}
        place = Place(
            exec=exec_id,
            container=container.id,
            user=order.user,
            leader=leader,
            shell=shell,
            host_pid=seen.get("Pid") or None,
        )
        return Begun(place=place, stream=stream, frames=frames)
    except BaseException as error:
        stream.close()
        if isinstance(error, TimeoutError):
            raise EngineUnavailable("the program did not begin in time") from error
        if isinstance(error, OSError):
            raise EngineUnavailable("the container engine hung up") from error
        raise


async def _give_size(engine: Engine, exec_id: str, stream: socket.socket, size: Size) -> None:
    """Give the terminal its size, once there is one. Whatever is said before is said by an engine that failed."""
    giving = asyncio.ensure_future(give_size(engine, exec_id, size))
    talking = asyncio.ensure_future(readable(stream.fileno()))
    try:
        await asyncio.wait([giving, talking], return_when=asyncio.FIRST_COMPLETED)
        if not talking.done():
            await giving
    finally:
        for task in (giving, talking):
            task.cancel()
        await asyncio.wait([giving, talking])
        _ = giving.cancelled() or giving.exception()


async def give_size(engine: Engine, exec_id: str, size: Size) -> None:
    """Resize a program's terminal. Raises `webterm.errors.EngineUnavailable` and `EngineRefusal`."""
    await engine.call("POST", f"exec/{exec_id}/resize", params={"h": str(size.rows), "w": str(size.cols)})


class _NotBegun(Exception):
    """The stream has ended before the program began; ``words`` are what was said."""

    def __init__(self, words: bytes) -> None:
        super().__init__(words)
        self.words = words


async def _until_it_runs(stream: socket.socket) -> str:
    """What a program with a terminal says first; nothing after that is touched."""
    said = b""
    while True:
        seen = await peek(stream)
        if not seen or len(said) > _LONGEST_WORDS:
            raise _NotBegun(said)
        end = (said + seen).find(b"\2")
        said += stream.recv(len(seen) if end < 0 else end + 1 - len(said))
        if end >= 0:
            return said.rpartition(b"\1")[2][:-1].decode("ascii", "replace")


async def _until_it_says(stream: socket.socket, frames: Frames) -> str:
    """The same without a terminal; what was said beside it is put back."""
    first = await peek(stream)
    if not speaks_in_frames(first):
        raise _NotBegun(stream.recv(_LONGEST_WORDS))
    said = beside = b""
    while b"\2" not in said:
        try:
            piece = frames.read(stream.fileno())
        except BlockingIOError:
            await readable(stream.fileno())
            continue
        if piece is None or len(said) + len(beside) > _LONGEST_BEFORE:
            raise _NotBegun(beside + said)
        if piece[0] is Stream.STDOUT:
            said += piece[1]
        else:
            beside += piece[1]
    word, _, rest = said.partition(b"\2")
    frames.put_back((Stream.STDERR, beside), (Stream.STDOUT, rest))
    return word.rpartition(b"\1")[2].decode("ascii", "replace")


async def _failure(engine: Engine, exec_id: str, words: bytes) -> Exception:
    """Why there is no program."""
    status = await exec_status(engine, exec_id)
    text = _shortened(words.decode("utf-8", "replace").strip())
    if status in (126, 127, 128):
        return LaunchFailed(text or f"the program cannot be run (status {status})")
    return EngineUnavailable(f"the program ended before it began: {text or 'nobody says why'}")


def _shortened(text: str) -> str:
    """The engine says where it came from on its way to what it has to say."""
    return text.rpartition("unable to start container process: ")[2][:400]
