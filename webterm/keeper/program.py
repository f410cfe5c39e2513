"""Starting a program: in a new pseudo-terminal, or with pipes in place of one."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import sys
import termios
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from ptyprocess import PtyProcess

from webterm.keeper.processes import Process
from webterm.keeper.wire import Ended, KeeperError

_IUTF8 = 0o40000
"""Not in `termios`: lets the line editor of the kernel rub out a whole character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to start. Nothing in it is trusted. The size is of no meaning to a program without a terminal."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    cols: int = 80
    rows: int = 24


@dataclass(slots=True, kw_only=True)
class Program:
    """A program and what is kept with it. ``pid`` is its own as long as ``exit`` is None: nobody has reaped it.

    One that is not ``durable`` ends with the server, and what it started ends with it. Without a terminal there is no
    ``master``. Of a program that runs elsewhere only a stream is ``held``, as ``master``, with a ``note`` on where that
    leads: it has no process here, and no exit.
    """

    token: str
    pid: int
    master: int | None
    memory: int | None = None
    record: str = ""
    durable: bool = True
    exit: Ended | None = None
    held: bool = False
    note: str = ""
    left: set[Process] = field(default_factory=set)
    """What is left of a program that has ended, where that is not to live on."""

    def close(self) -> None:
        """Close its descriptors."""
        if self.master is not None:
            os.close(self.master)
        if self.memory is not None:
            os.close(self.memory)


class _Pty(PtyProcess):  # type: ignore[misc]  # ptyprocess has no types
    """A PtyProcess that, forgotten, ends nothing and waits for nothing; its file object closes the descriptor."""

    def __del__(self) -> None:
        return


def start(order: Order, soft_limit: int) -> tuple[int, int]:
    """Start a program; returns its process id and the non-blocking master of its terminal.

    ``soft_limit`` is the number of descriptors that it may open (RLIMIT_NOFILE). The terminal has its size before the
    program runs. Raises `KeeperError` (``launch_failed``).
    """
    keeper = os.getpid()
    try:
        # The program itself is started by _become, in the child: what ptyprocess does between its own hook and the
        # program it was asked for leaves some errors of the child uncaught.
        pty = _Pty.spawn(
            [sys.executable],
            preexec_fn=lambda: _become(order, soft_limit, terminal=True),
            dimensions=(order.rows, order.cols),
        )
    except Exception as error:
        # The error's frames hold the descriptor, and themselves.
        traceback.clear_frames(error.__traceback__)
        raise KeeperError("launch_failed", str(error) or type(error).__name__) from None
    finally:
        if os.getpid() != keeper:
            os._exit(127)
    master = fcntl.fcntl(pty.fd, fcntl.F_DUPFD_CLOEXEC, 3)
    pty.fileobj.close()
    os.set_blocking(master, False)
    return pty.pid, master


def start_piped(order: Order, soft_limit: int, fds: Sequence[int]) -> int:
    """Start a program with these three descriptors as stdin, stdout and stderr, in a session of its own.

    Returns its process id. The descriptors stay the caller's. Raises `KeeperError` (``launch_failed``).
    """
    problem_out, problem_in = os.pipe2(os.O_CLOEXEC)
    try:
        pid = os.fork()
    except OSError as error:
        os.close(problem_out)
        os.close(problem_in)
        raise KeeperError("launch_failed", f"no process can be started: {error.strerror}") from None
    if pid == 0:
        _become_piped(order, soft_limit, fds, problem_in)
    os.close(problem_in)
    with os.fdopen(problem_out, "rb") as problem:
        text = problem.read()  # until the program has taken the child's place, or the child has given up
    if text:
        os.waitpid(pid, 0)
        raise KeeperError("launch_failed", text.decode("utf-8", "replace"))
    return pid


def _become_piped(order: Order, soft_limit: int, fds: Sequence[int], problem: int) -> NoReturn:
    try:
        os.setsid()
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
        _become(order, soft_limit, terminal=False)
    except BaseException as error:
        os.write(problem, (str(error) or type(error).__name__).encode("utf-8", "replace"))
    finally:
        os._exit(127)


def _become(order: Order, soft_limit: int, *, terminal: bool) -> None:
    """Runs in the child and returns only by an exception, whose text travels to the parent."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft_limit, hard))
    if terminal:
        modes = termios.tcgetattr(0)
        modes[0] |= _IUTF8
        termios.tcsetattr(0, termios.TCSANOW, modes)
    try:
        os.chdir(order.cwd)
    except OSError as error:
        raise ValueError(f"the working directory {_shown(order.cwd)} cannot be used: {error.strerror}") from None
    try:
        os.execvpe(order.argv[0], list(order.argv), dict(order.env))  # noqa: S606 - no shell is wanted
    except OSError as error:
        raise ValueError(f"{_shown(order.argv[0])} cannot be run: {error.strerror}") from None


def _shown(name: str) -> str:
    """A name for a message: short, and UTF-8 whatever it holds."""
    return repr(name[:200].encode("utf-8", "backslashreplace").decode())
