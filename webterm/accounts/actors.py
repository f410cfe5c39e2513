"""From a person's row to who is asking."""

from __future__ import annotations

from webterm.access import EVERYDAY, Actor, Scope
from webterm.store.users import User


def scopes_of(user: User) -> frozenset[Scope]:
    """What a person may do at most; a proof of identity may be good for less."""
    return EVERYDAY | {Scope.ADMIN} if user.role == "admin" or user.owner else EVERYDAY


def actor_of(user: User, scopes: frozenset[Scope] | None = None) -> Actor:
    """Who is asking, with all of the person's scopes or those of ``scopes`` that the person has.

    Whether the account is disabled is for the caller to look at.
    """
    most = scopes_of(user)
    return Actor(
        id=user.id,
        name=user.username,
        owner=user.owner,
        tier=user.tier,
        scopes=most if scopes is None else most & scopes,
    )
