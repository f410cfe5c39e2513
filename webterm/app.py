"""The one place that knows all parts: it puts them together and steps aside.

`setup` makes webterm a part of any aiohttp application (docs/embedding.md); `serve` is the server of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from webterm import datadir
from webterm.accounts import keys
from webterm.accounts.audit import HEAD_FILE, AuditTrail
from webterm.accounts.bearer import Bearer
from webterm.accounts.credentials import Credentials
from webterm.accounts.invitations import Invitations
from webterm.accounts.logins import Logins
from webterm.accounts.oidc import Oidc
from webterm.accounts.passwords import PEPPER, Passwords
from webterm.accounts.people import People
from webterm.accounts.rights import Rights
from webterm.accounts.signing_in import SigningIn
from webterm.accounts.throttle import Throttle
from webterm.accounts.tickets import Tickets
from webterm.accounts.tokens import PersonalTokens
from webterm.clients.oidc import OidcClient
from webterm.drivers.echo import EchoDriver
from webterm.drivers.local import LocalDriver
from webterm.hub.hub import Hub, HubLimits
from webterm.ids import UserId
from webterm.session import Driver
from webterm.settings import Server, Settings
from webterm.store.changes import Change
from webterm.store.engine import Store
from webterm.terminals.rules import TerminalRules
from webterm.web.connections import Connections
from webterm.web.cookies import LoginStorage, cookie_name
from webterm.web.cors import Cors
from webterm.web.headers import security_headers
from webterm.web.hosts import Names
from webterm.web.limits import Limits
from webterm.web.malformed import server_logger
from webterm.web.measuring import Metrics
from webterm.web.proxies import Proxies
from webterm.web.routes import install
from webterm.web.site import SITE, ActorOf, OwnLogin, Site, client_address
from webterm.work.places import Places

PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
VERSION = version("webterm")  # from a file, hence read before the loop runs
SIGN_INS = "oidc"
"""Of the key under which sign-ins with a provider are sealed."""
PAGE = Path(__file__).parent / "static"
BACKLOG = 128
REQUEST_GRACE = 5.0
"""Seconds that requests which are still running get when the server stops."""


def setup(
    app: web.Application,
    settings: Settings | None = None,
    prefix: str = "/terminal",
    *,
    actor: ActorOf | None = None,
    page: Path = PAGE,
) -> None:
    """Make webterm a part of ``app``, under ``prefix`` (``""`` or ``"/"``: at the root; then call this last).

    ``actor`` finds out who sends a request, or answers None; it takes the place of webterm's own login. Without it
    people sign in by the one-use link (`webterm.datadir.issue_link`). ``page`` is a directory with another page: its
    ``index.html``, and the files that it loads in ``assets/``.

    To be called once, before ``app`` starts. The application then starts and stops webterm. Starting raises
    `webterm.errors.DataDirectoryError` where the data directory cannot be used. Raises ValueError for a prefix that is
    not a plain path.
    """
    settings = settings or Settings()
    app.cleanup_ctx.append(partial(_holding_for, settings.data_dir))
    _compose(app, settings, prefix, actor, page)


async def sign_out(app: web.Application, user: UserId) -> None:
    """End what a person has open: sockets close within a second, unused tickets are void.

    For applications that bring their own ``actor``, when somebody signs out there or loses the right to be here.
    """
    app[SITE].tickets.revoke_user(user)
    app[SITE].terminals.revoke(user)
    app[SITE].connections.revoke_user(user)


async def serve(settings: Settings, *, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is called with the URL once requests are answered.

    Programs outlive this or end with it, as ``server.on_stop`` says. Raises `webterm.errors.DataDirectoryError`, also
    when another server holds the directory, and OSError when the address cannot be listened on; then nothing has been
    started or ended. Cancelling stops as a signal does.
    """
    async with _holding(settings.data_dir) as hold, _listening(settings.server) as sockets:
        with _signals() as stop:
            app = web.Application()
            _compose(app, settings, urlsplit(settings.server.public_url or "").path, None, PAGE)
            async with _answering(app, sockets):
                address, port = _address(sockets[0])
                url = settings.url(port)
                await asyncio.to_thread(hold.announce, url, address)
                ready(url)
                await stop.wait()


