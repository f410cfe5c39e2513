"""The viewers of one terminal: who they are, which writer leads, and whose place is held after its socket broke."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from webterm.access import Actor, Role
from webterm.hub.flow import DEFAULT_WINDOW
from webterm.hub.viewer import Event, Viewer, ViewersChanged, ViewerState
from webterm.ids import ProofId, ViewerId

_NEWS_PAUSE = 0.05  # seconds in which changes are gathered


class Audience:
    """An ordered set of viewers. The last writer that typed or attached leads: its size and its answers count."""

    def __init__(self) -> None:
        self._viewers: dict[ViewerId, Viewer] = {}
        self._number = 0
        self._led_by: ViewerId | None = None
        self._news: asyncio.TimerHandle | None = None
        self._expiries: dict[ViewerId, asyncio.TimerHandle] = {}

    def __bool__(self) -> bool:
        """Whether anybody is here, or may come back."""
        return bool(self._viewers)

    def __iter__(self) -> Iterator[Viewer]:
        return iter(tuple(self._viewers.values()))

    @property
    def live(self) -> list[Viewer]:
        """The viewers whose sockets are there."""
        return [viewer for viewer in self._viewers.values() if viewer.state is ViewerState.LIVE]

    @property
    def lead(self) -> Viewer | None:
        """The lead writer, or None without a writer."""
        writers = [viewer for viewer in self.live if viewer.writes]
        return writers[-1] if writers else None

    @property
    def held(self) -> Viewer | None:
        """A writer whose socket broke and whose place is held."""
        broken = (v for v in self._viewers.values() if v.state is ViewerState.BROKEN)
        return next(broken, None)

    def new(
        self,
        actor: Actor | None,
        role: Role,
        window: int,
        ready: Callable[[], None] = lambda: None,
        notify: Callable[[Event], None] = lambda event: None,
        proof: ProofId | None = None,
    ) -> Viewer:
        """A viewer with a number of its own, which has not joined yet."""
        self._number += 1
        return Viewer(ViewerId(self._number), actor, role, window, ready, notify, proof)

    def join(self, viewer: Viewer) -> None:
        """Add ``viewer``; a writer takes the lead."""
        self._viewers[viewer.id] = viewer
        self._changed()

    def leave(self, viewer: Viewer) -> bool:
        """Remove ``viewer``. Returns whether it was there."""
        viewer.state = ViewerState.GONE
        self._changed()
        if (expiry := self._expiries.pop(viewer.id, None)) is not None:
            expiry.cancel()
        return self._viewers.pop(viewer.id, None) is not None

    def hold(self, viewer: Viewer, grace: float, expired: Callable[[Viewer], None]) -> None:
        """The socket of ``viewer`` broke: hold its place, and call ``expired`` unless it left within ``grace``."""
        loop = asyncio.get_running_loop()
        viewer.state = ViewerState.BROKEN
        self._changed()
        viewer.holds = True
        viewer.progress = loop.time()
        self._expiries[viewer.id] = loop.call_later(grace, expired, viewer)

    def restore(self, count: int, offset: int, grace: float, expired: Callable[[Viewer], None]) -> None:
        """So many writers of a killed server, who had all drawn everything before ``offset``, may come back."""
        for _ in range(count):
            viewer = self.new(None, Role.WRITE, DEFAULT_WINDOW)
            viewer.acked = offset
            self.join(viewer)
            self.hold(viewer, grace, expired)

    def cancel(self) -> None:
        """Let no held place expire any more, and tell nobody."""
        if self._news is not None:
            self._news.cancel()
        for expiry in self._expiries.values():
            expiry.cancel()

    def promote(self, viewer: Viewer) -> bool:
        """``viewer`` has typed. Returns whether it takes the lead by that."""
        if not viewer.writes or self.lead is viewer:
            return False
        self._viewers[viewer.id] = self._viewers.pop(viewer.id)
        self._changed()
        return True

    def new_lead(self) -> Viewer | None:
        """The lead writer, if it is another than when this was last asked."""
        lead, before = self.lead, self._led_by
        self._led_by = lead.id if lead else None
        return lead if self._led_by != before else None

    def held_for(self, actor: Actor, offset: int) -> Viewer | None:
        """The held place that somebody returns to who has everything before ``offset``.

        Of several the latest: the earlier ones are for others, who have less.
        """
        broken = (v for v in self._viewers.values() if v.state is ViewerState.BROKEN and v.acked <= offset)
        mine = (viewer for viewer in broken if viewer.actor is None or viewer.actor.id == actor.id)
        return max(mine, key=lambda viewer: viewer.acked, default=None)

    def tell(self, event: Event) -> None:
        """Tell every live viewer."""
        for viewer in self.live:
            viewer.notify(event)

    def _changed(self) -> None:
        """Who looks, or leads, is told to all, but not for each of many changes at a time."""
        if self._news is None:
            self._news = asyncio.get_running_loop().call_later(_NEWS_PAUSE, self._tell_news)

    def _tell_news(self) -> None:
        self._news = None
        self.tell(ViewersChanged())
