"""The programs of a keeper: started, reaped, ended, forgotten."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator, Sequence

from webterm.keeper.ending import Endings
from webterm.keeper.processes import Snapshot, signal_name
from webterm.keeper.program import Order, Program, start, start_piped
from webterm.keeper.wire import Ended, KeeperError

_SPARE_DESCRIPTORS = 64
_MOST_DESCRIPTORS = 65_536
"""Two for each program. ptyprocess has every child close as many as we may have, where need be one by one."""
USUAL_DESCRIPTORS = 1024
"""The soft limit that programs start with, unless whoever started the keeper has a lower one."""


class Household:
    """All programs by their token. ``on_exit`` is called once for each that ends.

    An entry stays after its program has ended, until `forget`: somebody may still want the rest of its output.
    """

    def __init__(self, on_exit: Callable[[Program], None]) -> None:
        self.endings = Endings()
        self._on_exit = on_exit
        self._programs: dict[str, Program] = {}
        self._running: dict[int, Program] = {}
        self._stopping = False
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        # The server has raised its own, and programs that use select(2) break beyond the usual; any may raise theirs.
        self._soft_limit = min(soft, USUAL_DESCRIPTORS)
        limit = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit, soft), hard))
        self._capacity = (limit - _SPARE_DESCRIPTORS) // 2

    def __len__(self) -> int:
        return len(self._programs)

    def __iter__(self) -> Iterator[Program]:
        return iter(list(self._programs.values()))

    @property
    def stopping(self) -> bool:
        """Whether `stop` has been called."""
        return self._stopping

    def find(self, token: str) -> Program:
        """The program of a token. Raises `KeeperError` (``no_such_program``)."""
        program = self._programs.get(token)
        if program is None:
            raise KeeperError("no_such_program", "there is no such program")
        return program

    def start(
        self, token: str, order: Order, memory: int | None, record: str, *, durable: bool = True
    ) -> tuple[Program, int]:
        """Start a program; returns it and its terminal's master. ``memory`` belongs to it, but not where this raises.

        Raises `KeeperError` (``launch_failed``, ``limit``, ``stopping``, ``malformed`` for a token in use).
        """
        self._check(token)
        pid, master = start(order, self._soft_limit)
        program = Program(token=token, pid=pid, master=master, memory=memory, record=record, durable=durable)
        return self._add(program), master

    def start_piped(self, token: str, order: Order, fds: Sequence[int]) -> Program:
        """Start a program without a terminal on three descriptors, which stay the caller's. Raises what `start` does.

        What it leaves behind when it ends is ended, too.
        """
        self._check(token)
        pid = start_piped(order, self._soft_limit, fds)
        return self._add(Program(token=token, pid=pid, master=None, durable=False))

    def hold(self, token: str, stream: int, memory: int | None, record: str, note: str) -> Program:
        """Hold the stream of a program that runs elsewhere; both descriptors belong to it, but not where this raises.

        Raises `KeeperError` (``limit``, ``stopping``, ``malformed`` for a token in use).
        """
        self._check(token)
        program = Program(token=token, pid=0, master=stream, memory=memory, record=record, held=True, note=note)
        self._programs[token] = program
        return program

    def _check(self, token: str) -> None:
        if self._stopping:
            raise KeeperError("stopping", "the keeper is being stopped")
        if token in self._programs:
            raise KeeperError("malformed", "this token is in use")
        if len(self._programs) >= self._capacity:
            raise KeeperError("limit", f"the keeper can hold {self._capacity} terminals: open files are limited")

    def _add(self, program: Program) -> Program:
        self._programs[program.token] = self._running[program.pid] = program
        return program

    def end(self, program: Program, *, grace: float, whole_tree: bool, done: Callable[[int], None]) -> None:
        """End a program and forget it; ``done`` gets the number of processes that withstood.

        What a program left behind that ended by itself lives on, unless it was not durable. Of one that runs elsewhere
        the stream is closed, and that is all.
        """

        def over(left: int) -> None:
            self.forget(program.token)
            done(left)

        if not program.held and (program.exit is None or not program.durable or self.endings.has(program)):
            self.endings.begin(program, grace=grace, whole_tree=whole_tree, done=over)
        else:
            over(0)

    def stop(self, grace: float) -> None:
        """End all programs and start no more."""
        self._stopping = True
        for program in self:
            self.end(program, grace=grace, whole_tree=True, done=lambda _left: None)

    def end_fleeting(self) -> None:
        """The server has gone: end all programs that are not to outlive it."""
        for program in self:
            if not program.durable:
                self.end(program, grace=0, whole_tree=True, done=lambda _left: None)

    def forget(self, token: str) -> None:
        """Let go of a program, if it is still kept."""
        program = self._programs.pop(token, None)
        if program is not None:
            program.close()

    def reap(self) -> None:
        """Collect every child that has ended: programs, and orphans of theirs (PR_SET_CHILD_SUBREAPER)."""
        while (pid := _ended_child()) is not None:
            program = self._running.pop(pid, None)
            if program is not None and not program.durable:
                # As long as nobody has reaped it, its number is that of its session and of no other.
                view = Snapshot()
                program.left = view.descendants(view.session(pid))
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if program is not None:
                program.exit = Ended(code) if code >= 0 else Ended(signal=signal_name(-code))
                self._on_exit(program)
        self.endings.hurry()


def _ended_child() -> int | None:
    """A child that has ended and still waits to be reaped."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if found is None else found.si_pid
