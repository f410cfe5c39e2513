"""The open WebSockets, so that rights which end somewhere end on them too."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Protocol

from webterm.access import Actor
from webterm.errors import NotSignedIn, ShuttingDown
from webterm.ids import LoginId, UserId

log = logging.getLogger("webterm.web")


class Connection(Protocol):
    """What a WebSocket has to offer to be looked after."""

    @property
    def actor(self) -> Actor:
        """Whom it belongs to."""

    @property
    def login_id(self) -> LoginId | None:
        """The login that it rides on; None where the host application signs people in."""

    async def revoke(self) -> None:
        """The right to be here has ended: stop both directions at once and close with 1008."""

    async def shutdown(self) -> None:
        """The server stops: close with 1012."""


class Connections:
    """All open connections. ``is_live`` says whether a login is still good."""

    def __init__(self, is_live: Callable[[LoginId], bool]) -> None:
        self._is_live = is_live
        self._open: set[Connection] = set()
        self._accepting = True

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def joined(self, connection: Connection) -> Iterator[None]:
        """Keep ``connection`` in the books while the block runs.

        Raises `webterm.errors.NotSignedIn` when its login has ended since the handshake was allowed, so that no
        connection slips through between the two, and `webterm.errors.ShuttingDown` when the server stops.
        """
        if not self._accepting:
            raise ShuttingDown("the server stops")
        if connection.login_id is not None and not self._is_live(connection.login_id):
            raise NotSignedIn("you have signed out")
        self._open.add(connection)
        try:
            yield
        finally:
            self._open.discard(connection)

    async def revoke_login(self, login: LoginId) -> None:
        """Close every connection that rides on a login."""
        await _all(connection.revoke() for connection in list(self._open) if connection.login_id == login)

    async def revoke_user(self, user: UserId) -> None:
        """Close every connection of a person."""
        await _all(connection.revoke() for connection in list(self._open) if connection.actor.id == user)

    async def shutdown(self) -> None:
        """Take no more connections and tell the open ones to come back later."""
        self._accepting = False
        await _all(connection.shutdown() for connection in list(self._open))


async def _all(closings: Iterator[Coroutine[None, None, None]]) -> None:
    for result in await asyncio.gather(*closings, return_exceptions=True):
        if isinstance(result, Exception):
            log.error("a connection could not be closed", exc_info=result)
