"""Input on its way to a program: bounded, in order, and never in the way of another program's."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from webterm.errors import InputOverflow
from webterm.session import Session

INPUT_LIMIT = 1024 * 1024
PAUSE_ABOVE = 256 * 1024
RESUME_BELOW = 64 * 1024
_PIECE = 64 * 1024


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

    def put(self, data: bytes) -> None:
        """Write ``data`` as soon as the program reads. Raises `InputOverflow` where too much waits; then none of it."""
        if self.size + len(data) > INPUT_LIMIT:
            raise InputOverflow(
                f"The program does not read: {self.size} bytes of input wait for it, and at most {INPUT_LIMIT} may. "
                f"These {len(data)} bytes were not taken."
            )
        if not data:
            return
        self._waiting += data
        if self._fd is None:
            if self._writer is None:
                self._writer = self._loop.create_task(self._write_all())
        elif not self._watching:
            self._flush()
        self._report()

    def close(self) -> None:
        """Drop what waits. Twice is harmless."""
        self._waiting.clear()
        if self._watching and self._fd is not None:
            self._loop.remove_writer(self._fd)
            self._watching = False
        if self._writer is not None:
            self._writer.cancel()

    def _flush(self) -> None:
        fd = self._fd
        if fd is None:
            return
        try:
            while self._waiting:
                del self._waiting[: os.write(fd, self._waiting[:_PIECE])]
        except BlockingIOError:
            self._watch(fd, True)
            self._report()
            return
        except OSError:  # EIO: the program has gone, and input for it is dropped
            self._waiting.clear()
        self._watch(fd, False)
        self._report()

    def _watch(self, fd: int, on: bool) -> None:
        if on and not self._watching:
            self._loop.add_writer(fd, self._flush)
        elif self._watching and not on:
            self._loop.remove_writer(fd)
        self._watching = on

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                piece = bytes(self._waiting[:_PIECE])
                await self._session.write(piece)
                del self._waiting[: len(piece)]
                self._report()
        finally:
            self._writer = None

    def _report(self) -> None:
        paused = self.size > (RESUME_BELOW if self._is_paused else PAUSE_ABOVE)
        if paused != self._is_paused:
            self._is_paused = paused
            self._paused(paused)
