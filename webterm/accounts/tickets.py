"""One-use tickets for WebSocket clients that can send neither a cookie nor a header of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from webterm.access import Actor
from webterm.accounts.secret_texts import hash_of, new_secret
from webterm.errors import LimitReached
from webterm.ids import ProofId, UserId
from webterm.store.changes import Change

LIFETIME = 30
"""Seconds that a ticket lasts."""
MOST = 1000
"""Unused tickets at the same time."""
MOST_PER_PERSON = 100
"""Unused tickets of one person: nobody uses up those of the others."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Whom a ticket stands for, with the scopes of the proof that it was made from.

    ``proof`` is None where the host application signs people in.
    """

    actor: Actor
    proof: ProofId | None
    expires: float


class Tickets:
    """Tickets that have been given out and not used yet. Kept in memory, by their SHA-256.

    Of several servers on one database only the one that gave out a ticket takes it.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tickets: dict[str, Ticket] = {}

    def issue(self, actor: Actor, proof: ProofId | None) -> str:
        """A new ticket. Raises `webterm.errors.LimitReached` when too many are unused."""
        self._forget(lambda ticket: ticket.expires <= self._clock())
        own = sum(ticket.actor.id == actor.id for ticket in self._tickets.values())
        if len(self._tickets) >= MOST or own >= MOST_PER_PERSON:
            raise LimitReached(f"too many tickets are unused; wait {LIFETIME} seconds")
        secret = new_secret()
        self._tickets[hash_of(secret)] = Ticket(actor, proof, self._clock() + LIFETIME)
        return secret

    def use(self, secret: str) -> Ticket | None:
        """What a ticket stands for, once; None when it is unknown, used or too old."""
        ticket = self._tickets.pop(hash_of(secret), None)
        return ticket if ticket is not None and self._clock() < ticket.expires else None

    async def on_change(self, change: Change) -> None:
        """Forget what was made from a proof that has ended, or for a person whose rights are others now."""
        if change.kind == "ended" and change.proof is not None:
            self._forget(lambda ticket: ticket.proof == change.proof)
        else:
            self.revoke_user(change.user)

    def revoke_user(self, user: UserId) -> None:
        """Forget the tickets of a person."""
        self._forget(lambda ticket: ticket.actor.id == user)

    def _forget(self, which: Callable[[Ticket], bool]) -> None:
        self._tickets = {key: ticket for key, ticket in self._tickets.items() if not which(ticket)}
