"""Terminals and commands without a program: they give back what is written to them."""

from __future__ import annotations

import asyncio
import enum
import re
from typing import ClassVar

from webterm.drivers.echo_execution import EchoExecution
from webterm.errors import TerminalExited
from webterm.session import Driver, Execution, Exit, Launch, Session, Size, check_signal

MOST_UNREAD = 256 * 1024
"""Bytes of output that may be unread before `EchoSession.write` waits."""

_CHUNK = 64 * 1024
_KEYS = re.compile(rb"([\r\x03\x04])")
_SHOWN = {b"\r": b"\r\n", b"\x03": b"^C\r\n"}
_FATAL = ("TERM", "KILL", "HUP")


class _State(enum.IntEnum):
    RUNNING = 0
    ENDED = 1
    CLOSED = 2


class EchoSession(Session):
    """Gives back its input: CR as CRLF, Ctrl-C as ``^C`` and a new line, all else unchanged.

    Ctrl-D at the start of a line ends it with status 0. A new size is shown as ``size 80x24``, a signal that does not
    end it by its name.
    """

    def __init__(self, launch: Launch) -> None:
        self.record = launch.record
        self._state = _State.RUNNING
        self._output = bytearray()
        self._line_start = True
        self._exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._changed = asyncio.Condition()

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._state is _State.CLOSED

    async def read(self) -> bytes:
        async with self._changed:
            await self._changed.wait_for(lambda: self._output or self._state > _State.RUNNING)
            self._refuse_closed()
            data = bytes(self._output[:_CHUNK])
            del self._output[: len(data)]
            self._changed.notify_all()
            return data

    async def write(self, data: bytes) -> None:
        self._refuse_closed()
        for start in range(0, len(data), _CHUNK):
            async with self._changed:
                await self._changed.wait_for(lambda: len(self._output) < MOST_UNREAD or self._state > _State.RUNNING)
                self._refuse_closed()
                self._echo(data[start : start + _CHUNK])
                self._changed.notify_all()

    async def resize(self, size: Size) -> None:
        await self._show(f"size {size.cols}x{size.rows}\r\n")

    async def signal(self, name: str) -> None:
        check_signal(name)
        if name in _FATAL:
            self._refuse_closed()
            await self._end(Exit(signal=name))
        else:
            await self._show("^C\r\n" if name == "INT" else f"signal {name}\r\n")

    async def wait(self) -> Exit:
        return await asyncio.shield(self._exit)

    def at_prompt(self) -> bool | None:
        self._refuse_closed()
        return None

    async def keep(self, record: bytes) -> None:
        self._refuse_closed()
        self.record = record

    async def aclose(self) -> None:
        if self._state is _State.CLOSED:
            return
        self._finish(Exit(signal="HUP"))
        self._state = _State.CLOSED
        async with self._changed:
            self._changed.notify_all()

    def _echo(self, data: bytes) -> None:
        """Take input until it ends the session; what comes after that is dropped."""
        if self._state > _State.RUNNING:
            return
        for piece in _KEYS.split(data):
            if piece == b"\x04":
                if self._line_start:
                    self._finish(Exit(status=0))
                    return
            elif piece:
                self._output += _SHOWN.get(piece, piece)
                self._line_start = piece[-1:] in (b"\r", b"\n", b"\x03")

    async def _show(self, line: str) -> None:
        self._refuse_closed()
        if self._state is _State.RUNNING:
            async with self._changed:
                self._output += line.encode()
                self._changed.notify_all()

    async def _end(self, how: Exit) -> None:
        async with self._changed:
            self._finish(how)
            self._changed.notify_all()

    def _finish(self, how: Exit) -> None:
        if self._state is _State.RUNNING:
            self._state = _State.ENDED
            self._exit.set_result(how)

    def _refuse_closed(self) -> None:
        if self._state is _State.CLOSED:
            raise TerminalExited("the terminal is closed")


class EchoDriver(Driver):
    """Opens sessions that echo. They run nothing, whatever is asked for, and end with the server."""

    name: ClassVar[str] = "echo"

    def __init__(self) -> None:
        self._sessions: list[EchoSession] = []
        self._executions: list[EchoExecution] = []

    async def open(self, launch: Launch, size: Size) -> Session:
        self._sessions = [session for session in self._sessions if not session.closed]
        session = EchoSession(launch)
        self._sessions.append(session)
        return session

    async def execute(self, launch: Launch) -> Execution:
        self._executions = [execution for execution in self._executions if not execution.closed]
        execution = EchoExecution(launch)
        self._executions.append(execution)
        return execution

    async def aclose(self) -> None:
        for session in self._sessions:
            await session.aclose()
        for execution in self._executions:
            await execution.aclose()
        self._sessions.clear()
        self._executions.clear()
