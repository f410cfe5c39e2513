"""Signing in API clients: short-lived access tokens, and refresh tokens that are used once.

An access token is a JWT (RFC 7519) that anybody may read and only we can make. It is good for minutes, and not even
that long when its login ends: each use looks for the login. A refresh token is random and opaque, its SHA-256 is in the
store, and using it brings the next one (RFC 9700, section 4.14.2). A refresh token that comes a second time has been
stolen, from the client or by it, so the whole login ends. That is also what happens to a client that refreshes twice
at the same time: the second attempt cannot be told from a thief's.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jwt
import msgspec

from webterm.access import Source
from webterm.accounts.keys import Keys
from webterm.accounts.logins import DAY, Logins
from webterm.accounts.rights import Rights
from webterm.accounts.secret_texts import hash_of, new_secret
from webterm.errors import NotSignedIn
from webterm.ids import LoginId, UserId
from webterm.settings_accounts import Accounts
from webterm.store import audit, changes, logins, refreshes, users
from webterm.store.engine import Connection, Store
from webterm.store.logins import Login
from webterm.store.users import User

ALGORITHM = "HS256"
PURPOSE = "jwt"
"""Of the key that signs access tokens."""
LEEWAY = 5.0
"""Seconds by which the clocks of two servers may differ."""
LONGEST = 4096
"""Characters of an access token that is looked at."""
REFRESH = "wr_"
"""How refresh tokens begin, so that people and scanners know one when they see it."""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What an access token says. All of it is told to whoever holds one; only ``sub`` and ``jti`` are gone by.

    ``jti`` is the login's id, a dot and a random part. Times are in seconds since 1970.
    """

    sub: UserId
    id: UserId
    email: str | None
    username: str
    tier: str
    type: Literal["access"]
    iat: int
    exp: int
    jti: str

    @property
    def login(self) -> LoginId:
        """The login that the token was made for."""
        return LoginId(self.jti.partition(".")[0])


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What an API client gets. ``expires_in``: seconds that the access token lasts."""

    access: str
    refresh: str
    expires_in: int


class Bearer:
    """Makes, renews and reads the tokens of API clients."""

    def __init__(
        self,
        store: Store,
        keys: Keys,
        accounts: Accounts,
        signed_in: Logins,
        rights: Rights,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._key = keys.key(PURPOSE)
        self._lasts = accounts.access_minutes * 60
        self._refresh_lasts = accounts.refresh_days * DAY
        self._logins = signed_in
        self._rights = rights
        self._clock = clock

    async def issue(self, user: User, by: Source, device: str) -> TokenPair:
        """Sign in an API client of the person ``user``, given as when the proof of identity was checked.

        Raises `webterm.errors.NotSignedIn` when the account has been changed since.
        """
        async with self._store.writing() as conn:
            login = await self._logins.add_api(conn, user, by, device)
            refresh = await self._add_refresh(conn, login.id)
        self._rights.poke()  # somebody may have made room
        return self._pair(user, login.id, refresh)

    async def refresh(self, token: str, address: str) -> TokenPair:
        """The next pair for a refresh token, which is used up.

        Raises `webterm.errors.NotSignedIn` when the token is unknown or too old, its login has ended or its person is
        disabled; and when it has been used before, which ends the login.
        """
        pair = None
        if await self._is_known(token):
            async with self._store.writing() as conn:
                pair = await self._rotate(conn, token, address)
            self._rights.poke()
        if pair is None:  # said after the transaction, because an exception inside undoes what it has ended
            raise NotSignedIn("this refresh token is wrong, used or too old; sign in again")
        return pair

    def read(self, token: str) -> Claims | None:
        """What an access token says, when it is one of ours and not too old; whether its login lives is not asked."""
        if len(token) > LONGEST or not token.isascii():
            return None
        try:
            # Our own clock is asked below; the library has only the system's. It also takes null for a missing claim.
            options: jwt.types.Options = {"require": [], "verify_exp": False, "verify_iat": False}
            claims = msgspec.convert(jwt.decode(token, self._key, algorithms=[ALGORITHM], options=options), Claims)
        except (jwt.InvalidTokenError, msgspec.ValidationError, RecursionError):  # the header may be nested deeply
            return None
        now = self._clock()
        return claims if claims.iat <= now + LEEWAY and now < claims.exp + LEEWAY else None

    async def _is_known(self, token: str) -> bool:
        """Asked first, so that strangers who guess do not make everybody else wait for their turn to write."""
        async with self._store.reading() as conn:
            return await refreshes.by_hash(conn, hash_of(token)) is not None

    async def _rotate(self, conn: Connection, token: str, address: str) -> TokenPair | None:
        now = self._clock()
        found = await refreshes.by_hash(conn, hash_of(token))
        login = await logins.by_id(conn, found.login) if found else None
        user = await users.by_id(conn, login.user) if login else None
        if found is None or login is None or user is None or user.disabled or login.expires <= now:
            return None
        if not await refreshes.use(conn, found.hash, now):
            await self._end_family(conn, user, login, address, now)
            return None
        await logins.touch(conn, login.id, now, now + self._refresh_lasts, address)
        await refreshes.forget(conn, login.id, now - self._refresh_lasts)  # they would have run out by now, used or not
        return self._pair(user, login.id, await self._add_refresh(conn, login.id))

    async def _end_family(self, conn: Connection, user: User, login: Login, address: str, now: float) -> None:
        if await logins.remove(conn, [login.id]):
            await changes.note(conn, user.id, login.id, "ended", now)
            by = Source(user=user.id, name=user.username, address=address)
            await audit.append(conn, by, "token.reused", login.id, now=now)

    async def _add_refresh(self, conn: Connection, login: LoginId) -> str:
        token = REFRESH + new_secret()
        await refreshes.add(conn, hash=hash_of(token), login=login, now=self._clock())
        return token

    def _pair(self, user: User, login: LoginId, refresh: str) -> TokenPair:
        now = int(self._clock())
        claims = Claims(
            sub=user.id,
            id=user.id,
            email=user.email,
            username=user.username,
            tier=user.tier,
            type="access",
            iat=now,
            exp=now + self._lasts,
            jti=f"{login}.{secrets.token_urlsafe(8)}",
        )
        access = jwt.encode(msgspec.to_builtins(claims), self._key, algorithm=ALGORITHM)
        return TokenPair(access, refresh, self._lasts)
