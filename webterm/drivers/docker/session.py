"""One program with a terminal in a container: a socket of ours is its stream; the rest is asked of the engine."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from webterm.drivers.docker.container import is_ending
from webterm.drivers.docker.learning import Learning
from webterm.drivers.docker.program import Place, exit_of, give_size
from webterm.drivers.docker.stream import shut_down
from webterm.drivers.duplex import Duplex
from webterm.errors import EngineUnavailable, ShuttingDown, Unavailable
from webterm.ids import WorkspaceId
from webterm.session import Exit, Session, Size, check_record, check_signal

if TYPE_CHECKING:
    from webterm.drivers.docker.endings import Endings
    from webterm.drivers.docker.engine import Engine
    from webterm.drivers.hangups import HangUps
    from webterm.drivers.keeping import Keeping

LAST_WORDS = 1.0
"""Seconds for the last output of programs that have ended, and of what they leave behind, to be written and read."""
_KILLED = (128 + 9, 128 + 15)
LOST = "the container engine has gone, and with it the way to this program"


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What all programs in containers are handled with; ``grace`` is in seconds."""

    engine: Engine
    keeping: Keeping
    endings: Endings
    hang_ups: HangUps
    grace: float


class _State(enum.IntEnum):
    OPEN = 0
    CLOSING = 1
    CLOSED = 2


