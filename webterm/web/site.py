"""What every handler may use: one webterm inside one aiohttp application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from webterm.access import Actor, Source
from webterm.accounts.audit import AuditTrail
from webterm.accounts.bearer import Bearer
from webterm.accounts.credentials import Credentials
from webterm.accounts.invitations import Invitations
from webterm.accounts.logins import Logins
from webterm.accounts.oidc import Oidc
from webterm.accounts.people import People
from webterm.accounts.rights import Rights
from webterm.accounts.signing_in import SigningIn
from webterm.accounts.tickets import Tickets
from webterm.accounts.tokens import PersonalTokens
from webterm.errors import NotSignedIn, ShuttingDown
from webterm.ids import ProofId
from webterm.settings import Settings
from webterm.terminals.rules import TerminalRules
from webterm.web.connections import Connections
from webterm.web.cookies import LoginStorage
from webterm.web.cors import Cors
from webterm.web.hosts import Names
from webterm.web.limits import Limits, Standing
from webterm.web.long_requests import LongRequests
from webterm.web.measuring import Metrics
from webterm.web.proxies import Proxies
from webterm.work.workbench import Workbench

ActorOf = Callable[[web.Request], Awaitable[Actor | None]]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who a request comes from, and what proves it. ``riding``: something that browsers add by themselves.

    ``proof`` is None where a host application or a proxy signs people in.
    """

    actor: Actor | None
    proof: ProofId | None = None
    riding: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLogin:
    """Our own accounts, and all ways of proving that one is theirs."""

    people: People
    signing_in: SigningIn
    invitations: Invitations
    logins: Logins
    bearer: Bearer
    tokens: PersonalTokens
    credentials: Credentials
    rights: Rights
    audit: AuditTrail
    storage: LoginStorage
    oidc: Oidc


@dataclass(slots=True, kw_only=True)
class Site:
    """One webterm under ``prefix`` (empty, or ``/name`` without a slash at the end).

    Who is asking is found out by the host application's ``actor_of``; without it people have accounts here, and
    ``login`` is set when the server has started. So is ``work``. ``page`` is the directory that holds ``index.html``
    and ``assets/``.
    """

    prefix: str
    settings: Settings
    names: Names
    proxies: Proxies
    cors: Cors
    headers: Mapping[str, str]
    limits: Limits
    metrics: Metrics
    terminals: TerminalRules
    connections: Connections
    tickets: Tickets
    actor_of: ActorOf | None
    page: Path
    version: str
    login: OwnLogin | None = None
    work: Workbench | None = None
    long_requests: LongRequests = field(default_factory=LongRequests)


SITE = web.AppKey("webterm_site", Site)
VISITOR = web.RequestKey("webterm_visitor", Visitor)
REQUEST_ID = web.RequestKey("webterm_request_id", str)
ASKED = web.RequestKey("webterm_asked", float)
"""When a request came in, by `time.monotonic`."""
STANDING = web.RequestKey("webterm_standing", Standing)
CLOSING = web.RequestKey("webterm_closing", bool)
"""There for requests with which their connection ends."""


def site(request: web.Request) -> Site:
    """The webterm that a request is for."""
    return request.app[SITE]


def own_login(request: web.Request) -> OwnLogin:
    """Our own accounts. Raises `webterm.errors.NotSignedIn` where a host application has the people."""
    here = site(request)
    if here.actor_of is not None:
        raise NotSignedIn("people sign in at the application that webterm is part of")
    if here.login is None:
        raise ShuttingDown("the server is just starting or stopping")
    return here.login


def work(request: web.Request) -> Workbench:
    """What there is about workspaces. Raises `webterm.errors.ShuttingDown` before it is there."""
    found = site(request).work
    if found is None:
        raise ShuttingDown("the server is just starting or stopping")
    return found


def visitor(request: web.Request) -> Visitor:
    """Who a request comes from, as the gate has found out."""
    return request[VISITOR]


def actor(request: web.Request) -> Actor:
    """Who is asking, on a route that needs a login."""
    who = request[VISITOR].actor
    if who is None:
        raise NotSignedIn("sign in first")
    return who


def peer_address(request: web.Request) -> str | None:
    """The address at the other end of the connection itself: no header, and no middleware, can change it."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return str(peer[0]) if isinstance(peer, tuple) else None


def client_address(request: web.Request) -> str:
    """The address of whoever asks, behind the proxies that the settings trust."""
    return site(request).proxies.client(peer_address(request), request.headers.getall("X-Forwarded-For", []))


def source(request: web.Request) -> Source:
    """Who causes what a request does, and from where, for the audit log."""
    who = request[VISITOR].actor
    return Source(user=who.id if who else None, name=who.name if who else "", address=client_address(request))
