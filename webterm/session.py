"""The waist: one running program with a terminal, whatever runs it.

The hub knows programs only through `Session`; drivers know terminals not at all. Both import this module and never
each other. Everything here is bytes: only a codec at the edge decodes.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from webterm.errors import InvalidRequest, NoSuchPort, TooBig, Unavailable
from webterm.execution import Execution
from webterm.exits import Exit
from webterm.ids import WorkspaceId
from webterm.runtime import DriverHealth, OnRuntimeEnded, OnRuntimeNote, Progress, Runtime, RuntimeProcess, RuntimeStats

__all__ = [
    "MAX_COLS",
    "MAX_RECORD",
    "MAX_ROWS",
    "SIGNALS",
    "Driver",
    "Execution",
    "Exit",
    "Launch",
    "Session",
    "Size",
    "Staging",
    "check_record",
    "check_signal",
]

MAX_COLS = 500
MAX_ROWS = 300

SIGNALS = ("INT", "TERM", "KILL", "HUP", "QUIT", "TSTP", "CONT")
"""Names that `Session.signal` takes."""


MAX_RECORD = 32 * 1024
"""Bytes of a record that `Launch` and `Session.keep` take."""


def check_record(record: bytes) -> None:
    """Raises `webterm.errors.TooBig` for one that is longer than `MAX_RECORD`."""
    if len(record) > MAX_RECORD:
        raise TooBig(f"a record holds at most {MAX_RECORD // 1024} KiB")


def check_signal(name: str) -> None:
    """Raises `webterm.errors.InvalidRequest` for what is none of `SIGNALS`."""
    if name not in SIGNALS:
        raise InvalidRequest(f"a signal is one of {', '.join(SIGNALS)}")


@dataclass(frozen=True, slots=True)
class Size:
    """A terminal's size in character cells, 1×1 to 500×300."""

    cols: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to run.

    An empty ``argv`` asks for the driver's login shell. ``env`` is added to the driver's own clean environment.
    ``runtime`` is where to run it, None for the driver's own place; ``cwd`` is relative to the runtime's files.
    ``memory`` is the descriptor of shared memory and ``record`` a small text (at most 32 KiB) that a driver which
    keeps programs over a restart of the server keeps with the program; both come back with `Driver.resume`. The
    driver duplicates ``memory``; the caller goes on owning its own. What is not ``durable`` ends with the server.
    """

    argv: tuple[str, ...] = ()
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    memory: int | None = None
    record: bytes = b""
    runtime: Runtime | None = None
    durable: bool = True


@dataclass(frozen=True, slots=True)
class Staging:
    """A pipe and a page of shared memory that outlive the server, held by the driver.

    Output passes through the pipe on its way into a log, and the page says whose it is, so that a server killed
    between two instructions loses and repeats nothing. The descriptors stay the driver's.
    """

    pipe_out: int
    pipe_in: int
    page: int


class Session(ABC):
    """One running program with a terminal.

    It runs from the moment a driver returns it. Closing is idempotent; whoever opened it closes it. After `aclose`
    every other method but `wait` raises `webterm.errors.TerminalExited`.
    """

    fd: int | None = None
    """A readable, writable, non-blocking descriptor of the terminal where there is one. Owned by the session. Reading
    it ends with ``b""`` or ``EIO`` when the program has gone and all of its output has been read."""

    pid: int | None = None
    """The program's process id in our own process namespace, where that has a meaning. For people to see only."""

    token: str | None = None
    """What `Driver.resume` takes to find this program again after a restart. None: it does not outlive the server."""

    memory: int | None = None
    """The descriptor of the memory given at launch, as kept by the driver (see `Launch`). Owned by the session."""

    record: bytes = b""
    """The record as last kept."""

    last_words: bytes = b""
    """Added to the output when the program has ended: why, where it did not end by itself. Set before `wait` tells."""

    @abstractmethod
    async def read(self) -> bytes:
        """The next output, at most 64 KiB; ``b""`` once, at the end. Cancelling loses nothing.

        Not to be mixed with reading ``fd`` directly.
        """

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Hand ``data`` to the program; waits while it does not read.

        Cancelling may leave a beginning of ``data`` written. Input for a program that has ended is dropped.
        """

    @abstractmethod
    async def resize(self, size: Size) -> None:
        """Give the terminal a new size; the program hears of it by SIGWINCH. Ignored once the program has ended."""

    @abstractmethod
    async def signal(self, name: str) -> None:
        """Send one of `SIGNALS` to the foreground process group. Ignored once the program has ended.

        Raises `webterm.errors.InvalidRequest` for another name.
        """

    @abstractmethod
    async def wait(self) -> Exit:
        """Wait until the program has ended. May be asked any number of times, also afterwards; cancelling is free."""

    def at_prompt(self) -> bool | None:
        """Whether the program itself, not a command that it started, is in the foreground (tcgetpgrp(3)).

        None where that cannot be known. Does not wait.
        """
        return None

    async def keep(self, record: bytes) -> None:
        """Replace the kept record, at most `MAX_RECORD`. Does nothing where nothing is kept.

        Raises `webterm.errors.TooBig` and `webterm.errors.Unavailable`.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Hang up, kill after the grace period, wait, and let go of everything. Twice is harmless.

        Cancelling the wait leaves the ending under way.
        """


class Driver(ABC):
    """Opens sessions of one kind."""

    name: ClassVar[str]

    staging: Staging | None = None
    """Where the output of this driver's descriptors passes through, if they outlive the server."""

    @abstractmethod
    async def open(self, launch: Launch, size: Size) -> Session:
        """Start a program in a terminal that has ``size`` before it runs.

        Raises `webterm.errors.LaunchFailed` where the program cannot be started (the text says why) and
        `webterm.errors.Unavailable` where the driver cannot work now; `webterm.errors.IsolationRefused` where the
        launch's runtime has to be confined and cannot be. Cancelling leaves no program behind.
        """

    async def execute(self, launch: Launch) -> Execution:
        """Start a command without a terminal. Raises what `open` raises. Cancelling leaves no program behind."""
        raise Unavailable(f"the driver {self.name} runs no commands without a terminal")

    async def start(self, runtime: Runtime, progress: Progress) -> None:
        """Bring a runtime up, if it is not. Raises `webterm.errors.Unavailable`, `webterm.errors.IsolationRefused`.

        `open` and `execute` do so by themselves. Cancelling leaves it up, or not.
        """

    async def stop(self, workspace: WorkspaceId) -> None:
        """End everything that runs in a workspace's runtime, and the runtime. Harmless where there is none.

        Raises `webterm.errors.Unavailable`. Cancelling may leave some of it running.
        """

    async def is_up(self, workspace: WorkspaceId) -> bool:
        """Whether a workspace's runtime is up; also one that has been up since before this server started.

        Raises `webterm.errors.Unavailable`.
        """
        return False

    on_runtime_ended: OnRuntimeEnded | None = None
    """Set by whoever wants to be told."""

    on_runtime_note: OnRuntimeNote | None = None
    """Set by whoever wants to be told; of what may happen again and again, only now and then."""

    on_doubt: Callable[[], None] | None = None
    """Set by whoever wants to be told that `health` may be another one than before."""

    async def health(self) -> DriverHealth:
        """Whether it works now. Answers within seconds, whatever the engine does, and raises nothing."""
        return DriverHealth(works=True)

    async def stats(self, workspace: WorkspaceId) -> RuntimeStats:
        """What a runtime uses; all unknown where it is not up. Raises `webterm.errors.Unavailable`."""
        return RuntimeStats()

    async def processes(self, workspace: WorkspaceId) -> tuple[RuntimeProcess, ...]:
        """The processes of a runtime, in the order of their numbers; none where it is not up.

        Raises `webterm.errors.Unavailable`.
        """
        return ()

    async def ports(self, workspace: WorkspaceId) -> frozenset[int]:
        """TCP ports at which programs of this runtime listen, and of no other. Raises `webterm.errors.Unavailable`."""
        return frozenset()

    async def dial(self, workspace: WorkspaceId, port: int) -> socket.socket:
        """A connected, non-blocking socket to one of the `ports`; whoever calls closes it.

        Where it leads is found out from the runtime, never from what anybody says. Raises `webterm.errors.NoSuchPort`
        and `webterm.errors.Unavailable`. Cancelling leaves nothing open.
        """
        raise NoSuchPort(f"nothing of this workspace listens at port {port}")

    async def is_idle(self, workspace: WorkspaceId) -> bool:
        """Whether there is nothing in a runtime but shells that wait at their prompt; also where it is not up.

        Raises `webterm.errors.Unavailable`.
        """
        return False

    async def collect(self, wanted: frozenset[WorkspaceId]) -> list[str]:
        """Remove what is left of runtimes that are not ``wanted``; what was removed, a line each, for people.

        One that is just being made stays. Raises `webterm.errors.Unavailable`.
        """
        return []

    async def kept(self) -> list[str]:
        """Tokens of the programs that are running, or have ended unseen, since before this server started.

        Raises `webterm.errors.Unavailable`.
        """
        return []

    async def resume(self, token: str) -> Session | None:
        """The session behind a token of `kept`, or None when it is gone. Each token is resumed once.

        Raises `webterm.errors.Unavailable`.
        """
        return None

    async def aclose(self) -> None:
        """Let go of all sessions: those which outlive the server run on, others end. Twice is harmless."""
