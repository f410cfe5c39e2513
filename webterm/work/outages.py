"""What becomes of workspaces' containers as their engine goes away and comes back."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from webterm.errors import WebtermError
from webterm.ids import WorkspaceId
from webterm.runtime import RuntimeState
from webterm.session import Driver
from webterm.tasks import Tasks
from webterm.work.choosing import Choosing
from webterm.work.runtime_news import RuntimeNews
from webterm.work.whereabouts import Whereabouts
from webterm.work.workspaces import Workspaces

AWAY = "the container engine has gone away"
PARTING = 30.0
"""Seconds within which an engine that ends its containers first is gone itself."""

log = logging.getLogger("webterm.work")


class Outages:
    """Tells everybody when containers cannot be used any more; when they can again, has them looked after.

    ``take_over`` is called for each workspace whose container is up. ``clock`` is in seconds. `aclose` at the end.
    """

    def __init__(
        self,
        workspaces: Workspaces,
        drivers: Mapping[str, Driver],
        choosing: Choosing,
        where: Whereabouts,
        news: RuntimeNews,
        take_over: Callable[[WorkspaceId], Awaitable[None]],
        *,
        clock: Callable[[], float],
    ) -> None:
        self._workspaces = workspaces
        self._drivers = drivers
        self._choosing = choosing
        self._where = where
        self._news = news
        self._take_over = take_over
        self._clock = clock
        self._ended: dict[WorkspaceId, float] = {}
        self._tasks = Tasks("outages")
        choosing.subscribe(self._turn)

    def ended(self, workspace: WorkspaceId, reason: str) -> None:
        """A runtime has ended that nobody has asked to end: tell why. It may turn out that its engine has ended."""
        now = self._clock()
        self._ended = {each: when for each, when in self._ended.items() if now - when < PARTING} | {workspace: now}
        self._news.tell(workspace, RuntimeState.ABSENT, reason)

    async def aclose(self) -> None:
        """Look after nothing any more. Twice is harmless."""
        await self._tasks.aclose()

    def _turn(self, works: bool) -> None:
        if works:
            self._tasks.run(self._adopt())
            return
        now = self._clock()
        for workspace, when in self._ended.items():
            last = self._news.last(workspace).state
            if now - when < PARTING and last is RuntimeState.ABSENT and self._where.last(workspace) is None:
                self._news.tell(workspace, RuntimeState.ABSENT, AWAY)
        for workspace in self._where.settled_at(self._choosing.contained):
            self._news.tell(workspace, RuntimeState.ABSENT, AWAY)

    async def _adopt(self) -> None:
        """Containers can be used from now on: take those over that are there, and remove those that nobody wants."""
        self._news.clear_failures()
        self._ended.clear()
        driver = self._drivers[self._choosing.contained]
        try:
            wanted = await self._workspaces.present()
            await self._where.collect(self._choosing.contained, wanted)
            for workspace in wanted:
                unknown = self._where.last(workspace) is None or self._news.last(workspace).message == AWAY
                if unknown and await driver.is_up(workspace):
                    await self._take_over(workspace)
        except WebtermError as error:
            log.warning("containers that were there before are not looked after: %s", error)
