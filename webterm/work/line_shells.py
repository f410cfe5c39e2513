"""Line shells: who may have them, and what ends them."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from webterm.access import Actor, Source
from webterm.events import CommandRun, Tell
from webterm.exits import Exit
from webterm.ids import WorkspaceId
from webterm.session import Driver, Launch
from webterm.tasks import Tasks
from webterm.terminals.rules import PlaceOf
from webterm.work.holds import Holds
from webterm.work.line_shell import Done, LineShell, State, Text
from webterm.work.runtime_news import RuntimeChanged
from webterm.work.underway import Stay, Underway

__all__ = ["Done", "LineShells", "OpenShell", "State", "Text"]

MOST = 16
"""Line shells that one person may have open."""


class OpenShell:
    """A line shell of somebody's, which ends with their right to be where it is. As `LineShell` otherwise."""

    def __init__(self, shell: LineShell, stay: Stay) -> None:
        self._shell = shell
        self._stay = stay

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def state(self) -> State:
        """What it is doing, as far as has been read."""
        return self._shell.state

    async def send(self, line: bytes) -> None:
        """See `LineShell.send`."""
        self._stay.check()
        await self._shell.send(line)

    async def end_input(self) -> None:
        """See `LineShell.end_input`."""
        await self._shell.end_input()

    async def signal(self, name: str) -> None:
        """See `LineShell.signal`."""
        await self._shell.signal(name)

    async def read(self) -> Text | Done | None:
        """See `LineShell.read`. Raises `webterm.errors.WebtermError` when the right to it has ended."""
        found = await self._shell.read()
        self._stay.check()
        return found

    async def wait(self) -> Exit:
        """See `LineShell.wait`."""
        return await self._shell.wait()

    async def aclose(self) -> None:
        """End the shell and what it started. Twice is harmless."""
        try:
            await self._shell.aclose()
        finally:
            self._stay.close()


class LineShells:
    """The line shells that people have. ``most``: of one person at a time; ``tell`` is for the audit log."""

    def __init__(
        self, drivers: Mapping[str, Driver], place_of: PlaceOf, holds: Holds, tell: Tell, *, most: int = MOST
    ) -> None:
        self._drivers = drivers
        self._tell = tell
        self._tasks = Tasks("line shells")
        self._underway = Underway(place_of, holds, most=most, kind="line shells")

    async def open(
        self,
        actor: Actor,
        *,
        source: Source,
        workspace: str | None = None,
        driver: str | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> OpenShell:
        """Start a shell. Needs `webterm.access.Scope.TERMINALS_WRITE`, and `webterm.access.Role.WRITE` in a workspace.

        Raises what `webterm.work.runtimes.Runtimes.place` and `LineShell.open` raise, and
        `webterm.errors.LimitReached`. Cancelling leaves no program behind.
        """
        stay = await self._underway.enter(actor, workspace, driver)
        try:
            place = stay.place
            launch = Launch(cwd=place.cwd if cwd is None else cwd, env=env or {}, runtime=place.runtime)
            shell = await LineShell.open(self._drivers[place.driver or ""], launch)
        except BaseException:
            stay.close()
            raise
        lines = OpenShell(shell, stay)
        try:
            stay.begin(lambda: self._tasks.run(shell.aclose()))
        except BaseException:
            await lines.aclose()
            raise
        self._tell(CommandRun(source=source, action="lines.open", workspace=stay.workspace, program=""))
        return lines

    def is_in(self, workspace: WorkspaceId) -> bool:
        """Whether a shell is under way in a workspace."""
        return self._underway.is_in(workspace)

    def on_runtime(self, changed: RuntimeChanged) -> None:
        """For `webterm.work.runtimes.Runtimes.subscribe`: a workspace that stops ends its shells."""
        self._underway.on_runtime(changed)

    async def aclose(self) -> None:
        """End all shells, and start none. Twice is harmless. Before the drivers are closed."""
        await self._underway.aclose()
        await self._tasks.aclose()
