"""Reads one session into its log, while somebody allows it, until the program has ended and said all it had to say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from webterm.errors import TerminalExited
from webterm.hub.intake import Intake
from webterm.hub.log import Log
from webterm.session import Exit, Session
from webterm.tasks import Tasks

BUDGET = 32 * 1024
"""Bytes read from one program before others get their turn."""
_LONG = 0.004  # seconds that a turn should not take
_LEAST = 1024
_SHORT = 8 * 1024  # bytes of a turn while somebody waits for an echo, perhaps another program's
_ECHO = 0.05  # seconds that programs mostly need for it
_LAST_WORDS = 0.25  # how long whoever else holds an ended program's terminal may still add to its output


class Listener(Protocol):
    """Whom a reader asks and tells. None of these may wait."""

    def allowed(self) -> int:
        """How many bytes may be read now; zero or less to wait for `Reader.listen`."""

    def paused_for(self) -> float | None:
        """The reader pauses: in how many seconds to ask again at the latest."""

    def grew(self, start: int) -> None:
        """The log holds more, from ``start`` on."""

    def ended(self, exit_: Exit) -> None:
        """The program has ended and the log is complete."""


class Reader:
    """Reads without a task where the session has a descriptor, else in one."""

    def __init__(
        self, session: Session, fd: int | None, log: Log, intake: Intake, key: str, listener: Listener
    ) -> None:
        """``fd`` stays the caller's, and must stay open until `close`."""
        self._session = session
        self._fd = fd
        self._log = log
        self._intake = intake
        self._key = key
        self._listener = listener
        self._listening = False
        self._budget = BUDGET
        self._at_end = False  # of the descriptor, or of `Session.read`
        self._exit: Exit | None = None
        self._ended = False
        self._go = asyncio.Event()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks = Tasks(f"terminal {key}")
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Begin."""
        self._tasks.run(self._watch_exit())
        if self._fd is None:
            self._tasks.run(self._read_all())
        self.listen()

    def listen(self) -> None:
        """Go on reading if that is allowed now."""
        if self._ended or self._at_end:
            return
        if self._listener.allowed() <= 0:
            self._pause()
        elif self._fd is None:
            self._go.set()
        elif not self._listening:
            self._listening = True
            self._loop.add_reader(self._fd, self._readable)

    def close(self) -> None:
        """Stop for good. Twice is harmless."""
        self._ended = True
        self._deafen()
        for timer in self._timers.values():
            timer.cancel()
        self._tasks.cancel()

    def _after(self, name: str, delay: float, call: Callable[[], None]) -> None:
        if (old := self._timers.get(name)) is not None:
            old.cancel()
        self._timers[name] = self._loop.call_later(delay, call)

    def _deafen(self) -> None:
        self._go.clear()
        if self._listening and self._fd is not None:
            self._loop.remove_reader(self._fd)
        self._listening = False

    def _pause(self) -> None:
        self._deafen()
        delay = self._listener.paused_for()
        if delay is not None:
            self._after("recheck", max(delay, 0.01), self.listen)

    def _readable(self) -> None:
        self._pull()

    def _pull(self) -> int:
        allowed = self._listener.allowed()
        if allowed <= 0:
            self._pause()
            return 0
        if self._fd is None:
            return 0
        start = self._log.head
        began = time.monotonic()
        count, at_end = self._intake.pull(self._key, self._fd, self._log, min(allowed, self._turn()))
        if count:
            self._listener.grew(start)
            self._adapt(time.monotonic() - began)
        if at_end:
            self._reached_end()
        return count

    def _turn(self) -> int:
        waiting = self._loop.time() - self._intake.typed < _ECHO
        return min(self._budget, _SHORT) if waiting else self._budget

    def _adapt(self, spent: float) -> None:
        """Some output costs much more than other, byte for byte: sequences that are followed, queries, titles."""
        if spent > _LONG:
            self._budget = max(_LEAST, self._budget // 2)
        elif spent < _LONG / 4:
            self._budget = min(BUDGET, self._budget * 2)

    def _reached_end(self) -> None:
        self._at_end = True
        self._deafen()
        if self._exit is not None:
            self._finish(self._exit)

    async def _read_all(self) -> None:
        while True:
            await self._go.wait()
            try:
                data = await self._session.read()
            except TerminalExited:  # closed while this waited: there is no more
                break
            if not data:
                break
            self._take(data)
            if self._listener.allowed() <= 0:
                self._pause()
        self._reached_end()

    def _take(self, data: bytes) -> None:
        start = self._log.head
        self._log.append(data)
        self._listener.grew(max(start, self._log.tail))

    async def _watch_exit(self) -> None:
        self._exit = await self._session.wait()
        if self._at_end:
            self._finish(self._exit)
        else:
            self._after("last words", _LAST_WORDS, self._listen_for_last_words)

    def _listen_for_last_words(self) -> None:
        """A child that the program left behind may hold the terminal open for ever: end at the first silence."""
        if self._ended or self._exit is None:
            return
        if self._listening and self._fd is not None and self._pull() == 0 and self._listening:
            self._finish(self._exit)
        else:
            self._after("last words", _LAST_WORDS, self._listen_for_last_words)

    def _finish(self, exit_: Exit) -> None:
        if not self._ended:
            self._ended = True
            self._deafen()
            if self._session.last_words:
                self._take(self._session.last_words)
            self._listener.ended(exit_)