class DockerSession(Session):
    """A program in a container. ``on_closed`` is called once at the end.

    Its end is learned from the engine: when the stream ends, or when `check` is called. Where the engine cannot say, it
    has ended with ``Exit(None, None)``, and what still runs of it is ended as soon as that can be done.
    """

    def __init__(
        self,
        means: Means,
        place: Place,
        fd: int,
        *,
        token: str,
        workspace: WorkspaceId,
        memory: int | None,
        record: bytes,
        on_closed: Callable[[], None],
    ) -> None:
        """``fd``, non-blocking, and ``memory`` belong to the session. It does not outlive the server until `kept`."""
        self.fd: int | None = fd
        self.pid = place.host_pid
        self.memory = memory
        self.record = record
        self.place = place
        self.mark = token
        self._means = means
        self._workspace = workspace
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._state = _State.OPEN
        self._exit: asyncio.Future[Exit] = self._loop.create_future()
        self._stream = Duplex(fd, self._exit.done)
        self._exit.add_done_callback(lambda _: self._stream.wake())
        self._learning = Learning(means.engine, place.exec, self._learn)
        self._ending: asyncio.Task[None] | None = None
        self._size: Size | None = None
        self._sizing = asyncio.Lock()
        means.hang_ups.watch(fd, self.check)

    async def read(self) -> bytes:
        return await self._stream.read()

    async def write(self, data: bytes) -> None:
        await self._stream.write(data)

    async def resize(self, size: Size) -> None:
        self._stream.fileno()
        self._size = size
        async with self._sizing:
            if self._size is size and not self._exit.done():  # else somebody has given it a newer one
                with contextlib.suppress(Unavailable):
                    await give_size(self._means.engine, self.place.exec, size)

    async def signal(self, name: str) -> None:
        """As `Session.signal`. Raises `webterm.errors.Unavailable`."""
        self._stream.fileno()
        check_signal(name)
        if not self._exit.done() and await self._means.endings.signal(self.place, name):
            self._ended(Exit(signal=name))  # the engine tells only when all its output is read

    async def wait(self) -> Exit:
        """As `Session.wait`. Raises `webterm.errors.ShuttingDown` if the driver lets go of the running program."""
        return await asyncio.shield(self._exit)

    def at_prompt(self) -> bool | None:
        self._stream.fileno()
        if self.pid is None or self._exit.done():
            return None
        group = _foreground(self.pid)
        return None if group is None else group == self.pid

    async def keep(self, record: bytes) -> None:
        """As `Session.keep`. Raises `webterm.errors.TooBig` and `webterm.errors.Unavailable`."""
        self._stream.fileno()
        check_record(record)
        if self.token is not None:
            await self._means.keeping.keep(self.token, record)
        self.record = record

    async def hold(self) -> None:
        """Give the stream to the keeper, so that the program outlives the server.

        Where the keeper cannot, it does not; nothing is raised. Once it is closed this does nothing.
        """
        self.token = None
        if self.fd is None or self._state is not _State.OPEN:
            return
        keeping, note = self._means.keeping, self.place.dump()
        with contextlib.suppress(Unavailable):
            await keeping.hold(self.mark, self.fd, record=self.record, note=note, memory=self.memory)
            self.token = self.mark

    def resumed(self) -> None:
        """The keeper has it already."""
        self.token = self.mark

    def explain(self, reason: str) -> None:
        """It will end, and not by itself: say why in the end. The first reason counts."""
        if not self.last_words and not self._exit.done():
            self.last_words = f"\r\n*** webterm: {reason}\r\n".encode()

    def cut(self) -> None:
        """What has not arrived of its output is lost: nobody reads it, and the engine would wait for ever."""
        if self.fd is not None:
            shut_down(self.fd)

    def check(self, *, sure: bool = True) -> None:
        """It has ended: learn how. Not ``sure``: something has happened, it may have ended."""
        if not self._exit.done() and self._state is _State.OPEN:
            self._learning.begin(sure=sure)

    async def aclose(self) -> None:
        if self._state is _State.OPEN:
            self._state = _State.CLOSING
            self._stream.shut()
            self._ending = self._loop.create_task(self._end())
        if self._ending is not None:
            await asyncio.shield(self._ending)

    def let_go(self) -> None:
        """Close the descriptors; the program runs on. One that is being ended is left to that."""
        if self._state is not _State.OPEN:
            return
        self._learning.cancel()
        self._release()
        if not self._exit.done():
            self._exit.set_exception(ShuttingDown("the server lets go of the program, which runs on"))
            self._exit.exception()  # nobody needs to have asked

    async def _learn(self) -> None:
        """It has ended: ask how."""
        went_along = False
        try:
            status = await self._learning.status()
            if status in _KILLED and self._state is _State.OPEN:
                went_along = await self._went_along()
        except EngineUnavailable:
            status = None
        if self._exit.done():
            return
        if status is None:
            self.explain(LOST)
            self._means.endings.end_soon(self.place.container, self.place.user, self.mark)
        self._ended(Exit() if status is None or went_along else exit_of(status, shell=self.place.shell))

    def _ended(self, exit_: Exit) -> None:
        """How it has ended; the first who knows is right."""
        if not self._exit.done():
            self._exit.set_result(exit_)

    async def _went_along(self) -> bool:
        """Whether it was not the program alone that ended: the engine knows only later that its container has."""
        if not await is_ending(self._means.engine, self.place.container):
            return False
        self.explain("the workspace's container has ended")
        return True

    async def _end(self) -> None:
        await self._learning.settle()
        means = self._means
        if not self._exit.done():
            name = await means.endings.end_for_sure(self._workspace, self.place, self.mark, grace=means.grace)
            status = await self._learning.status(LAST_WORDS)
            if status is None:  # it may wait for somebody to read its last output
                self.cut()
                status = await self._learning.status(LAST_WORDS)
            self._ended(Exit(signal=name) if status is None else exit_of(status, shell=False))
        if self.token is not None:
            with contextlib.suppress(Unavailable):
                await means.keeping.forget(self.token)
        self._release()

    def _release(self) -> None:
        self._state = _State.CLOSED
        if self.fd is not None:
            self._means.hang_ups.forget(self.fd)
        self._stream.close()
        self.fd = None
        if self.memory is not None:
            os.close(self.memory)
            self.memory = None
        self._on_closed()


def _foreground(pid: int) -> int | None:
    """The foreground process group of a process's terminal (proc(5), tpgid), which does not wait for any disk."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return int(os.read(fd, 4096).rpartition(b")")[2].split()[5])
    except (OSError, IndexError, ValueError):
        return None
    finally:
        os.close(fd)
