"""How the runtimes of all workspaces stand, as far as that is known without asking anybody."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from webterm.hub.hub import Hub
from webterm.hub.terminal import Terminal
from webterm.ids import WorkspaceId
from webterm.runtime import RuntimeState
from webterm.work.choosing import Choosing
from webterm.work.runtime_news import RuntimeChanged, RuntimeNews
from webterm.work.whereabouts import Whereabouts

_OF_INTEREST = {RuntimeState.STARTING, RuntimeState.STOPPING, RuntimeState.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one runtime stands. ``message`` is for people: how far it has come, or why it failed.

    ``driver`` is None where it failed before it was anywhere. ``since``: at least since then, in seconds since 1970, it
    is in this state; None: nobody knows. ``viewers`` look at its terminals, whose programs run.
    """

    workspace: WorkspaceId
    state: RuntimeState
    message: str
    driver: str | None
    since: float | None
    terminals: int
    viewers: int


class Standings:
    """Knows of all runtimes that are not absent, and of those that are because their engine is away.

    ``clock`` is in seconds since 1970.
    """

    def __init__(
        self,
        hub: Hub,
        where: Whereabouts,
        news: RuntimeNews,
        choosing: Choosing,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._hub = hub
        self._where = where
        self._news = news
        self._choosing = choosing
        self._clock = clock
        self._since: dict[WorkspaceId, tuple[RuntimeState, float]] = {}
        news.subscribe(self._changed)

    def all(self) -> list[Standing]:
        """All of them, in no order."""
        alive = self._hub.alive_by_workspace()
        changing = {workspace for workspace, (state, _) in self._since.items() if state in _OF_INTEREST}
        there = changing | alive.keys() | self._where.everywhere().keys()
        return [self._standing(workspace, alive.get(workspace, ())) for workspace in there]

    def one(self, workspace: WorkspaceId) -> Standing:
        """That of one, whatever it does."""
        return self._standing(workspace, self._hub.alive_in(workspace))

    def _standing(self, workspace: WorkspaceId, terminals: Sequence[Terminal]) -> Standing:
        last, here = self._news.last(workspace), self._where.last(workspace)
        driver = here.driver if here is not None else next((terminal.driver for terminal in terminals), None)
        state, message = last.state, last.message
        if state not in _OF_INTEREST:
            state = RuntimeState.ABSENT if driver is None else RuntimeState.READY
            message = message if driver is None else ""
            if driver == self._choosing.contained and not self._choosing.works:
                state, message = RuntimeState.ABSENT, last.message or self._choosing.trouble(driver)
        return Standing(
            workspace=workspace,
            state=state,
            message=message,
            driver=driver,
            since=self._since_when(workspace, state, terminals),
            terminals=len(terminals),
            viewers=sum(len(terminal.audience.live) for terminal in terminals),
        )

    def _since_when(self, workspace: WorkspaceId, state: RuntimeState, terminals: Sequence[Terminal]) -> float | None:
        told, when = self._since.get(workspace, (None, 0.0))
        found = [when] if told is state else []
        if state is RuntimeState.READY:  # it may have outlived another server, and its terminals know for how long
            found += [terminal.record.created for terminal in terminals]
        return min(found, default=None)

    def _changed(self, changed: RuntimeChanged) -> None:
        told, _ = self._since.get(changed.workspace, (None, 0.0))
        if changed.state is RuntimeState.ABSENT and not changed.message:
            self._since.pop(changed.workspace, None)
        elif told is not changed.state:
            self._since[changed.workspace] = changed.state, self._clock()
