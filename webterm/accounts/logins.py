"""Who is signed in: the logins of browsers and of API clients.

A browser holds a random token in a cookie; the store holds only the token's SHA-256, which is also the login's id. So
whoever reads the database cannot sign in with it. An API client's login is the family of its refresh tokens
(`webterm.accounts.bearer`). A login that ends is told to every server on the database, and to its open sockets, by
the change that is noted with it (`webterm.accounts.rights`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from webterm.access import Source
from webterm.accounts.rights import Rights
from webterm.accounts.secret_texts import hash_of, new_secret
from webterm.errors import NoSuchLogin, NotSignedIn
from webterm.ids import LoginId, UserId, new_login_id
from webterm.settings_accounts import Accounts
from webterm.store import audit, changes, logins, users
from webterm.store.engine import Connection, Store
from webterm.store.logins import Kind, Login
from webterm.store.users import User

__all__ = ["DAY", "Kind", "Login", "Logins", "end_logins", "id_of", "known_addresses"]

DAY = 86_400.0
FRESH = 3600.0
"""Uses within this many seconds of the last noted one are not noted: a write for each request would be too many."""
MOST = 100
"""Browsers of one person, and as many API clients; the one unused for longest makes room."""
LONGEST_AGENT = 200
"""Characters kept of what a client says it is."""


def id_of(token: str) -> LoginId:
    """The id that belongs to a cookie's token."""
    return LoginId(hash_of(token))


async def known_addresses(conn: Connection, user: UserId) -> set[str]:
    """The addresses from which a person's logins were used last."""
    return {login.address for login in await logins.of_user(conn, user)}


async def end_logins(
    conn: Connection, user: UserId, by: Source, *, keep: LoginId | None = None, now: float
) -> list[LoginId]:
    """End all logins of a person but ``keep``, as a part of a rule's own transaction; returns which."""
    ended = await logins.remove_of_user(conn, user, keep)
    await _tell(conn, user, ended, by, now=now)
    return ended


class Logins:
    """All logins. What a call has changed is committed when it returns."""

    def __init__(
        self, store: Store, accounts: Accounts, rights: Rights, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._rights = rights
        self._clock = clock
        self._lasts: dict[Kind, float] = {"browser": accounts.login_days * DAY, "api": accounts.refresh_days * DAY}

    async def add_browser(self, user: User, by: Source, agent: str) -> tuple[str, Login]:
        """Sign in a browser: the secret token for its cookie, told only here, and the login.

        Raises `webterm.errors.NotSignedIn` as `admit` does.
        """
        token = new_secret()
        async with self._store.writing() as conn:
            login = await self.admit(conn, user, "browser", id_of(token), by, agent)
        self._rights.poke()  # somebody may have made room
        return token, login

    async def add_api(self, conn: Connection, user: User, by: Source, agent: str) -> Login:
        """Sign in an API client, as a part of the caller's transaction. Raises as `admit` does."""
        return await self.admit(conn, user, "api", new_login_id(), by, agent)

    async def admit(self, conn: Connection, user: User, kind: Kind, login_id: LoginId, by: Source, agent: str) -> Login:
        """Keep a login of the person ``user``, given as when the proof of identity was checked.

        Raises `webterm.errors.NotSignedIn` when the password has been changed since, or the account disabled or
        removed: a slow sign-in must not survive what ended all others.
        """
        now = self._clock()
        current = await users.by_id(conn, user.id)
        if current is None or current.disabled or current.password != user.password:
            raise NotSignedIn("this account has just been changed; sign in again")
        await self._make_room(conn, user.id, kind, by, now)
        login = Login(
            id=login_id,
            user=user.id,
            kind=kind,
            created=now,
            seen=now,
            expires=now + self._lasts[kind],
            address=by.address,
            agent=_plain(agent),
        )
        await logins.add(conn, login)
        return login

    async def touch(self, login: Login, address: str) -> None:
        """Note at most every hour that a login is in use, and from where. That makes a browser's login last."""
        now = self._clock()
        if now - login.seen > FRESH:
            expires = now + self._lasts["browser"] if login.kind == "browser" else login.expires
            async with self._store.writing() as conn:
                await logins.touch(conn, login.id, now, expires, address)

    async def of_user(self, user: UserId) -> list[Login]:
        """A person's logins that are good, the last used first."""
        async with self._store.reading() as conn:
            found = await logins.of_user(conn, user)
        now = self._clock()
        return [login for login in found if login.expires > now]

    async def end(self, login: LoginId, by: Source) -> None:
        """End one login of the person who asks. Raises `webterm.errors.NoSuchLogin`, also for somebody else's."""
        async with self._store.writing() as conn:
            found = await logins.by_id(conn, login)
            if found is None or found.user != by.user:
                raise NoSuchLogin("there is no such login; it may have ended")
            await logins.remove(conn, [login])
            await _tell(conn, found.user, [login], by, now=self._clock())
        self._rights.poke()

    async def end_all(self, user: UserId, by: Source, keep: LoginId | None = None) -> list[LoginId]:
        """End all logins of a person but ``keep``; returns which. Personal access tokens stay good."""
        async with self._store.writing() as conn:
            ended = await end_logins(conn, user, by, keep=keep, now=self._clock())
        self._rights.poke()
        return ended

    async def _make_room(self, conn: Connection, user: UserId, kind: Kind, by: Source, now: float) -> None:
        same = [login for login in await logins.of_user(conn, user) if login.kind == kind]
        same.sort(key=lambda login: login.seen, reverse=True)
        ended = await logins.remove(conn, [login.id for login in same[MOST - 1 :]])
        await _tell(conn, user, ended, by, now=now)


async def _tell(conn: Connection, user: UserId, ended: Iterable[LoginId], by: Source, *, now: float) -> None:
    for login in ended:
        await changes.note(conn, user, login, "ended", now)
        await audit.append(conn, by, "login.end", login, now=now)


def _plain(agent: str) -> str:
    """What a client says it is, fit to be shown: it may say anything."""
    return "".join(character for character in agent if character.isprintable())[:LONGEST_AGENT]
