"""Commands without a terminal: who may run them, for how long, and how much of their output is kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from types import TracebackType
from typing import Self

from webterm.access import Actor, Source
from webterm.errors import InvalidRequest, TerminalExited, WebtermError
from webterm.events import CommandRun, Tell
from webterm.execution import Execution, Stream
from webterm.exits import Exit
from webterm.ids import WorkspaceId
from webterm.session import Driver, Launch
from webterm.tasks import Tasks
from webterm.terminals.rules import PlaceOf
from webterm.work.holds import Holds
from webterm.work.runtime_news import RuntimeChanged
from webterm.work.underway import Stay, Underway

TIMEOUT = 60.0
"""Seconds that a command has, unless something else is said."""
LONGEST = 3600.0
OUTPUT_BYTES = 1024 * 1024
"""Bytes of each stream that are collected, unless something else is said."""
MOST_OUTPUT_BYTES = 16 * 1024 * 1024
MOST = 16
"""Commands that one person may have under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that somebody wants run: ``argv``, or a ``line`` for the shell.

    ``cwd`` is relative to the workspace. None for ``stdin`` leaves it open, for `Running.write`. ``timeout`` is in
    seconds, up to `LONGEST`.
    """

    argv: Sequence[str] = ()
    line: str | None = None
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes | None = None
    timeout: float = TIMEOUT

    @property
    def words(self) -> tuple[str, ...]:
        """What is executed. Raises `webterm.errors.InvalidRequest`."""
        if (self.line is None) == (not self.argv):
            raise InvalidRequest("a command is either argv or line")
        return tuple(self.argv) if self.line is None else ("sh", "-c", self.line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a command ended, after ``duration`` seconds. ``timed_out``: it was killed because it took too long."""

    exit: Exit
    timed_out: bool
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """All of a command's output; of streams that are ``truncated`` only the beginning."""

    stdout: bytes
    stderr: bytes
    truncated: frozenset[Stream]
    outcome: Outcome


class Running:
    """A command under way. Whoever has it reads it, without which nothing goes on, and closes it."""

    def __init__(self, execution: Execution, stay: Stay, command: Command, tasks: Tasks) -> None:
        self._execution = execution
        self._stay = stay
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._timed_out = False
        self._timer = self._loop.call_later(command.timeout, self._expire)
        if command.stdin is not None:
            tasks.run(self._feed(command.stdin))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def read(self) -> tuple[Stream, bytes] | None:
        """The next output; None once it has ended, with all that it started. Cancelling loses nothing.

        Raises `webterm.errors.WebtermError` where it was ended because the right to it has ended.
        """
        try:
            found = await self._execution.read()
        except TerminalExited:
            self._stay.check()
            raise
        self._stay.check()
        return found

    async def write(self, data: bytes) -> None:
        """Hand ``data`` to its stdin; waits while it does not read."""
        await self._execution.write(data)

    async def end_input(self) -> None:
        """Close its stdin. Twice is harmless."""
        await self._execution.end_input()

    async def signal(self, name: str) -> None:
        """Send it one of `webterm.session.SIGNALS`."""
        await self._execution.signal(name)

    async def outcome(self) -> Outcome:
        """Wait until it has ended."""
        exit_ = await self._execution.wait()
        self._stay.check()
        return Outcome(exit=exit_, timed_out=self._timed_out, duration=self._loop.time() - self._began)

    async def aclose(self) -> None:
        """Kill it and what it started, unless it has ended. Twice is harmless."""
        self._timer.cancel()
        try:
            await self._execution.aclose()
        finally:
            self._stay.close()

    def _expire(self) -> None:
        self._timed_out = True
        self._tasks.run(self._kill())

    async def _kill(self) -> None:
        try:
            await self._execution.signal("KILL")  # what it has said can still be read
        except TerminalExited:
            return
        except WebtermError:
            await self._execution.aclose()

    async def _feed(self, stdin: bytes) -> None:
        with contextlib.suppress(TerminalExited):
            await self._execution.write(stdin)
            await self._execution.end_input()


class Executions:
    """The commands that people run in workspaces. ``most``: of one person at a time; ``tell`` is for the audit log."""

    def __init__(
        self, drivers: Mapping[str, Driver], place_of: PlaceOf, holds: Holds, tell: Tell, *, most: int = MOST
    ) -> None:
        self._drivers = drivers
        self._tell = tell
        self._tasks = Tasks("commands")
        self._underway = Underway(place_of, holds, most=most, kind="commands")

    async def start(self, actor: Actor, workspace: str, command: Command, *, source: Source) -> Running:
        """Run a command. Needs `webterm.access.Scope.TERMINALS_WRITE` and `webterm.access.Role.WRITE`.

        Raises `webterm.errors.InvalidRequest`, what `webterm.work.runtimes.Runtimes.place` and
        `webterm.session.Driver.execute` raise, and `webterm.errors.LimitReached`. Cancelling leaves no program behind.
        """
        words = command.words
        if not 0 < command.timeout <= LONGEST:
            raise InvalidRequest(f"a command has at most {LONGEST:g} seconds")
        stay = await self._underway.enter(actor, workspace)
        try:
            place = stay.place
            launch = Launch(
                argv=words,
                cwd=place.cwd if command.cwd is None else command.cwd,
                env=command.env,
                runtime=place.runtime,
            )
            execution = await self._drivers[place.driver or ""].execute(launch)
        except BaseException:
            stay.close()
            raise
        running = Running(execution, stay, command, self._tasks)
        try:
            stay.begin(lambda: self._tasks.run(execution.aclose()))
        except BaseException:
            await running.aclose()
            raise
        self._tell(
            CommandRun(source=source, action="exec.run", workspace=stay.workspace, program=PurePath(words[0]).name)
        )
        return running

    async def collect(
        self,
        actor: Actor,
        workspace: str,
        command: Command,
        *,
        source: Source,
        stdout_limit: int = OUTPUT_BYTES,
        stderr_limit: int = OUTPUT_BYTES,
    ) -> Collected:
        """Run a command to its end; of each stream so many bytes are kept, and what comes on top is dropped.

        Raises what `start` raises. Cancelling ends the command.
        """
        kept = {Stream.STDOUT: bytearray(), Stream.STDERR: bytearray()}
        limits = {Stream.STDOUT: stdout_limit, Stream.STDERR: stderr_limit}
        truncated = set()
        async with await self.start(actor, workspace, command, source=source) as running:
            while (found := await running.read()) is not None:
                stream, data = found
                room = limits[stream] - len(kept[stream])
                kept[stream] += data[:room]
                if len(data) > room:
                    truncated.add(stream)
            outcome = await running.outcome()
        return Collected(
            stdout=bytes(kept[Stream.STDOUT]),
            stderr=bytes(kept[Stream.STDERR]),
            truncated=frozenset(truncated),
            outcome=outcome,
        )

    def is_in(self, workspace: WorkspaceId) -> bool:
        """Whether a command is under way in a workspace."""
        return self._underway.is_in(workspace)

    def on_runtime(self, changed: RuntimeChanged) -> None:
        """For `webterm.work.runtimes.Runtimes.subscribe`: a workspace that stops ends its commands."""
        self._underway.on_runtime(changed)

    async def aclose(self) -> None:
        """End all commands, and start none. Twice is harmless. Before the drivers are closed."""
        await self._underway.aclose()
        await self._tasks.aclose()