def _compose(app: web.Application, settings: Settings, prefix: str, actor: ActorOf | None, page: Path) -> None:
    prefix = prefix.rstrip("/")
    if not PREFIX.fullmatch(prefix):
        raise ValueError(f"a prefix is a plain path such as /terminal, not {prefix!r}")
    server = settings.server
    store = Store(settings.database_url) if actor is None else None
    trail = AuditTrail(store, settings.data_dir / HEAD_FILE) if store is not None else None
    drivers = _drivers(settings)
    hub = Hub(
        drivers,
        default_driver=LocalDriver.name,
        limits=_limits(settings),
        **({} if trail is None else {"tell": trail.note}),
    )
    places = Places({LocalDriver.name}, default=LocalDriver.name, isolated=settings.local.isolation != "none")
    site = Site(
        prefix=prefix,
        settings=settings,
        names=Names(settings.hosts, server.public_url),
        proxies=Proxies(server.trusted_proxies),
        cors=Cors(server.cors_origins, prefix),
        headers=security_headers(server),
        limits=Limits(settings),
        metrics=Metrics(),
        terminals=TerminalRules(hub, places.place),
        connections=Connections(),
        tickets=Tickets(),
        actor_of=actor,
        page=page,
        version=VERSION,
    )
    install(app, site)
    if store is not None and trail is not None:
        app.cleanup_ctx.append(partial(_signing_in, site, store, trail))
    app.cleanup_ctx.append(partial(_running, site, hub, drivers))
    app.on_shutdown.append(_leave)


def _limits(settings: Settings) -> HubLimits:
    kept = settings.terminals
    return HubLimits(
        per_actor=kept.per_actor,
        total=kept.total,
        log_bytes=kept.log_bytes,
        resume_grace=kept.resume_grace,
        idle_timeout=kept.idle_timeout,
        keep_exited=kept.keep_exited,
    )


def _drivers(settings: Settings) -> Mapping[str, Driver]:
    local = LocalDriver(
        settings.data_dir,
        shell=settings.local.shell,
        cwd=settings.local.cwd,
        env=settings.local.env,
        close_grace=settings.local.close_grace,
        close_scope=settings.local.close_scope,
    )
    return {local.name: local, EchoDriver.name: EchoDriver()}


@contextlib.asynccontextmanager
async def _holding(directory: Path) -> AsyncIterator[datadir.Hold]:
    hold = await asyncio.to_thread(lambda: datadir.Hold(datadir.prepare(directory)))
    try:
        yield hold
    finally:
        await asyncio.to_thread(hold.release)


async def _holding_for(directory: Path, app: web.Application) -> AsyncIterator[None]:
    async with _holding(directory):
        yield


async def _running(site: Site, hub: Hub, drivers: Mapping[str, Driver], app: web.Application) -> AsyncIterator[None]:
    """From before the first request until after the last."""
    end = False  # a server that could not start ends nothing
    try:
        await hub.start()
        for user in site.terminals.owners():
            await _clear_up(site, user)  # commands remove accounts while no server runs, too
        end = site.settings.server.on_stop == "end"
        yield
    finally:
        await hub.aclose(end=end)
        for driver in drivers.values():
            await driver.aclose()
        await site.limits.aclose()


async def _signing_in(site: Site, store: Store, trail: AuditTrail, app: web.Application) -> AsyncIterator[None]:
    """People and their rights, from before the first request until after the last."""
    own = await asyncio.to_thread(keys.load, site.settings.data_dir)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(store.aclose)
        await store.open()
        stack.push_async_callback(trail.aclose)
        await trail.start()
        passwords = Passwords(own.key(PEPPER), fewest=site.settings.accounts.min_password)
        stack.push_async_callback(passwords.aclose)
        providers = OidcClient(site.settings.oidc.providers)
        stack.push_async_callback(providers.aclose)
        await providers.start()
        login = _own_login(site, store, trail, own, passwords, providers)
        for callback in (site.tickets.on_change, partial(_pass_on, site)):
            login.rights.subscribe(callback)
        stack.push_async_callback(login.rights.aclose)
        await login.rights.start()
        site.login = login
        site.connections.is_live = login.credentials.is_live
        yield


