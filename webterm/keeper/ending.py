"""Ending a program and what it started: hang up, wait, kill, until nothing is left."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from webterm.keeper.processes import Process, Snapshot
from webterm.keeper.program import Program

_FIRST_LOOK = 0.01
_LONGEST_PAUSE = 0.25
_GIVE_UP = 10.0
"""Seconds after the grace period in which even SIGKILL must have worked; only a process stuck in the kernel stays."""


@dataclass(slots=True, kw_only=True)
class Ending:
    """One program being ended. ``done`` is called once with the number of processes that could not be."""

    program: Program
    whole_tree: bool
    deadline: float
    done: list[Callable[[int], None]]
    known: set[Process] = field(default_factory=set)
    session_seen: bool = True

    def step(self, view: Snapshot, now: float) -> bool:
        """Signal whatever is there; whether it is over."""
        members = self._members(view)
        if not members and self.program.exit is not None:
            return self._finish(0)
        if now >= self.deadline + _GIVE_UP:
            return self._finish(len(members))
        if now >= self.deadline:
            _send(members, signal.SIGKILL)
        else:
            _send(members - self.known, signal.SIGHUP, signal.SIGCONT)
        self.known = members
        return False

    def _members(self, view: Snapshot) -> set[Process]:
        # The number of a session cannot be used again while a process is in it, and only then is it looked for.
        session = view.session(self.program.pid) if self.session_seen else set()
        self.session_seen = bool(session) or self.program.exit is None
        if not self.whole_tree:
            return session
        # The known are looked up by themselves: their parent may have ended since, their session be their own.
        return view.descendants(session | view.alive(self.known) | view.marked(self.program.token))

    def _finish(self, left: int) -> bool:
        for tell in self.done:
            tell(left)
        return True


def _send(processes: set[Process], *numbers: int) -> None:
    for process in processes:
        for number in numbers:
            process.send(number)


class Endings:
    """All programs being ended: one picture of /proc serves them all, and none is taken when nothing is ending."""

    def __init__(self) -> None:
        self._all: dict[str, Ending] = {}
        self._pause = _FIRST_LOOK
        self._next = 0.0
        self._rest_until = 0.0

    def has(self, program: Program) -> bool:
        """Whether this program is being ended."""
        return program.token in self._all

    def begin(self, program: Program, *, grace: float, whole_tree: bool, done: Callable[[int], None]) -> None:
        """Begin to end a program, or join the ending under way; the shorter grace wins."""
        deadline = time.monotonic() + grace
        ending = self._all.get(program.token)
        if ending is None:
            self._all[program.token] = Ending(
                program=program,
                whole_tree=whole_tree,
                deadline=deadline,
                done=[done],
                known=set(program.left),
                session_seen=program.exit is None,
            )
        else:
            ending.deadline = min(ending.deadline, deadline)
            ending.whole_tree |= whole_tree
            ending.done.append(done)
        self.hurry()

    def hurry(self) -> None:
        """Look soon: something has changed."""
        self._pause = _FIRST_LOOK
        self._next = self._rest_until

    def due(self) -> float | None:
        """When to call `step`, on the monotonic clock; None when nothing is ending."""
        return self._next if self._all else None

    def step(self) -> None:
        """Look at everything that is ending, if it is time."""
        now = time.monotonic()
        if not self._all or now < self._next:
            return
        view = Snapshot()
        for token, ending in list(self._all.items()):
            if ending.step(view, now):
                del self._all[token]
        self._plan(now)

    def _plan(self, began: float) -> None:
        now = time.monotonic()
        # A picture of thousands of processes takes a while: rest four times as long, for the sake of other requests.
        self._rest_until = now + max(_FIRST_LOOK, 4 * (now - began))
        deadlines = [ending.deadline for ending in self._all.values() if ending.deadline > now]
        self._next = max(self._rest_until, min([now + self._pause, *deadlines]))
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
