"""Personal access tokens: made by a person for a program of theirs, good for what they say, until they are revoked.

The token is shown once; the store has its SHA-256. A token can do no more than its person can at the time: who is no
longer an admin has no admin's tokens either.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from webterm.access import Actor, Scope, Source
from webterm.accounts.logins import DAY, FRESH
from webterm.accounts.rights import Rights
from webterm.accounts.secret_texts import hash_of, new_secret
from webterm.errors import InvalidRequest, LimitReached, MissingScope, NoSuchToken, NotSignedIn
from webterm.ids import TokenId, UserId, new_token_id
from webterm.store import audit, changes, tokens, users
from webterm.store.engine import Store
from webterm.store.tokens import Token

__all__ = ["GRANTABLE", "PersonalTokens", "Token", "lives"]

PREFIX = "wt_"
"""How personal tokens begin, so that people and scanners know one when they see it."""
GRANTABLE = frozenset(set(Scope) - {Scope.ACCOUNT})
"""What a token can be good for. Not for the account itself: a stolen token makes no new ones and no new password."""
MOST = 100
"""Tokens of one person."""


class PersonalTokens:
    """All personal access tokens. What a call has changed is committed when it returns."""

    def __init__(self, store: Store, rights: Rights, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._rights = rights
        self._clock = clock

    async def create(
        self, actor: Actor, name: str, scopes: Collection[Scope], by: Source, *, days: int | None = None
    ) -> tuple[str, Token]:
        """A new token of the person who asks: its text, told only here, and what is kept. ``days``: how long it lasts.

        Raises `webterm.errors.InvalidRequest` for scopes that no token has, `webterm.errors.MissingScope` for those
        that the person has not, `webterm.errors.LimitReached` when there are too many, and
        `webterm.errors.NotSignedIn` when the account has gone meanwhile.
        """
        wanted = frozenset(scopes)
        if not name.strip() or not name.isprintable():
            raise InvalidRequest("the name of a token is printable text")
        if not wanted or not wanted <= GRANTABLE:
            raise InvalidRequest(f"a token is good for one or more of {', '.join(sorted(GRANTABLE))}")
        if not wanted <= actor.scopes:
            raise MissingScope(f"you have no {' and no '.join(sorted(wanted - actor.scopes))} to give")
        now = self._clock()
        text = PREFIX + new_secret()
        token = Token(
            id=new_token_id(),
            user=actor.id,
            name=name,
            hash=hash_of(text),
            scopes=tuple(sorted(wanted)),
            created=now,
            expires=None if days is None else now + days * DAY,
            seen=None,
        )
        async with self._store.writing() as conn:
            user = await users.by_id(conn, actor.id)
            if user is None or user.disabled:
                raise NotSignedIn("this account has just been changed")
            if sum(lives(kept, now) for kept in await tokens.of_user(conn, actor.id)) >= MOST:
                raise LimitReached(f"you have {MOST} tokens; revoke one that you do not need")
            await tokens.add(conn, token)
            await audit.append(conn, by, "token.create", token.id, now=now)
        return text, token

    async def of_user(self, user: UserId) -> list[Token]:
        """A person's tokens that are good, the newest first."""
        async with self._store.reading() as conn:
            found = await tokens.of_user(conn, user)
        now = self._clock()
        return sorted((token for token in found if lives(token, now)), key=lambda token: token.created, reverse=True)

    async def revoke(self, token: TokenId, by: Source) -> None:
        """End a token of the person who asks. Raises `webterm.errors.NoSuchToken`, also for somebody else's."""
        now = self._clock()
        async with self._store.writing() as conn:
            found = await tokens.by_id(conn, token)
            if found is None or found.user != by.user:
                raise NoSuchToken("there is no such token; it may have been revoked")
            await tokens.remove(conn, token)
            await changes.note(conn, found.user, token, "ended", now)
            await audit.append(conn, by, "token.revoke", token, now=now)
        self._rights.poke()

    async def touch(self, token: Token) -> None:
        """Note at most every hour that a token is in use."""
        now = self._clock()
        if token.seen is None or now - token.seen > FRESH:
            async with self._store.writing() as conn:
                await tokens.touch(conn, token.id, now)


def lives(token: Token, now: float) -> bool:
    """Whether a token has not run out."""
    return token.expires is None or now < token.expires
