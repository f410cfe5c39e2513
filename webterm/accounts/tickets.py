"""One-use tickets for WebSocket clients that hold no cookie of ours."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from webterm.access import Actor
from webterm.errors import LimitReached
from webterm.ids import LoginId, UserId

LIFETIME = 30
"""Seconds that a ticket lasts."""
MOST = 1000
"""Unused tickets at the same time."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Whom a ticket stands for, and the login that it was made from (None: the host application's own)."""

    actor: Actor
    login: LoginId | None
    expires: float


class Tickets:
    """Tickets that have been given out and not used yet. Kept in memory, by their SHA-256."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tickets: dict[bytes, Ticket] = {}

    def issue(self, actor: Actor, login: LoginId | None) -> str:
        """A new ticket. Raises `webterm.errors.LimitReached` when too many are unused."""
        self._forget(lambda ticket: ticket.expires <= self._clock())
        if len(self._tickets) >= MOST:
            raise LimitReached(f"{MOST} tickets are unused; wait {LIFETIME} seconds")
        secret = secrets.token_urlsafe(32)
        self._tickets[_hash(secret)] = Ticket(actor, login, self._clock() + LIFETIME)
        return secret

    def use(self, secret: str) -> Ticket | None:
        """What a ticket stands for, once; None when it is unknown, used or too old."""
        ticket = self._tickets.pop(_hash(secret), None)
        return ticket if ticket is not None and self._clock() < ticket.expires else None

    def revoke_login(self, login: LoginId) -> None:
        """Forget the tickets that were made from a login."""
        self._forget(lambda ticket: ticket.login == login)

    def revoke_user(self, user: UserId) -> None:
        """Forget the tickets of a person."""
        self._forget(lambda ticket: ticket.actor.id == user)

    def _forget(self, which: Callable[[Ticket], bool]) -> None:
        self._tickets = {key: ticket for key, ticket in self._tickets.items() if not which(ticket)}


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
