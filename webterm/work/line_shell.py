"""One persistent shell for clients that are no terminal: a line goes in, its text and its status come out."""

from __future__ import annotations

import asyncio
import enum
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

from webterm.errors import InvalidRequest, LaunchFailed, TerminalExited, WebtermError
from webterm.session import Driver, Exit, Launch, Session, Size, check_signal
from webterm.work.line_script import END_OF_INPUT, LineScript, as_input

PATIENCE = 30.0
"""Seconds that a shell has to begin."""
LAST_WORDS = 0.5
"""Seconds for which output is waited for when the shell has ended."""
MOST_AFTER = 100
"""Reads, each of some KiB, after the end of the shell: more than a terminal can hold."""
INSIST = 0.1
INSISTING = 10
"""Seconds between looks whether an interrupt was lost, and how many there are."""
YOUNG = 0.5
"""Seconds in which a command may be just starting a program."""
SIZE = Size(80, 24)
LONGEST_LINE = 1024 * 1024
_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Text:
    """What programs have printed."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """A command has ended. ``status`` is what ``$?`` is, above 128 for signals; ``cwd``: where the shell is now."""

    status: int
    cwd: bytes


class State(enum.IntEnum):
    """What a line shell is doing."""

    STARTING = 0
    IDLE = 1
    SENT = 2  # a command is on its way
    RUNNING = 3
    ENDED = 4


class LineShell:
    """A shell in a terminal of its own, without echo, prompts and escape sequences of its own.

    Whoever opened it reads it (`read`), without which nothing goes on, and closes it.
    """

    def __init__(self, session: Session, script: LineScript) -> None:
        """Use `open`."""
        self._session = session
        self._script = script
        self._state = State.STARTING
        self._number = 0
        self._found: deque[Text | Done | None] = deque()
        self._held = b""  # what may be the beginning of a mark
        self._last = b""  # the end of what came before the shell began
        self._noise = True  # prompts, until the loop has begun
        self._interrupted = False
        self._newline = b""  # held back: the shell ends an interrupted line, which is nobody's text
        self._signals: list[str] = []
        self._restart = False
        self._writing = asyncio.Lock()
        loop = asyncio.get_running_loop()
        self._exit = loop.create_task(session.wait())
        self._reading: asyncio.Task[bytes] | None = None
        self._after = 0
        self._began = 0.0
        self._heard = 0  # how often something has been printed
        self._insisting: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, driver: Driver, launch: Launch, *, plain: bool = False, patience: float = PATIENCE
    ) -> LineShell:
        """Start a shell where ``launch`` says; its ``argv`` is not looked at. ``plain``: sh, though there be bash.

        Raises what `webterm.session.Driver.open` raises, and `webterm.errors.LaunchFailed` where no shell begins
        within ``patience`` seconds. Cancelling leaves no program behind.
        """
        script = LineScript(secrets.token_hex(16), plain=plain)
        env: Mapping[str, str] = {**launch.env, **script.environment}
        session = await driver.open(replace(launch, argv=script.argv, env=env, durable=False), SIZE)
        shell = cls(session, script)
        try:
            async with asyncio.timeout(patience):
                await session.write(script.restart)
                await shell._begin()
        except TimeoutError:
            await shell.aclose()
            raise LaunchFailed(f"no shell began within {patience:g} seconds") from None
        except BaseException:
            await shell.aclose()
            raise
        return shell

    @property
    def state(self) -> State:
        """What it is doing, as far as has been read."""
        return self._state

    async def send(self, line: bytes) -> None:
        """A command, which may have many lines; or, while one runs, a line for its stdin.

        Waits while nobody reads there. Input that a command does not read is gone when it ends. Raises
        `webterm.errors.InvalidRequest` for a command with a NUL or of more than `LONGEST_LINE` bytes, and
        `webterm.errors.TerminalExited` where the shell has ended. Cancelling may leave a beginning of it written.
        """
        if len(line) > LONGEST_LINE:
            raise InvalidRequest(f"a line has at most {LONGEST_LINE} bytes")
        async with self._writing:
            if self._state is State.ENDED:
                raise TerminalExited("the shell has ended")
            if self._state is not State.IDLE:
                await self._session.write(as_input(line))
                return
            if b"\0" in line:
                raise InvalidRequest("a command cannot hold a NUL")
            self._number += 1
            self._state = State.SENT
            self._interrupted = False
            await self._session.write(self._script.order(self._number, line))

    async def end_input(self) -> None:
        """The running command gets no more input. Ignored while none runs."""
        async with self._writing:
            if self._state in (State.SENT, State.RUNNING):
                await self._session.write(END_OF_INPUT)

    async def signal(self, name: str) -> None:
        """Send one of `webterm.session.SIGNALS` to the running command: ``INT`` is Ctrl-C. Ignored while none runs.

        ``KILL``, ``TERM`` and ``HUP`` then go to the shell. Raises `webterm.errors.InvalidRequest` for another name.
        """
        check_signal(name)
        if self._state is State.SENT:
            self._signals.append(name)  # it is about to begin
        elif self._state is State.RUNNING:
            await (self._interrupt() if name == "INT" else self._session.signal(name))
        elif self._state is State.IDLE and name in ("KILL", "TERM", "HUP"):
            await self._session.signal("KILL" if name == "TERM" else name)  # interactive shells ignore TERM

    async def read(self) -> Text | Done | None:
        """What comes next; None once, when the shell has ended. Cancelling loses nothing.

        What is not read holds the command up.
        """
        while not self._found:
            await self._step()
        return self._found.popleft()

    async def wait(self) -> Exit:
        """How the shell ended. Its output has to be read for that to happen."""
        return await asyncio.shield(self._exit)

    async def aclose(self) -> None:
        """End the shell and what it started. Twice is harmless."""
        self._state = State.ENDED
        await self._session.aclose()
        if self._insisting is not None:
            self._insisting.cancel()
        rest = [task for task in (self._exit, self._reading, self._insisting) if task is not None]
        await asyncio.gather(*rest, return_exceptions=True)

    # Interrupts.

    async def _interrupt(self) -> None:
        self._interrupted = True
        loop = asyncio.get_running_loop()
        lost = self._session.at_prompt() or loop.time() - self._began < YOUNG
        await self._session.signal("INT")
        if lost and (self._insisting is None or self._insisting.done()):
            self._insisting = asyncio.create_task(self._insist(self._number))

    async def _insist(self, number: int) -> None:
        """What is just starting a program passes over an interrupt: it gets another, until something happens."""
        heard = self._heard
        try:
            for _ in range(INSISTING):
                await asyncio.sleep(INSIST)
                if self._state is not State.RUNNING or self._number != number or self._heard != heard:
                    return
                if self._session.at_prompt() is False:
                    await self._session.signal("INT")
        except WebtermError:  # it has just ended
            return

    # What comes out of the terminal.

    async def _begin(self) -> None:
        while self._state is State.STARTING:
            await self._step()
        if self._state is State.ENDED:
            exit_ = await self.wait()
            said = self._last.decode("utf-8", "replace").strip()
            raise LaunchFailed(f"the shell ended at once ({exit_.signal or exit_.status}): {said}")

    async def _step(self) -> None:
        if self._restart:
            await self._session.write(self._script.restart)
            self._restart = False
        if self._signals and self._state is State.RUNNING:
            await self.signal(self._signals.pop(0))
            return
        data = await self._next()
        if data:
            self._take(data)
        else:
            self._end()

    async def _next(self) -> bytes:
        """More output, ``b""`` at the end.

        What runs on in the background keeps the terminal open, and may write, when the shell has ended: then only what
        is there already is waited for.
        """
        if self._reading is None:
            self._reading = asyncio.create_task(self._session.read())
        if not self._exit.done():
            await asyncio.wait([self._reading, self._exit], return_when=asyncio.FIRST_COMPLETED)
        if self._exit.done():
            self._after += 1
            await asyncio.wait([self._reading], timeout=LAST_WORDS)
        if not self._reading.done() or self._after > MOST_AFTER:
            return b""
        reading, self._reading = self._reading, None
        try:
            return reading.result()
        except TerminalExited:  # it was closed, or its driver was
            return b""

    def _end(self) -> None:
        held, self._held = self._held, b""
        self._text(held)
        self._flush_newline()
        self._state = State.ENDED
        self._found.append(None)

    def _take(self, data: bytes) -> None:
        start, end = self._script.mark_start, self._script.mark_end
        rest = self._held + data
        while True:
            place = rest.find(start)
            if place < 0:
                place = rest.rfind(start[:1], -len(start))
                keep = len(rest) if place < 0 or not start.startswith(rest[place:]) else place
                self._held = rest[keep:]
                self._text(rest[:keep])
                return
            self._text(rest[:place])
            stop = rest.find(end, place)
            if stop < 0:
                self._held = rest[place:]
                return
            self._mark(rest[place + len(start) : stop])
            rest = rest[stop + len(end) :]

    def _text(self, data: bytes) -> None:
        self._heard += bool(data.strip())  # of an interrupt that it passes over, a shell prints a new line
        if self._noise:
            self._last = (self._last + data)[-_SHOWN:]
            return
        if self._interrupted:
            # What a program has printed may not wait: only a new line that comes alone can be the shell's.
            data = self._newline + data
            self._newline = data if data == b"\n" else b""
            data = data[len(self._newline) :]
        if data:
            self._found.append(Text(data))

    def _flush_newline(self) -> None:
        newline, self._newline = self._newline, b""
        if newline:
            self._found.append(Text(newline))

    def _mark(self, mark: bytes) -> None:
        kind, number, status, cwd = mark.split(b";", 3)
        if kind == b"K":
            self._newline = b""
            self._noise = self._restart = True
        elif kind == b"B":
            if int(number) == self._number:
                self._state = State.RUNNING
                self._began = asyncio.get_running_loop().time()
        else:
            if kind == b"R":
                self._newline = b""
            self._flush_newline()
            self._noise = False
            self._done(int(number), Done(int(status), cwd))

    def _done(self, number: int, done: Done) -> None:
        if self._state is State.STARTING:
            self._state = State.IDLE
        elif self._state in (State.SENT, State.RUNNING) and number == self._number:
            self._state = State.IDLE
            self._interrupted = False
            self._signals.clear()
            if self._insisting is not None:
                self._insisting.cancel()
                self._insisting = None
            self._found.append(done)
