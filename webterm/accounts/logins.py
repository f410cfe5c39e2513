"""Who is signed in: the logins of browsers, kept in one small file.

A browser holds a random token in a cookie; the file holds only the token's SHA-256, which is also the login's id. So
whoever reads the file cannot sign in with it, and removing a line there signs that browser out.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from webterm.datadir import write_private
from webterm.ids import LoginId, UserId

log = logging.getLogger("webterm.accounts")

LIFETIME = 30 * 86_400.0
"""Seconds that a login lasts after its last use."""
FRESH = 3600.0
"""Uses within this many seconds of the last noted one are not noted: a write for each request would be too many."""
MOST = 100
"""Logins kept at the same time; the one unused for longest makes room."""


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """One signed-in browser. Times are in seconds since 1970."""

    id: LoginId
    user: UserId
    created: float
    seen: float


def id_of(token: str) -> LoginId:
    """The id that belongs to a cookie's token. The token has 256 random bits, so a plain hash is enough."""
    return LoginId(hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest())


class Logins:
    """All logins. Reading needs no waiting; every change is on disk (mode 0600) before its call returns."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._logins: dict[LoginId, Login] = {}
        self._writing = threading.Lock()

    async def load(self) -> None:
        """Read the file. A file that cannot be understood counts as empty: everybody signs in again."""
        try:
            raw = await asyncio.to_thread(self._path.read_bytes)
            logins = msgspec.json.decode(raw, type=list[Login])
        except FileNotFoundError:
            logins = []
        except msgspec.DecodeError:
            log.warning("%s cannot be understood; everybody has to sign in again", self._path)
            logins = []
        self._logins = {login.id: login for login in logins if self._lives(login)}

    def get(self, login_id: LoginId) -> Login | None:
        """The login with this id, unless it has been ended or has run out."""
        login = self._logins.get(login_id)
        return login if login is not None and self._lives(login) else None

    async def add(self, user: UserId) -> tuple[str, Login]:
        """Sign in a browser: the secret token for its cookie, told only here, and the login."""
        token = secrets.token_urlsafe(32)
        now = self._clock()
        login = Login(id=id_of(token), user=user, created=now, seen=now)
        self._logins[login.id] = login
        await self._save()
        return token, login

    async def trim(self, most: int = MOST - 1) -> list[LoginId]:
        """End what has run out, and the logins unused for longest beyond ``most``; returns the ended ones."""
        by_use = sorted(self._logins.values(), key=lambda login: login.seen, reverse=True)
        ended = [login.id for rank, login in enumerate(by_use) if rank >= most or not self._lives(login)]
        await self.remove(*ended)
        return ended

    async def touch(self, login: Login) -> None:
        """Note that a login is in use, which makes it last."""
        now = self._clock()
        if login.id in self._logins and now - login.seen > FRESH:
            self._logins[login.id] = msgspec.structs.replace(login, seen=now)
            await self._save()

    async def remove(self, *ids: LoginId) -> None:
        """End logins. Ending one that is not there is harmless."""
        found = [self._logins.pop(login_id) for login_id in ids if login_id in self._logins]
        if found:
            await self._save()

    def _lives(self, login: Login) -> bool:
        return self._clock() - login.seen <= LIFETIME

    async def _save(self) -> None:
        await asyncio.to_thread(self._write)

    def _write(self) -> None:
        # What is written is taken under the lock, so that the last writer writes the newest state whatever the order
        # in which threads arrive, and a cancelled caller leaves nothing half done.
        with self._writing:
            write_private(self._path, msgspec.json.encode(list(self._logins.values())))
