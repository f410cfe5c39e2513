"""The open WebSockets, so that rights which end or change somewhere do so on them too."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Protocol

from webterm.access import Actor
from webterm.errors import NotSignedIn, ShuttingDown, Unavailable
from webterm.ids import ProofId, UserId

IsLive = Callable[[ProofId], Awaitable[bool]]
HANDSHAKE = 60.0
"""Seconds for which it is remembered whose rights have changed: longer than any handshake takes."""

log = logging.getLogger("webterm.web")


class Connection(Protocol):
    """What a WebSocket has to offer to be looked after."""

    @property
    def actor(self) -> Actor:
        """Whom it belongs to."""

    @property
    def proof(self) -> ProofId | None:
        """What its right to be here rests on; None where a host application or a proxy signs people in."""

    @property
    def asked(self) -> float:
        """When its request came in, by `time.monotonic`."""

    async def revoke(self) -> None:
        """The right to be here has ended: stop both directions at once and close with 1008."""

    async def renew(self) -> None:
        """The rights are others now: stop both directions at once and close with 1012, so that the client returns."""

    async def shutdown(self) -> None:
        """The server stops: close with 1012."""


async def always(proof: ProofId) -> bool:
    """Where proofs are not ours to know."""
    return True


class Connections:
    """All open connections. ``is_live`` says whether a proof of identity is still good; it may be set later."""

    def __init__(self, is_live: IsLive = always, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_live = is_live
        self._clock = clock
        self._open: set[Connection] = set()
        self._changed: dict[UserId, float] = {}
        self._closings: set[asyncio.Task[None]] = set()
        self._accepting = True

    def __len__(self) -> int:
        return len(self._open)

    @asynccontextmanager
    async def joined(self, connection: Connection) -> AsyncIterator[None]:
        """Keep ``connection`` in the books while the block runs.

        Nothing slips through between the handshake and here: raises `webterm.errors.NotSignedIn` when its proof has
        ended since, and `webterm.errors.Unavailable`, so that the client comes back, when its person's rights have
        changed, when the server stops (`webterm.errors.ShuttingDown`) and when the store does not answer.
        """
        if not self._accepting:
            raise ShuttingDown("the server stops")
        self._open.add(connection)  # first, so that what ends while we look reaches it as well
        try:
            if self._changed.get(connection.actor.id, connection.asked) > connection.asked:
                raise Unavailable("your rights have just changed; come back")
            if connection.proof is not None and not await self.is_live(connection.proof):
                raise NotSignedIn("you have signed out")
            yield
        finally:
            self._open.discard(connection)

    def revoke_proof(self, proof: ProofId) -> None:
        """Close every connection that rests on a proof. That is under way now; nobody waits for the peers."""
        self._close(connection.revoke() for connection in list(self._open) if connection.proof == proof)

    def revoke_user(self, user: UserId) -> None:
        """Close every connection of a person."""
        self._note(user)
        self._close(connection.revoke() for connection in list(self._open) if connection.actor.id == user)

    def renew_user(self, user: UserId) -> None:
        """A person's role or tier is another now: have every connection come back, which loses nothing."""
        self._note(user)
        self._close(connection.renew() for connection in list(self._open) if connection.actor.id == user)

    async def shutdown(self) -> None:
        """Take no more connections, tell the open ones to come back later, and wait until all is closed."""
        self._accepting = False
        self._close(connection.shutdown() for connection in list(self._open))
        await asyncio.gather(*self._closings, return_exceptions=True)

    def _note(self, user: UserId) -> None:
        now = self._clock()
        self._changed = {user: at for user, at in self._changed.items() if now - at < HANDSHAKE}
        self._changed[user] = now

    def _close(self, closings: Iterable[Coroutine[None, None, None]]) -> None:
        for closing in closings:
            task = asyncio.get_running_loop().create_task(closing)
            self._closings.add(task)
            task.add_done_callback(self._closed)

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._closings.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a connection could not be closed", exc_info=error)
