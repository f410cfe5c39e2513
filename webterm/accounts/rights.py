"""Rights that end or change reach every server on the database, and what is open there, within a second.

Every rule that takes a right away writes a line into the store's changes, in the same transaction
(`webterm.store.changes`). Each server reads the new lines twice a second, and at once when it wrote one itself; so it
makes no difference whether a right ended here, on another server or by a command. Rights that end by time, logins and
tokens that have run out, are ended here as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

from webterm.errors import StoreUnavailable
from webterm.store import changes, logins, tokens
from webterm.store.changes import Change
from webterm.store.engine import Store

log = logging.getLogger("webterm.accounts")

OnChange = Callable[[Change], Awaitable[None]]

INTERVAL = 0.5
"""Seconds between two looks."""
EXPIRY = 10.0
"""Seconds between two searches for what has run out."""
PRUNING = 600.0
"""Seconds between two removals of old changes."""
KEPT = 86_400.0
"""Seconds for which changes are kept, for servers that cannot reach the database meanwhile."""


class Rights:
    """Tells subscribers of every change once, in order, from `start` on."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time, interval: float = INTERVAL) -> None:
        self._store = store
        self._clock = clock
        self._interval = interval
        self._subscribers: list[OnChange] = []
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._number = 0
        self._due: dict[str, float] = {}

    def subscribe(self, callback: OnChange) -> None:
        """Have ``callback`` called with every change. It must not wait for peers: the others wait for it.

        What it raises is logged and keeps nobody else from being told.
        """
        self._subscribers.append(callback)

    def poke(self) -> None:
        """Look at once: a change has just been committed. Harmless where nothing was started."""
        self._wake.set()

    async def start(self) -> None:
        """Begin with the changes that come from now on. Raises `webterm.errors.StoreUnavailable`."""
        async with self._store.reading() as conn:
            self._number = await changes.latest(conn)
        # In a task of its own, because chores write, and writers may have to wait for each other.
        for step, pause in ((self._look, self._until_poked), (self._chores, self._rest)):
            self._tasks.append(asyncio.create_task(self._repeat(step, pause), name="rights"))

    async def aclose(self) -> None:
        """Stop looking. Twice is harmless."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _repeat(self, step: Callable[[], Awaitable[None]], pause: Callable[[], Awaitable[None]]) -> None:
        reachable = True
        while True:
            try:
                await step()
                reachable = True
            except StoreUnavailable as error:
                if reachable:
                    log.warning("rights that end elsewhere are not seen until the database answers: %s", error)
                reachable = False
            except Exception:
                log.exception("looking for changed rights failed")
            await pause()

    async def _until_poked(self) -> None:
        # Not wait_for: on Python 3.11 it loses a cancellation that comes together with the poke.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._interval):
                await self._wake.wait()
        self._wake.clear()  # before looking: a poke while we look makes us look again

    async def _rest(self) -> None:
        await asyncio.sleep(self._interval)

    async def _look(self) -> None:
        async with self._store.reading() as conn:
            found = await changes.since(conn, self._number)
        for change in found:
            self._number = change.number
            for callback in self._subscribers:
                try:
                    await callback(change)
                except Exception:
                    log.exception("a change of rights did not arrive everywhere")

    async def _chores(self) -> None:
        if self._is_due("expiry", EXPIRY):
            await self._end_what_ran_out()
        if self._is_due("pruning", PRUNING):
            async with self._store.writing() as conn:
                await changes.prune(conn, self._clock() - KEPT)

    def _is_due(self, chore: str, every: float) -> bool:
        now = self._clock()
        if 0 < self._due.get(chore, now) - now <= every:  # more than that: the clock was set back
            return False
        self._due[chore] = now + every
        return True

    async def _end_what_ran_out(self) -> None:
        now = self._clock()
        async with self._store.writing() as conn:
            over = [(login.user, login.id) for login in await logins.remove_expired(conn, now)]
            tokens_over = [(token.user, token.id) for token in await tokens.remove_expired(conn, now)]
            for user, proof in over + tokens_over:
                await changes.note(conn, user, proof, "ended", now)
        if over or tokens_over:
            self.poke()
