"""One command without a terminal in a container: a socket of ours with frames; the rest is asked of the engine."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import socket
from collections.abc import Callable

from webterm.drivers.cancelling import first
from webterm.drivers.docker.learning import Learning
from webterm.drivers.docker.program import Begun, exit_of
from webterm.drivers.docker.session import LAST_WORDS, Means
from webterm.drivers.docker.stream import shut_down
from webterm.drivers.duplex import Duplex
from webterm.errors import TerminalExited
from webterm.execution import Execution, Stream
from webterm.exits import Exit
from webterm.ids import WorkspaceId
from webterm.session import check_signal


class _State(enum.IntEnum):
    RUNNING = 0
    ENDED = 1  # the command itself; what it left behind may still write
    OVER = 2  # nothing of it runs any more
    CLOSED = 3


class DockerExecution(Execution):
    """A command in a container. ``on_closed`` is called once at the end.

    Its end is learned from the engine, when the stream ends or `check` is called; ``Exit(None, None)`` where it cannot
    be.
    """

    def __init__(
        self, means: Means, begun: Begun, *, token: str, workspace: WorkspaceId, on_closed: Callable[[], None]
    ) -> None:
        self.place = begun.place
        self._means = means
        self._sock = begun.stream
        self._frames = begun.frames
        self._token = token
        self._workspace = workspace
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._state = _State.RUNNING
        self._exit: asyncio.Future[Exit] = self._loop.create_future()
        self._input_ended = False
        self._fd = os.dup(begun.stream.fileno())  # the socket itself is what its sending half is shut by
        self._duplex = Duplex(self._fd, lambda: self._input_ended or self._exit.done())
        self._exit.add_done_callback(lambda _: self._duplex.wake())
        self._drained = asyncio.Event()
        self._hurried = asyncio.Event()
        self._learning = Learning(means.engine, begun.place.exec, self._learn)
        self._ending = self._loop.create_task(self._end())
        means.hang_ups.watch(self._fd, self.check)

    async def read(self) -> tuple[Stream, bytes] | None:
        while True:
            self._refuse_closed()
            try:
                piece = self._frames.read(self._fd)
            except BlockingIOError:
                await self._duplex.until_readable()
                continue
            if piece is None:
                self._drained.set()
            return piece

    async def write(self, data: bytes) -> None:
        self._refuse_closed()
        await self._duplex.write(data)

    async def end_input(self) -> None:
        self._refuse_closed()
        await self._duplex.write(b"")  # after what is being written
        self._input_ended = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    async def signal(self, name: str) -> None:
        """As `Execution.signal`. Raises `webterm.errors.Unavailable`."""
        self._refuse_closed()
        check_signal(name)
        if not self._exit.done() and await self._means.endings.signal(self.place, name):
            self._ended(Exit(signal=name))  # the engine tells only when all its output is read

    async def wait(self) -> Exit:
        return await asyncio.shield(self._exit)

    def cut(self) -> None:
        """What has not arrived of its output is lost: nobody reads it, and the engine would wait for ever."""
        if self._state is not _State.CLOSED:
            shut_down(self._fd)

    def check(self, *, sure: bool = True) -> None:
        """It has ended: learn how. Not ``sure``: something has happened, it may have ended."""
        if not self._exit.done() and self._state is _State.RUNNING:
            self._learning.begin(sure=sure)

    async def aclose(self) -> None:
        if self._state is not _State.CLOSED:
            self._hurried.set()
            await asyncio.shield(self._ending)
            self._close()

    async def _end(self) -> None:
        """Wait for the end, or until we are to hurry; then nothing of the command may be left."""
        await first(asyncio.shield(self._exit), self._hurried.wait())
        if not self._hurried.is_set():
            self._state = _State.ENDED
            await first(asyncio.sleep(LAST_WORDS), self._drained.wait(), self._hurried.wait())
        name = await self._means.endings.end_for_sure(self._workspace, self.place, self._token, grace=0)
        if self._hurried.is_set():
            self.cut()
        await self._learning.settle()
        if not self._exit.done():
            status = await self._learning.status(LAST_WORDS)
            self._ended(Exit(signal=name) if status is None else exit_of(status, shell=False))
        self._state = _State.OVER
        if not self._hurried.is_set():
            with contextlib.suppress(TerminalExited):
                await first(self._drain(), self._hurried.wait())
        if self._hurried.is_set():
            self._close()

    async def _learn(self) -> None:
        """It has ended: ask how."""
        status = await self._learning.status()
        if status is None:
            self._means.endings.end_soon(self.place.container, self.place.user, self._token)
        self._ended(Exit() if status is None else exit_of(status, shell=False))

    def _ended(self, exit_: Exit) -> None:
        """How it has ended; the first who knows is right."""
        if not self._exit.done():
            self._exit.set_result(exit_)

    async def _drain(self) -> None:
        """Take what is left of the output, which is not much: the engine tells nobody's end before."""
        while self._state is _State.OVER:
            try:
                if not self._frames.take(self._fd):
                    return
            except BlockingIOError:
                await self._duplex.until_readable()

    def _close(self) -> None:
        if self._state is _State.CLOSED:
            return
        self._state = _State.CLOSED
        self._means.hang_ups.forget(self._fd)
        self._duplex.close()
        self._sock.close()
        self._on_closed()

    def _refuse_closed(self) -> None:
        if self._state is _State.CLOSED:
            raise TerminalExited("the command is over")
