"""One local command without a terminal: its streams are pipes of ours, everything else is asked of the keeper."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
from collections.abc import Callable

from webterm.drivers.cancelling import first
from webterm.drivers.local_session import send_signal
from webterm.errors import TerminalExited
from webterm.execution import Execution, Stream
from webterm.exits import Exit
from webterm.keeper.client import KeeperClient, KeeperError
from webterm.session import check_signal

LINGER = 1.0
"""Seconds in which what a command leaves behind may still write, once the command itself has ended."""

_CHUNK = 64 * 1024


class Pipes:
    """The pipes of a command: three ends of ours, which do not block, and three of its own."""

    def __init__(self, account: int | None) -> None:
        """``account`` is who runs the command, None for ourselves. Raises OSError where no descriptors are left."""
        self._all: list[int] = []
        try:
            for _ in range(3):
                self._all += os.pipe2(os.O_CLOEXEC)
        except OSError:
            self.close()
            raise
        if account is not None:
            for fd in self._all:
                os.fchown(fd, account, -1)  # else the command could not open /dev/stderr
        stdin, self.stdin, self.stdout, stdout, self.stderr, stderr = self._all
        self.theirs = (stdin, stdout, stderr)
        for fd in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(fd, False)

    def give(self) -> None:
        """Close the command's ends: it has them now."""
        for fd in self.theirs:
            self._close(fd)

    def close(self) -> None:
        """Close what is still open. Twice is harmless."""
        while self._all:
            os.close(self._all.pop())

    def _close(self, fd: int) -> None:
        self._all.remove(fd)
        os.close(fd)

    def drop(self, fd: int) -> None:
        """Close one end, if it is open."""
        if fd in self._all:
            self._close(fd)

    def has(self, fd: int) -> bool:
        """Whether this end is still open."""
        return fd in self._all


class _State(enum.IntEnum):
    RUNNING = 0
    ENDED = 1  # the command itself; what it left behind may still write
    OVER = 2  # nothing of it runs any more
    CLOSED = 3


class LocalExecution(Execution):
    """A command that the keeper has started. ``exit_`` is resolved by the driver, ``on_closed`` called at the end."""

    def __init__(
        self,
        pipes: Pipes,
        *,
        token: str,
        exit_: asyncio.Future[Exit],
        keeper: KeeperClient,
        on_closed: Callable[[], None],
        linger: float = LINGER,
    ) -> None:
        self._pipes = pipes
        self._token = token
        self._exit = exit_
        self._keeper = keeper
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._state = _State.RUNNING
        self._open = {Stream.STDOUT: pipes.stdout, Stream.STDERR: pipes.stderr}
        self._waiting: set[asyncio.Future[None]] = set()
        self._writing = asyncio.Lock()
        self._drained = asyncio.Event()
        self._hurried = asyncio.Event()
        self._ending = self._loop.create_task(self._end(linger))

    async def read(self) -> tuple[Stream, bytes] | None:
        while True:
            self._refuse_closed()
            over = self._state >= _State.OVER
            for stream, fd in list(self._open.items()):
                data = _read(fd)
                if data:
                    self._open[stream] = self._open.pop(stream)  # the other one has its turn next
                    return stream, data
                if data == b"" or over:
                    self._end_of(stream)
            if not self._open:
                return None
            await self._ready(list(self._open.values()), self._loop.add_reader, self._loop.remove_reader)

    async def write(self, data: bytes) -> None:
        rest = memoryview(data)
        async with self._writing:
            while rest:
                self._refuse_closed()
                if self._state > _State.RUNNING or not self._pipes.has(self._pipes.stdin):
                    return
                try:
                    rest = rest[os.write(self._pipes.stdin, rest[:_CHUNK]) :]
                    await asyncio.sleep(0)  # a command that reads as fast would have the loop to itself
                except BlockingIOError:
                    await self._ready([self._pipes.stdin], self._loop.add_writer, self._loop.remove_writer)
                except BrokenPipeError:
                    return

    async def end_input(self) -> None:
        self._refuse_closed()
        async with self._writing:
            self._pipes.drop(self._pipes.stdin)

    async def signal(self, name: str) -> None:
        self._refuse_closed()
        check_signal(name)
        if not self._exit.done():
            await send_signal(self._keeper, self._token, name)

    async def wait(self) -> Exit:
        return await asyncio.shield(self._exit)

    async def aclose(self) -> None:
        if self._state is not _State.CLOSED:
            self._hurried.set()
            await asyncio.shield(self._ending)
            self._close()

    async def _end(self, linger: float) -> None:
        """Wait for the end, or until we are to hurry; then nothing of the command may be left."""
        await first(asyncio.shield(self._exit), self._hurried.wait())
        if not self._hurried.is_set():
            self._state = _State.ENDED
            self._wake()
            await first(asyncio.sleep(linger), self._drained.wait(), self._hurried.wait())
        with contextlib.suppress(KeeperError):  # ended and forgotten already, or the keeper has gone
            await self._keeper.hang_up(self._token, grace=0, scope="tree")
        if not self._exit.done():
            # The keeper tells of the end before it answers, unless it has gone.
            self._exit.set_result(Exit())
        self._state = _State.OVER
        self._wake()
        if self._hurried.is_set():
            self._close()

    def _close(self) -> None:
        if self._state is _State.CLOSED:
            return
        self._state = _State.CLOSED
        self._wake()
        for fd in (*self._open.values(), self._pipes.stdin):
            if self._pipes.has(fd):
                self._loop.remove_reader(fd)
                self._loop.remove_writer(fd)
        self._pipes.close()
        self._on_closed()

    def _end_of(self, stream: Stream) -> None:
        self._pipes.drop(self._open.pop(stream))
        if not self._open:
            self._drained.set()

    def _refuse_closed(self) -> None:
        if self._state is _State.CLOSED:
            raise TerminalExited("the command is over")

    async def _ready(
        self, fds: list[int], add: Callable[[int, Callable[[], None]], object], remove: Callable[[int], object]
    ) -> None:
        """Wait until one of the descriptors is ready, or something has ended."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.add(future)
        for fd in fds:
            add(fd, lambda: _resolve(future))
        try:
            await future
        finally:
            self._waiting.discard(future)
            for fd in fds:
                if self._pipes.has(fd):  # else it is closed, and the number may be another's
                    remove(fd)

    def _wake(self) -> None:
        for future in self._waiting:
            _resolve(future)


def _read(fd: int) -> bytes | None:
    """What can be read now, ``b""`` at the end, None where there is nothing yet."""
    try:
        return os.read(fd, _CHUNK)
    except BlockingIOError:
        return None


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
