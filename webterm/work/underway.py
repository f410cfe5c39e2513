"""Commands and shells that somebody has under way: how many there may be, and what ends them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from webterm.access import Actor, Role, Scope
from webterm.errors import LimitReached, MissingScope, RuntimeBusy, ShuttingDown, WebtermError
from webterm.ids import UserId, WorkspaceId
from webterm.runtime import RuntimeState
from webterm.terminals.rules import Place, PlaceOf
from webterm.work.holds import Hold, Holds
from webterm.work.runtime_news import RuntimeChanged

OnEnd = Callable[[], asyncio.Future[None]]
"""Begins to end something, and does not wait for that."""


class Stay:
    """One command or shell of somebody's, while it runs."""

    def __init__(self, underway: Underway, user: UserId, place: Place) -> None:
        self.place = place
        self._underway = underway
        self._user = user
        self._hold: Hold | None = None
        self._error: WebtermError | None = None
        self._on_end: OnEnd | None = None

    @property
    def user(self) -> UserId:
        """Whose it is."""
        return self._user

    @property
    def workspace(self) -> WorkspaceId | None:
        """Where it is."""
        return None if self.place.runtime is None else self.place.runtime.workspace

    def begin(self, on_end: OnEnd) -> None:
        """It runs now; ``on_end`` is called once if it has to end. Raises what has ended it meanwhile."""
        self._on_end = on_end
        self.check()
        self.place.check()

    def check(self) -> None:
        """Raise what has ended it."""
        if self._error is None and self._hold is not None:
            self._hold.check()
        if self._error is not None:
            raise type(self._error)(*self._error.args)

    def end(self, error: WebtermError) -> asyncio.Future[None] | None:
        """It has to end, for this reason; returns its end, where that has just begun."""
        self._error = self._error or error
        return self._end()

    def _on_right_ended(self) -> None:
        self._end()

    def _end(self) -> asyncio.Future[None] | None:
        on_end, self._on_end = self._on_end, None
        return None if on_end is None else on_end()

    def close(self) -> None:
        """It is over. Twice is harmless."""
        if self._hold is not None:
            self._hold.close()
        self._underway.forget(self)

    async def hold(self, holds: Holds, actor: Actor) -> None:
        """For `Underway`: have the right to be in the workspace, and hear when it ends."""
        if self.workspace is not None:
            self._hold = await holds.take(actor, self.workspace, Role.WRITE, self._on_right_ended)


class Underway:
    """Everything of one kind that is under way, at most ``most`` of one person."""

    def __init__(self, place_of: PlaceOf, holds: Holds, *, most: int, kind: str) -> None:
        """``kind``: what it is that there are too many of, in a sentence."""
        self._place_of = place_of
        self._holds = holds
        self._most = most
        self._kind = kind
        self._stays: set[Stay] = set()
        self._count: Counter[UserId] = Counter()
        self._open = True

    async def enter(self, actor: Actor, workspace: str | None, driver: str | None = None) -> Stay:
        """A place for something of this actor's, until `Stay.close`.

        Needs `webterm.access.Scope.TERMINALS_WRITE`. Raises what `webterm.work.runtimes.Runtimes.place` raises,
        `webterm.errors.LimitReached` and `webterm.errors.ShuttingDown`. Cancelling leaves nothing.
        """
        if not actor.may(Scope.TERMINALS_WRITE):
            raise MissingScope(f"this needs the scope {Scope.TERMINALS_WRITE}")
        self._check_open()
        if self._count[actor.id] >= self._most:
            raise LimitReached(f"you have {self._most} {self._kind} under way, which is all you can have at a time")
        self._count[actor.id] += 1
        try:
            stay = Stay(self, actor.id, await self._place_of(actor, workspace, driver))
            await stay.hold(self._holds, actor)
        except BaseException:
            self._uncount(actor.id)
            raise
        self._stays.add(stay)
        try:
            self._check_open()
        except ShuttingDown:
            stay.close()
            raise
        return stay

    def is_in(self, workspace: WorkspaceId) -> bool:
        """Whether anything is under way in a workspace."""
        return any(stay.workspace == workspace for stay in self._stays)

    def on_runtime(self, changed: RuntimeChanged) -> None:
        """A workspace that stops ends what is under way there. For `webterm.work.runtimes.Runtimes.subscribe`."""
        if changed.state is RuntimeState.STOPPING:
            for stay in [stay for stay in self._stays if stay.workspace == changed.workspace]:
                stay.end(RuntimeBusy("the workspace has just been stopped"))

    async def aclose(self) -> None:
        """The server stops: end everything, and begin nothing. Twice is harmless."""
        self._open = False
        endings = [stay.end(ShuttingDown("the server stops")) for stay in list(self._stays)]
        await asyncio.gather(*(ending for ending in endings if ending is not None), return_exceptions=True)

    def forget(self, stay: Stay) -> None:
        """For `Stay.close`."""
        if stay in self._stays:
            self._stays.remove(stay)
            self._uncount(stay.user)

    def _check_open(self) -> None:
        if not self._open:
            raise ShuttingDown("the server stops")

    def _uncount(self, user: UserId) -> None:
        self._count[user] -= 1
        if not self._count[user]:
            del self._count[user]
