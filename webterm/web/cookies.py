"""The login cookie, as a storage of aiohttp-session.

The storage is driven by our own gate and not by the library's middleware: that one keeps its state under fixed request
keys, and inside a host application that uses aiohttp-session too the two would overwrite each other's cookies.

The cookie is ``SameSite=Lax``: who comes back from an OpenID provider, or follows a link to a terminal, is signed in on
arrival. So it rides on navigations that other sites cause, and two things must hold: a GET changes nothing, and
whatever does change something is refused unless ``Origin`` names one of our own pages (`webterm.web.gate`).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from aiohttp_session import AbstractStorage, Session, SessionData

from webterm.access import Source
from webterm.accounts.credentials import Credentials, Proven
from webterm.accounts.logins import Logins
from webterm.accounts.people import User
from webterm.errors import NoSuchLogin
from webterm.ids import LoginId

USER = "user"
"""Where a session says whose it is: the person's id, or the whole `User` of a session that is about to begin."""
COOKIE_LIFETIME = 400 * 86_400
"""Seconds: the most that browsers allow (RFC 6265bis, section 5.5). How long a login lasts is decided on the server."""
MOST_TRIED = 4
"""Cookies of our name that are looked at."""


def cookie_name(data_dir: Path, *, secure: bool) -> str:
    """A name of this server's own: cookies ignore ports, so two servers on one host would share a common name."""
    own = hashlib.sha256(bytes(data_dir)).hexdigest()[:12]
    return f"__Host-webterm-{own}" if secure else f"webterm-{own}"


class LoginStorage(AbstractStorage):
    """The cookie holds a random token, `webterm.accounts.logins.Logins` the rest.

    ``address_of`` finds out where a request comes from.
    """

    def __init__(
        self,
        logins: Logins,
        credentials: Credentials,
        address_of: Callable[[web.Request], str],
        *,
        name: str,
        path: str,
        secure: bool,
    ) -> None:
        super().__init__(
            cookie_name=name,
            max_age=COOKIE_LIFETIME,
            path="/" if secure else path or "/",  # what the prefix __Host- demands
            secure=secure,
            httponly=True,
            samesite="Lax",
        )
        self._logins = logins
        self._credentials = credentials
        self._address_of = address_of

    async def proven(self, request: web.Request) -> Proven | None:
        """Who a request's cookie stands for. Being asked for makes the login last.

        Somebody who can set cookies for our host, from a sister domain or without TLS, can plant one beside ours. One
        that is worth nothing is passed over; with two good ones nobody can tell whose this browser is, and nobody is.
        """
        good = await self._good(request)
        return good[0] if len(good) == 1 else None

    async def sign_in(self, request: web.Request, response: web.StreamResponse, user: User) -> None:
        """Sign this browser in, always under a fresh token: one that was planted in it before gains nothing.

        What it brought along ends: nobody could end the login of a cookie that is replaced, and a planted one would
        stand beside the new one. ``user`` is the person as when the proof of identity was checked; raises
        `webterm.errors.NotSignedIn` when that has changed.
        """
        before = await self._good(request)
        session = await self.new_session()
        session[USER] = user
        await self.save_session(request, response, session)
        for old in before:
            await self._end(old, request)

    async def sign_out(self, request: web.Request, response: web.StreamResponse) -> None:
        """Sign this browser out: its login ends, and the cookie goes."""
        session = await self.load_session(request)
        session.invalidate()
        await self.save_session(request, response, session)

    async def load_session(self, request: web.Request) -> Session:
        """The session of a good cookie, with who it stands for as identity; otherwise a new, empty one."""
        proven = await self.proven(request)
        if proven is None:
            return await self.new_session()
        return Session(proven, data=SessionData(session={USER: proven.actor.id}), new=False)

    async def save_session(self, request: web.Request, response: web.StreamResponse, session: Session) -> None:
        """Sign in when the session is new, sign out when it is empty."""
        if session.empty:
            if isinstance(session.identity, Proven):
                await self._end(session.identity, request)
            self.drop(response)
        elif session.new:
            user: User = session[USER]
            by = Source(user=user.id, name=user.username, address=self._address_of(request))
            token, _ = await self._logins.add_browser(user, by, request.headers.get("User-Agent", ""))
            self.save_cookie(response, token, max_age=COOKIE_LIFETIME)

    def drop(self, response: web.StreamResponse) -> None:
        """Have the browser forget the cookie."""
        # Browsers ignore the removal of a __Host- cookie that lacks its attributes.
        secure = bool(self.cookie_params["secure"])
        path = self.cookie_params["path"]
        response.del_cookie(self.cookie_name, path=path, secure=secure, httponly=True, samesite="Lax")

    async def _end(self, proven: Proven, request: web.Request) -> None:
        by = Source(user=proven.actor.id, name=proven.actor.name, address=self._address_of(request))
        with contextlib.suppress(NoSuchLogin):  # it has just made room for a new one, or ended elsewhere
            await self._logins.end(LoginId(proven.proof), by)

    async def _good(self, request: web.Request) -> list[Proven]:
        tokens = self._tokens(request)
        if len(tokens) > MOST_TRIED:
            return []
        found = [await self._credentials.by_cookie(token, self._address_of(request)) for token in tokens]
        return [proven for proven in found if proven is not None]

    def _tokens(self, request: web.Request) -> list[str]:
        """The different values of the cookies with our name: a browser may send several (RFC 6265, section 5.4)."""
        pairs = (pair.partition("=") for header in request.headers.getall("Cookie", []) for pair in header.split(";"))
        values = (value.strip().strip('"') for name, _, value in pairs if name.strip() == self.cookie_name)
        return list(dict.fromkeys(value for value in values if value))
