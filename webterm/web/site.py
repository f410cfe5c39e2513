"""What every handler may use: one webterm inside one aiohttp application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from webterm.access import Actor
from webterm.accounts.signing_in import SigningIn
from webterm.accounts.tickets import Tickets
from webterm.errors import NotSignedIn
from webterm.ids import LoginId
from webterm.settings import Settings
from webterm.terminals.rules import TerminalRules
from webterm.web.connections import Connections
from webterm.web.cookies import LoginStorage
from webterm.web.hosts import Names

ActorOf = Callable[[web.Request], Awaitable[Actor | None]]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who a request comes from. ``riding``: on something that browsers add by themselves, such as a cookie."""

    actor: Actor | None
    login: LoginId | None = None
    riding: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLogin:
    """Our own way of signing in."""

    rules: SigningIn
    storage: LoginStorage


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One webterm under ``prefix`` (empty, or ``/name`` without a slash at the end).

    ``authority`` finds out who is asking: our own login, or the host application's callable. ``page`` is the directory
    that holds ``index.html`` and ``assets/``.
    """

    prefix: str
    settings: Settings
    names: Names
    headers: Mapping[str, str]
    terminals: TerminalRules
    connections: Connections
    tickets: Tickets
    authority: OwnLogin | ActorOf
    page: Path
    version: str

    @property
    def login(self) -> OwnLogin | None:
        """Our own login, where it is in use."""
        return self.authority if isinstance(self.authority, OwnLogin) else None


SITE = web.AppKey("webterm_site", Site)
VISITOR = web.RequestKey("webterm_visitor", Visitor)
REQUEST_ID = web.RequestKey("webterm_request_id", str)


def site(request: web.Request) -> Site:
    """The webterm that a request is for."""
    return request.app[SITE]


def visitor(request: web.Request) -> Visitor:
    """Who a request comes from, as the gate has found out."""
    return request[VISITOR]


def actor(request: web.Request) -> Actor:
    """Who is asking, on a route that needs a login."""
    who = request[VISITOR].actor
    if who is None:
        raise NotSignedIn("sign in first")
    return who
