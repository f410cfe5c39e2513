"""From a person's row to who is asking."""

from __future__ import annotations

from webterm.access import EVERYDAY, Actor, Scope, Source
from webterm.errors import MissingScope
from webterm.store import users
from webterm.store.engine import Connection
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


async def check_admin(conn: Connection, by: Source) -> None:
    """Raises `webterm.errors.MissingScope` when somebody who came as an admin is none now.

    To be asked in the transaction that acts for them: whoever waits for a password to be hashed, or for a turn to
    write, may have lost the right meanwhile. What commands, strangers and proxies cause is allowed elsewhere.
    """
    user = None if by.user is None else await users.by_id(conn, by.user)
    if by.user is not None and (user is None or user.disabled or Scope.ADMIN not in scopes_of(user)):
        raise MissingScope(f"this needs the scope {Scope.ADMIN}, and you have just lost it")