def _own_login(
    site: Site, store: Store, trail: AuditTrail, own: keys.Keys, passwords: Passwords, providers: OidcClient
) -> OwnLogin:
    settings = site.settings
    rights = Rights(store)
    logins = Logins(store, settings.accounts, rights)
    bearer = Bearer(store, own, settings.accounts, logins, rights)
    tokens = PersonalTokens(store, rights)
    people = People(store, passwords, settings, rights)
    credentials = Credentials(store, logins, bearer, tokens, people)
    secure = settings.server.secure
    name = cookie_name(settings.data_dir, secure=secure)
    return OwnLogin(
        people=people,
        signing_in=SigningIn(store, passwords, people, Throttle(), partial(datadir.redeem_link, settings.data_dir)),
        invitations=Invitations(store, settings),
        logins=logins,
        bearer=bearer,
        tokens=tokens,
        credentials=credentials,
        rights=rights,
        audit=trail,
        oidc=Oidc(store, providers, settings, own.key(SIGN_INS)),
        storage=LoginStorage(logins, credentials, client_address, name=name, path=site.prefix, secure=secure),
    )


async def _pass_on(site: Site, change: Change) -> None:
    """Rights that have ended or changed do so on what is open here."""
    if change.kind == "changed":
        site.connections.renew_user(change.user)
        return
    site.terminals.revoke(change.user, change.proof)
    if change.proof is None:
        site.connections.revoke_user(change.user)
        await _clear_up(site, change.user)
    else:
        site.connections.revoke_proof(change.proof)


async def _clear_up(site: Site, user: UserId) -> None:
    """The terminals of somebody who has no account any more end: nobody could reach them. Others' run on."""
    if site.login is not None and await site.login.people.is_removed(user):
        site.terminals.close_all_of(user)


async def _leave(app: web.Application) -> None:
    """The server stops: open nothing more and tell the pages to come back later."""
    app[SITE].terminals.stop_opening()
    await app[SITE].connections.shutdown()


@contextlib.contextmanager
def _signals() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def _answering(app: web.Application, sockets: Sequence[socket.socket]) -> AsyncIterator[None]:
    # No access log of aiohttp's: it has query strings, which hold tokens.
    runner = web.AppRunner(app, access_log=None, logger=server_logger(), shutdown_timeout=REQUEST_GRACE)
    try:
        await runner.setup()
        for listening in sockets:
            await web.SockSite(runner, listening, backlog=BACKLOG).start()
        yield
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _listening(server: Server) -> AsyncIterator[Sequence[socket.socket]]:
    """Sockets that listen on every address of the host, all on the same port. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    port = server.port
    with contextlib.ExitStack() as stack:
        sockets: list[socket.socket] = []
        for family, _, _, _, address in sorted(set(found)):  # IPv4 comes first, and its port is the others', too
            with _passing_over_missing(sockets):
                sockets.append(stack.enter_context(_bound(family, str(address[0]), port)))
                port = sockets[0].getsockname()[1]
        yield sockets


def _bound(family: int, host: str, port: int) -> socket.socket:
    both = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)


@contextlib.contextmanager
def _passing_over_missing(sockets: list[socket.socket]) -> Iterator[None]:
    """``localhost`` often has an IPv6 address that the machine lacks: one address is enough."""
    try:
        yield
    except OSError as error:
        if not sockets or error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise


def _address(listening: socket.socket) -> tuple[str, int]:
    """Where a socket listens, as ``host:port``, and the port."""
    host, port = listening.getsockname()[:2]
    return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}"), port
