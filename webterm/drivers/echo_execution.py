"""A command without a program: stdout gives back what stdin is given."""

from __future__ import annotations

import asyncio
import enum
from collections import deque

from webterm.errors import TerminalExited
from webterm.execution import Execution, Stream
from webterm.exits import Exit
from webterm.session import Launch, check_signal

MOST_UNREAD = 64 * 1024
"""Bytes of output that may be unread before `EchoExecution.write` waits."""

_CHUNK = 64 * 1024
_FATAL = ("INT", "TERM", "KILL", "HUP", "QUIT")


class _State(enum.IntEnum):
    RUNNING = 0
    ENDED = 1
    CLOSED = 2


class EchoExecution(Execution):
    """Says its arguments on stderr, one on each line, then gives back its input on stdout until that ends.

    A signal ends it as it would end most programs; TSTP and CONT do nothing.
    """

    def __init__(self, launch: Launch) -> None:
        self._state = _State.RUNNING
        self._exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._changed = asyncio.Condition()
        self._output: deque[tuple[Stream, bytes]] = deque()
        self._unread = 0
        self._writing = asyncio.Lock()
        self._add(
            Stream.STDERR, "".join(f"{argument}\n" for argument in launch.argv).encode("utf-8", "surrogateescape")
        )

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._state is _State.CLOSED

    async def read(self) -> tuple[Stream, bytes] | None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._output or self._state > _State.RUNNING)
            self._refuse_closed()
            if not self._output:
                return None
            stream, data = self._output.popleft()
            self._unread -= len(data)
            self._changed.notify_all()
            return stream, data

    async def write(self, data: bytes) -> None:
        async with self._writing:
            self._refuse_closed()
            for start in range(0, len(data), _CHUNK):
                async with self._changed:
                    await self._changed.wait_for(lambda: self._unread < MOST_UNREAD or not self._reads)
                    self._refuse_closed()
                    if not self._reads:
                        return
                    self._add(Stream.STDOUT, data[start : start + _CHUNK])
                    self._changed.notify_all()

    async def end_input(self) -> None:
        async with self._writing:
            self._refuse_closed()
            await self._finish(Exit(status=0))

    async def signal(self, name: str) -> None:
        self._refuse_closed()
        check_signal(name)
        if name in _FATAL:
            await self._finish(Exit(signal=name))

    async def wait(self) -> Exit:
        return await asyncio.shield(self._exit)

    async def aclose(self) -> None:
        if self._state is _State.RUNNING:
            self._exit.set_result(Exit(signal="KILL"))
        self._state = _State.CLOSED
        async with self._changed:
            self._changed.notify_all()

    @property
    def _reads(self) -> bool:
        return self._state is _State.RUNNING

    def _add(self, stream: Stream, data: bytes) -> None:
        if data:
            self._output.append((stream, data))
            self._unread += len(data)

    async def _finish(self, how: Exit) -> None:
        async with self._changed:
            if self._state is _State.RUNNING:
                self._state = _State.ENDED
                self._exit.set_result(how)
                self._changed.notify_all()

    def _refuse_closed(self) -> None:
        if self._state is _State.CLOSED:
            raise TerminalExited("the command is over")
