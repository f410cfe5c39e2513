"""The login cookie, as a storage of aiohttp-session.

The storage is driven by our own gate and not by the library's middleware: that one keeps its state under fixed request
keys, and inside a host application that uses aiohttp-session too the two would overwrite each other's cookies.

The cookie is ``SameSite=Strict``. The page itself is open and asks for its data from its own origin, so a link from
elsewhere (the sign-in link included) works all the same, and no request from another site ever carries the cookie.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from aiohttp import web
from aiohttp_session import AbstractStorage, Session, SessionData

from webterm.accounts.logins import Login, Logins, id_of
from webterm.ids import LoginId, UserId

USER = "user"
COOKIE_LIFETIME = 400 * 86_400
"""Seconds: the most that browsers allow (RFC 6265bis, section 5.5). How long a login lasts is decided on the server."""


def cookie_name(data_dir: Path, *, secure: bool) -> str:
    """A name of this server's own: cookies ignore ports, so two servers on one host would share a common name."""
    own = hashlib.sha256(bytes(data_dir)).hexdigest()[:12]
    return f"__Host-webterm-{own}" if secure else f"webterm-{own}"


class LoginStorage(AbstractStorage):
    """The cookie holds a random token, `webterm.accounts.logins.Logins` the rest."""

    def __init__(self, logins: Logins, *, name: str, path: str, secure: bool) -> None:
        super().__init__(
            cookie_name=name,
            max_age=COOKIE_LIFETIME,
            path="/" if secure else path or "/",  # what the prefix __Host- demands
            secure=secure,
            httponly=True,
            samesite="Strict",
        )
        self.logins = logins

    async def load_session(self, request: web.Request) -> Session:
        """The session of a good cookie, with the login's id as identity; otherwise a new, empty one."""
        login = await self.login(request)
        if login is None:
            return await self.new_session()
        data = SessionData(created=int(login.created), session={USER: login.user})
        return Session(login.id, data=data, new=False)

    async def login(self, request: web.Request) -> Login | None:
        """The login of a good cookie. Being asked for makes it last."""
        token = self.load_cookie(request)
        login = self.logins.get(id_of(token)) if token else None
        if login is not None:
            await self.logins.touch(login)
        return login

    async def save_session(self, request: web.Request, response: web.StreamResponse, session: Session) -> None:
        """Sign in when the session is new, under a fresh token; sign out when it is empty."""
        if session.empty:
            await self.logins.remove(LoginId(str(session.identity)))
            self._drop(response)
        elif session.new:
            token, _ = await self.logins.add(UserId(session[USER]))
            self.save_cookie(response, token, max_age=COOKIE_LIFETIME)

    def _drop(self, response: web.StreamResponse) -> None:
        # Browsers ignore the removal of a __Host- cookie that lacks its attributes.
        secure = bool(self.cookie_params["secure"])
        path = self.cookie_params["path"]
        response.del_cookie(self.cookie_name, path=path, secure=secure, httponly=True, samesite="Strict")
