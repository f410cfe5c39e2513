"""Input on its way to a program: bounded, in order, and never in the way of another program's."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from webterm.errors import InputOverflow
from webterm.ids import ProofId, UserId
from webterm.session import Session

INPUT_LIMIT = 1024 * 1024
PAUSE_ABOVE = 256 * 1024
RESUME_BELOW = 64 * 1024
PARTS = 4096
"""How often authors may take turns in what waits."""
_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Author:
    """Who typed, and by which proof of identity; ``proof`` is None where the host application signs people in."""

    user: UserId
    proof: ProofId | None

    def rests_on(self, user: UserId, proof: ProofId | None) -> bool:
        """Whether this ends with that proof, or with everything of that person (None)."""
        return self.user == user and (proof is None or self.proof == proof)


@dataclass(slots=True, eq=False)
class _Part:
    """So many bytes of one author; those that nobody typed are the server's own answers."""

    author: Author | None
    length: int


class InputQueue:
    """Writes to one session. With a descriptor it writes at once what the program takes, without a task."""

    def __init__(self, session: Session, fd: int | None, paused: Callable[[bool], None]) -> None:
        """``fd`` is written directly where there is one, and stays the caller's.

        ``paused`` is told when much input begins to wait (True), and when little does again (False).
        """
        self._session = session
        self._fd = fd
        self._paused = paused
        self._is_paused = False
        self._waiting = bytearray()  # one piece: a million single keys must not be a million objects
        self._parts: deque[_Part] = deque()  # whose it is, from the front on
        self._writer: asyncio.Task[None] | None = None
        self._watching = False
        self._loop = asyncio.get_running_loop()

    @property
    def paused(self) -> bool:
        """Whether much input waits."""
        return self._is_paused

    @property
    def size(self) -> int:
        """How many bytes wait."""
        return len(self._waiting)

    def put(self, data: bytes, author: Author | None = None) -> None:
        """Write ``data`` as soon as the program reads. Raises `InputOverflow` where too much waits; then none of it."""
        if not data:
            return
        self._add(data, author)
        if self._fd is None:
            if self._writer is None:
                self._writer = self._loop.create_task(self._write_all(None))
        elif not self._watching:
            self._flush()
        self._report()

    def drop(self, is_dropped: Callable[[Author], bool]) -> None:
        """Forget what waits of these authors; what others typed stays, in its order.

        What the program's terminal has taken already cannot be taken back.
        """
        parts, waiting, start = self._parts, self._waiting, 0
        self._parts, self._waiting = deque(), bytearray()
        for part in parts:
            if part.author is None or not is_dropped(part.author):
                self._parts.append(part)
                self._waiting += waiting[start : start + part.length]
            start += part.length
        if self._writer is not None and self._parts and self._parts[0] is parts[0]:
            return  # what is being written just now may go on
        if self._writer is not None:
            stopped, self._writer = self._writer, None
            stopped.cancel()
            if self._waiting:
                self._writer = self._loop.create_task(self._write_all(stopped))
        elif self._fd is not None and not self._waiting:
            self._watch(self._fd, False)
        self._report()

    def close(self) -> None:
        """Drop what waits. Twice is harmless."""
        self._waiting.clear()
        self._parts.clear()
        if self._watching and self._fd is not None:
            self._loop.remove_writer(self._fd)
            self._watching = False
        if self._writer is not None:
            self._writer.cancel()

    def _add(self, data: bytes, author: Author | None) -> None:
        goes_on = bool(self._parts) and self._parts[-1].author == author
        if self.size + len(data) > INPUT_LIMIT or not (goes_on or len(self._parts) < PARTS):
            raise InputOverflow(
                f"The program does not read: {self.size} bytes of input wait for it, and at most {INPUT_LIMIT} may. "
                f"These {len(data)} bytes were not taken."
            )
        self._waiting += data
        if goes_on:
            self._parts[-1].length += len(data)
        else:
            self._parts.append(_Part(author, len(data)))

    def _took(self, count: int) -> None:
        del self._waiting[:count]
        while count:
            part = self._parts[0]
            taken = min(count, part.length)
            part.length -= taken
            count -= taken
            if not part.length:
                self._parts.popleft()

    def _flush(self) -> None:
        fd = self._fd
        if fd is None:
            return
        try:
            while self._waiting:
                self._took(os.write(fd, self._waiting[:_PIECE]))
        except BlockingIOError:
            self._watch(fd, True)
            self._report()
            return
        except OSError:  # EIO: the program has gone, and input for it is dropped
            self._waiting.clear()
            self._parts.clear()
        self._watch(fd, False)
        self._report()

    def _watch(self, fd: int, on: bool) -> None:
        if on and not self._watching:
            self._loop.add_writer(fd, self._flush)
        elif self._watching and not on:
            self._loop.remove_writer(fd)
        self._watching = on

    async def _write_all(self, before: asyncio.Task[None] | None) -> None:
        """Write until nothing waits, once ``before`` has stopped. A piece is of one author: then it can be dropped."""
        try:
            if before is not None:
                await asyncio.wait([before])
            while self._parts:
                piece = bytes(self._waiting[: min(self._parts[0].length, _PIECE)])
                await self._session.write(piece)
                self._took(len(piece))
                self._report()
        finally:
            if self._writer is asyncio.current_task():
                self._writer = None

    def _report(self) -> None:
        paused = self.size > (RESUME_BELOW if self._is_paused else PAUSE_ABOVE)
        if paused != self._is_paused:
            self._is_paused = paused
            self._paused(paused)
