"""One local program: its terminal is a descriptor of ours, everything else is asked of the keeper."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import termios
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from webterm.drivers.duplex import Duplex
from webterm.errors import Forbidden, ShuttingDown, Unavailable
from webterm.keeper.client import Ended, KeeperClient, KeeperError, Taken
from webterm.session import Exit, Session, Size, check_record, check_signal

_GONE = ("lost", "no_such_program")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """How a program is ended: ``grace`` seconds between hanging up and killing, and what belongs to it."""

    grace: float
    scope: Literal["tree", "session"]


class _State(enum.IntEnum):
    OPEN = 0
    CLOSING = 1
    CLOSED = 2


class LocalSession(Session):
    """A program that the keeper holds. ``exit_`` is resolved by the driver, ``on_closed`` called once at the end.

    A ``confined`` one's process is only the parent of the program (see `webterm.drivers.prepared.Prepared`).
    """

    def __init__(
        self,
        taken: Taken,
        *,
        token: str,
        memory: int | None,
        exit_: asyncio.Future[Exit],
        keeper: KeeperClient,
        parting: Parting,
        on_closed: Callable[[], None],
        confined: bool = False,
    ) -> None:
        self.fd: int | None = taken.master
        self.pid = taken.pid
        self.token = token
        self.memory = memory
        self.record = taken.record
        self._loop = asyncio.get_running_loop()
        self._state = _State.OPEN
        self._exit = exit_
        self._keeper = keeper
        self._parting = parting
        self._on_closed = on_closed
        self._confined = confined
        self._ending: asyncio.Task[None] | None = None
        self._master = Duplex(taken.master, exit_.done)
        exit_.add_done_callback(lambda _: self._master.wake())

    async def read(self) -> bytes:
        return await self._master.read()

    async def write(self, data: bytes) -> None:
        await self._master.write(data)

    async def resize(self, size: Size) -> None:
        fd = self._master.fileno()
        with contextlib.suppress(termios.error):
            termios.tcsetwinsize(fd, (size.rows, size.cols))

    async def signal(self, name: str) -> None:
        self._master.fileno()
        check_signal(name)
        if not self._exit.done():
            await send_signal(self._keeper, self._token(), name)

    async def wait(self) -> Exit:
        """As `Session.wait`. Raises `webterm.errors.ShuttingDown` if the driver lets go of the running program."""
        return await asyncio.shield(self._exit)

    def at_prompt(self) -> bool | None:
        fd = self._master.fileno()
        try:
            if self._exit.done():
                return None
            group = os.tcgetpgrp(fd)
        except OSError:
            return None
        return group == self.pid or (self._confined and _parent(group) == self.pid)

    def explain(self, reason: str) -> None:
        """It will end, and not by itself: say why in the end. The first reason counts."""
        if not self.last_words and not self._exit.done():
            self.last_words = f"\r\n*** webterm: {reason}\r\n".encode()

    async def keep(self, record: bytes) -> None:
        """As `Session.keep`. Raises `webterm.errors.TooBig`."""
        self._master.fileno()
        check_record(record)
        try:
            await self._keeper.keep(self._token(), record)
        except KeeperError as error:
            if error.code not in _GONE:
                raise Unavailable(str(error)) from error
        self.record = record

    async def aclose(self) -> None:
        if self._state is _State.OPEN:
            self._state = _State.CLOSING
            self._master.shut()
            self._ending = self._loop.create_task(self._end())
        if self._ending is not None:
            await asyncio.shield(self._ending)

    def let_go(self) -> None:
        """Close the descriptors; the program runs on. One that is being ended is left to that."""
        if self._state is not _State.OPEN:
            return
        self._release()
        if not self._exit.done():
            self._exit.set_exception(ShuttingDown("the server lets go of the program, which runs on"))
            self._exit.exception()  # nobody needs to have asked

    async def _end(self) -> None:
        ended: Ended | None = None
        # Without a keeper, closing the last descriptor makes the kernel hang up.
        with contextlib.suppress(KeeperError):
            ended = await self._keeper.hang_up(self._token(), grace=self._parting.grace, scope=self._parting.scope)
        if not self._exit.done():
            self._exit.set_result(Exit() if ended is None else Exit(status=ended.status, signal=ended.signal))
        self._release()

    def _release(self) -> None:
        self._state = _State.CLOSED
        self._master.close()
        self.fd = None
        if self.memory is not None:
            os.close(self.memory)
            self.memory = None
        self._on_closed()

    def _token(self) -> str:
        return self.token or ""


async def send_signal(keeper: KeeperClient, token: str, name: str) -> None:
    """Signal a program of the keeper's; one that has ended is passed over. Raises `Forbidden` and `Unavailable`."""
    try:
        await keeper.signal(token, name)
    except KeeperError as error:
        if error.code == "denied":
            raise Forbidden(str(error)) from error
        if error.code not in _GONE:
            raise Unavailable(str(error)) from error


def _parent(pid: int) -> int | None:
    """The parent of a process (proc(5)), which does not wait for any disk."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return int(os.read(fd, 4096).rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None
    finally:
        os.close(fd)
