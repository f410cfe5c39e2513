"""Signing in by password, or by the one-use link that the server prints."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from webterm.access import Source
from webterm.accounts.logins import known_addresses
from webterm.accounts.names import LONGEST_EMAIL
from webterm.accounts.passwords import Passwords
from webterm.accounts.people import People
from webterm.accounts.throttle import Throttle, group_of
from webterm.errors import InvalidRequest, NotSignedIn, WrongPassword
from webterm.ids import ProofId, UserId
from webterm.store import audit, users
from webterm.store.engine import Store
from webterm.store.users import User

LONGEST_NAME = LONGEST_EMAIL
"""Characters of a user name or an e-mail address to sign in with."""
NOBODY = UserId("")


class SigningIn:
    """Finds out who somebody is. What comes of it, a cookie or tokens, is for others (`webterm.accounts.logins`).

    ``redeem`` uses up a link's token and says whether it was good. It may block: it is called in a thread.
    """

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        people: People,
        throttle: Throttle,
        redeem: Callable[[str], bool],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._people = people
        self._throttle = throttle
        self._redeem = redeem
        self._clock = clock

    async def by_password(self, name: str, password: str, source: Source) -> User:
        """The person of this user name or e-mail address. ``source`` has the address that the attempt comes from.

        A name that nobody has, a disabled account, one without a password and a wrong password give the same answer,
        `webterm.errors.NotSignedIn`, after the same work. Raises `webterm.errors.RateLimited` when too many attempts
        have failed or too many wait, `webterm.errors.InvalidRequest` for what is too long.
        """
        if len(name) > LONGEST_NAME:
            raise InvalidRequest(f"name: at most {LONGEST_NAME} characters")
        async with self._store.reading() as conn:
            user = await users.by_name(conn, name)
            addresses = await known_addresses(conn, user.id if user is not None else NOBODY)
        known = group_of(source.address) in map(group_of, addresses)
        if not await self._fits(name, password, user, source.address, known=known) or user is None:
            await self._note(Source(user=None, name="", address=source.address), "login.failed", user)
            raise NotSignedIn("the name or the password is wrong")
        await self._note(_as(user, source), "login.password", user)
        return user

    async def by_link(self, token: str, source: Source) -> User:
        """The owner, who signs in with this token. The token is used up; the first makes the owner's account.

        Nobody is slowed down: 256 random bits cannot be guessed, and behind a proxy all would share one address.
        Raises `webterm.errors.NotSignedIn` when it is wrong, used or too old.
        """
        if not await asyncio.to_thread(self._redeem, token):
            raise NotSignedIn("this sign-in link is wrong, used or too old; ask the server for a fresh one")
        user = await self._people.ensure_owner(source)
        await self._note(_as(user, source), "login.link", user)
        return user

    async def change_password(
        self, who: UserId, current: str | None, new: str, source: Source, *, keep: ProofId | None
    ) -> None:
        """Give the person who asks a new password; all of their logins but ``keep`` end.

        ``current`` is asked for where there is a password. Raises `webterm.errors.WrongPassword`,
        `webterm.errors.RateLimited` when it was wrong too often, and as `webterm.accounts.people.People` does.
        """
        user = await self._people.get(who)
        if user.password is not None:
            if current is None:
                raise InvalidRequest("current: the current password is needed, too")
            if not await self._fits(user.username, current, user, source.address, known=True):
                await self._note(source, "login.failed", user)
                raise WrongPassword("the current password is another one")
        await self._people.set_own_password(user, new, source, keep=keep)

    async def _fits(self, name: str, password: str, user: User | None, address: str, *, known: bool) -> bool:
        check = partial(self._throttle.check, name, address, known=known)
        check()  # who has to wait takes nobody's turn; and once more when it is this attempt's turn
        kept = user.password if user is not None and not user.disabled else None
        fits = await self._passwords.verify(password, kept, allowed=check)
        (self._throttle.succeeded if fits else self._throttle.failed)(name, address)
        return fits

    async def _note(self, source: Source, action: str, user: User | None) -> None:
        """An entry about ``user``. What was typed as a name is not in it: people type their password there."""
        async with self._store.writing() as conn:
            await audit.append(conn, source, action, user.id if user is not None else "", now=self._clock())


def _as(user: User, source: Source) -> Source:
    return Source(user=user.id, name=user.username, address=source.address)
