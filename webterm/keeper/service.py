"""The keeper itself: one thread, one selector, and no part in the way of the bytes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from webterm.keeper.household import Household
from webterm.keeper.links import Links
from webterm.keeper.program import Program
from webterm.keeper.requests import Requests
from webterm.keeper.wire import Link, Packet

_PIPE_SIZE = 1024 * 1024
_PAGE_SIZE = 4096


class Keeper:
    """Serves one server at a time, and lives on without one as long as there is a program.

    ``patience`` is how many seconds it waits for a server while it has no program, ``grace`` how many its programs
    have to end when SIGTERM ends the keeper. Raises OSError where the directory cannot be used.
    """

    def __init__(self, directory: Path, *, patience: float, grace: float) -> None:
        self._patience = patience
        self._grace = grace
        self._give_up_at: float | None = None
        self._selector = selectors.DefaultSelector()
        self._wake = _hear_signals()
        self._selector.register(self._wake, selectors.EVENT_READ, self._on_signal)
        self._household = Household(self._on_exit)
        self._links = Links(directory, self._selector, self._answer, self._household.end_fleeting)
        self._requests = Requests(self._links, self._household, _make_staging())

    def run(self) -> None:
        """Serve until there is nothing to do any more."""
        while not self._finished():
            for key, events in self._selector.select(self._timeout()):
                # What came before in this list may have closed a link, or changed what it waits for.
                if self._selector.get_map().get(key.fd) is key:
                    callback: Callable[[int], None] = key.data
                    callback(events)
            self._household.endings.step()
        self._links.close()

    def _timeout(self) -> float | None:
        times = [when for when in (self._household.endings.due(), self._give_up_at) if when is not None]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _finished(self) -> bool:
        if self._household:
            self._give_up_at = None
            return False
        if self._household.stopping:
            return True
        if self._links.serving:
            self._give_up_at = None
            return False
        now = time.monotonic()
        if self._give_up_at is None:
            self._give_up_at = now + self._patience
        return now >= self._give_up_at

    def _answer(self, link: Link, packet: Packet) -> None:
        self._requests.answer(link, packet)

    def _on_exit(self, program: Program) -> None:
        if program.exit is not None:
            ended = {"status": program.exit.status, "signal": program.exit.signal}
            self._links.tell({"event": "exited", "token": program.token, **ended})

    def _on_signal(self, _events: int) -> None:
        numbers = self._wake.recv(4096)
        self._household.reap()
        if signal.SIGTERM in numbers:
            self._household.stop(self._grace)


def _hear_signals() -> socket.socket:
    """Take SIGCHLD and SIGTERM as bytes of a socket, and ignore what concerns whoever started us."""
    wake, sender = socket.socketpair()
    wake.setblocking(False)
    sender.setblocking(False)
    signal.set_wakeup_fd(sender.detach(), warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    return wake


def _make_staging() -> tuple[int, int, int]:
    """The pipe (its reading and its writing end) and the page through which a server's output passes."""
    pipe_out, pipe_in = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    with contextlib.suppress(OSError):  # a user has only so many large pipes; the default size works too
        fcntl.fcntl(pipe_in, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    page = os.memfd_create("webterm-staging", os.MFD_CLOEXEC)
    os.ftruncate(page, _PAGE_SIZE)
    return pipe_out, pipe_in, page
