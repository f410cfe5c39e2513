"""Rights that last: of those who are in the middle of something in a workspace."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from webterm.access import Actor, Role
from webterm.errors import ReadOnly, WebtermError
from webterm.ids import WorkspaceId
from webterm.work.admission import no_such
from webterm.work.workspaces import Ending, MemberChanged, MemberGone, Workspace, WorkspaceGone, Workspaces

RECENT = 0.5
"""Seconds for which a look is good where many things are done one after the other."""

OnEnd = Callable[[], None]
"""Called in the loop when a right ends. It may not wait, and does not fail."""


class Holds:
    """Who is in the middle of something, by workspace. Learns within a second when a right ends."""

    def __init__(self, workspaces: Workspaces, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._workspaces = workspaces
        self._clock = clock
        self._held: dict[WorkspaceId, set[Hold]] = {}
        workspaces.subscribe(self._on_ending)

    async def take(
        self, actor: Actor, workspace: str, role: Role, on_end: OnEnd | None = None, *, lasting: bool = False
    ) -> Hold:
        """The right to act in a workspace, until `Hold.close`. Raises as `Workspaces.allowed`.

        ``lasting``: many things are done with it, and `confirm` after each of them looks only now and then.
        """
        mark = self._workspaces.mark()
        found = await self._workspaces.allowed(actor, workspace, role)
        hold = Hold(self, actor, found, role, on_end)
        if lasting:
            hold.good_until = self._clock() + RECENT
        self._held.setdefault(found.id, set()).add(hold)
        if self._workspaces.ended(mark, found.id, actor.id, role):
            hold.close()
            raise no_such(found.id)
        return hold

    async def confirm(self, hold: Hold) -> None:
        """Look again whether the right is still there, at the end of something long. Raises as `take`."""
        hold.check()
        now = self._clock()
        if hold.good_until is None or now >= hold.good_until:
            await self._workspaces.allowed(hold.actor, hold.workspace.id, hold.role)
            hold.good_until = None if hold.good_until is None else now + RECENT

    def forget(self, hold: Hold) -> None:
        """For `Hold.close`."""
        held = self._held.get(hold.workspace.id, set())
        held.discard(hold)
        if not held:
            self._held.pop(hold.workspace.id, None)

    def _on_ending(self, ending: Ending) -> None:
        for hold in tuple(self._held.get(ending.workspace, ())):
            error = _ended(ending, hold)
            if error is not None:
                hold.end(error)


class Hold:
    """The right of ``actor`` to be in ``workspace`` with ``role``, while something is done there."""

    def __init__(self, holds: Holds, actor: Actor, workspace: Workspace, role: Role, on_end: OnEnd | None) -> None:
        self.actor = actor
        self.workspace = workspace
        self.role = role
        self._holds = holds
        self._on_end = on_end
        self._error: WebtermError | None = None
        self.good_until: float | None = None
        """Until when a lasting one need not be looked up again; for `Holds`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def check(self) -> None:
        """Raise `webterm.errors.NoSuchWorkspace` or `webterm.errors.ReadOnly` when it has ended. From any thread."""
        if self._error is not None:
            raise type(self._error)(*self._error.args)

    def end(self, error: WebtermError) -> None:
        """The right has ended."""
        if self._error is None:
            self._error = error
            if self._on_end is not None:
                self._on_end()

    @property
    def lasting(self) -> bool:
        """Whether many things are done with it."""
        return self.good_until is not None

    def close(self) -> None:
        """It is not needed any more. Twice is harmless."""
        self._holds.forget(self)


def _ended(ending: Ending, hold: Hold) -> WebtermError | None:
    match ending:
        case WorkspaceGone():
            return no_such(hold.workspace.id)
        case MemberGone() if ending.user == hold.actor.id:
            return no_such(hold.workspace.id)
        case MemberChanged() if ending.user == hold.actor.id and ending.role < hold.role:
            return ReadOnly("your role in this workspace is too low for this now")
    return None
