"""Rights that end or change reach every server on the database, and what is open there, within a second.

Every rule that takes a right away writes a line into the store's changes, in the same transaction
(`webterm.store.changes`). Each server reads the new lines twice a second, and at once when it wrote one itself; so it
makes no difference whether a right ended here, on another server or by a command. Rights that end by time, logins and
tokens that have run out, are ended here as well.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

from webterm.store import changes, logins, tokens
from webterm.store.changes import Change
from webterm.store.engine import Store
from webterm.store.following import INTERVAL, Feed, Following, is_due

log = logging.getLogger("webterm.accounts")

OnChange = Callable[[Change], Awaitable[None]]

EXPIRY = 10.0
"""Seconds between two searches for what has run out."""
_FEED = Feed(latest=changes.latest, since=changes.since, prune=changes.prune)


class Rights:
    """Tells subscribers of every change once, in order, from `start` on."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time, interval: float = INTERVAL) -> None:
        self._store = store
        self._clock = clock
        self._subscribers: list[OnChange] = []
        self._expiry: float | None = None
        self._following = Following(
            store,
            _FEED,
            self._tell,
            what="rights that end elsewhere",
            chores=self._end_what_ran_out,
            clock=clock,
            interval=interval,
        )

    def subscribe(self, callback: OnChange) -> None:
        """Have ``callback`` called with every change. It must not wait for peers: the others wait for it.

        What it raises is logged and keeps nobody else from being told.
        """
        self._subscribers.append(callback)

    def poke(self) -> None:
        """Look at once: a change has just been committed. Harmless where nothing was started."""
        self._following.poke()

    async def start(self) -> None:
        """Begin with the changes that come from now on. Raises `webterm.errors.StoreUnavailable`."""
        await self._following.start()

    async def aclose(self) -> None:
        """Stop looking. Twice is harmless."""
        await self._following.aclose()

    async def _tell(self, change: Change) -> None:
        for callback in self._subscribers:
            try:
                await callback(change)
            except Exception:
                log.exception("a change of rights did not arrive everywhere")

    async def _end_what_ran_out(self) -> None:
        now = self._clock()
        if not is_due(self._expiry, now, EXPIRY):
            return
        self._expiry = now + EXPIRY
        async with self._store.writing() as conn:
            over = [(login.user, login.id) for login in await logins.remove_expired(conn, now)]
            tokens_over = [(token.user, token.id) for token in await tokens.remove_expired(conn, now)]
            for user, proof in over + tokens_over:
                await changes.note(conn, user, proof, "ended", now)
        if over or tokens_over:
            self.poke()
