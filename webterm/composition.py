"""Which parts there are, and how they are put together: the only module that knows all of them."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path

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
from webterm.drivers.docker.driver import DockerDriver
from webterm.drivers.docker.parts import parts_of
from webterm.drivers.echo import EchoDriver
from webterm.drivers.keeping import Keeping
from webterm.drivers.local import LocalDriver
from webterm.hub.hub import Hub, HubLimits
from webterm.ids import UserId
from webterm.session import Driver
from webterm.settings import Settings
from webterm.store.changes import Change
from webterm.store.engine import Store
from webterm.terminals.rules import TerminalRules
from webterm.web.connections import Connections
from webterm.web.cookies import LoginStorage, cookie_name
from webterm.web.cors import Cors
from webterm.web.headers import security_headers
from webterm.web.hosts import Names
from webterm.web.limits import Limits
from webterm.web.measuring import Metrics
from webterm.web.proxies import Proxies
from webterm.web.routes import install
from webterm.web.site import SITE, ActorOf, OwnLogin, Site, client_address
from webterm.work.choosing import Choosing
from webterm.work.executions import Executions
from webterm.work.files import Files
from webterm.work.line_shells import LineShells
from webterm.work.looks import Looks
from webterm.work.overview import Overview
from webterm.work.preview_shares import PreviewShares
from webterm.work.previews import Previews
from webterm.work.runtimes import Runtimes
from webterm.work.uploads import Uploads
from webterm.work.watches import Watches
from webterm.work.workbench import Workbench
from webterm.work.workspaces import Workspaces

PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
VERSION = version("webterm")  # from a file, hence read before the loop runs
SIGN_INS = "oidc"
"""Of the key under which sign-ins with a provider are sealed."""


def compose(app: web.Application, settings: Settings, prefix: str, actor: ActorOf | None, page: Path) -> None:
    """Put all parts together under ``prefix`` of ``app``, which starts and stops them. See `webterm.app.setup`."""
    prefix = prefix.rstrip("/")
    if not PREFIX.fullmatch(prefix):
        raise ValueError(f"a prefix is a plain path such as /terminal, not {prefix!r}")
    server = settings.server
    store = Store(settings.database_url)
    trail = AuditTrail(store, settings.data_dir / HEAD_FILE)
    keeping = Keeping(settings.data_dir)
    drivers = _drivers(settings, keeping)
    hub = Hub(drivers, default_driver=LocalDriver.name, limits=_limits(settings), tell=trail.note)
    workspaces = Workspaces(store, settings, drivers=[*drivers, DockerDriver.name], own_people=actor is None)
    choosing = Choosing(drivers, settings.runtimes.driver, contained=DockerDriver.name, local=LocalDriver.name)
    runtimes = Runtimes(workspaces, hub, drivers, settings, choosing)
    site = Site(
        prefix=prefix,
        settings=settings,
        names=Names(settings.hosts, server.public_url),
        proxies=Proxies(server.trusted_proxies),
        cors=Cors(server.cors_origins, prefix),
        headers=security_headers(server, settings.previews),
        limits=Limits(settings),
        metrics=Metrics(),
        terminals=TerminalRules(hub, runtimes.place),
        connections=Connections(),
        tickets=Tickets(),
        actor_of=actor,
        page=page,
        version=VERSION,
    )
    install(app, site)
    app.cleanup_ctx.append(partial(_storing, store, trail))
    if actor is None:
        app.cleanup_ctx.append(partial(_signing_in, site, store, trail))
    app.cleanup_ctx.append(partial(_containing, settings, keeping, drivers))
    app.cleanup_ctx.append(partial(_working, site, workspaces, runtimes, drivers, store, trail))
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


def _drivers(settings: Settings, keeping: Keeping) -> dict[str, Driver]:
    """Those that need nothing but this machine; see `_containing`."""
    local = LocalDriver(
        settings.data_dir,
        shell=settings.local.shell,
        cwd=settings.local.cwd,
        env=settings.local.env,
        close_grace=settings.local.close_grace,
        close_scope=settings.local.close_scope,
        hidden=(settings.workspaces_dir, settings.templates_dir),
        readable=[Path(path) for path in settings.sandbox.readable],
        keeping=keeping,
    )
    return {local.name: local, EchoDriver.name: EchoDriver()}


async def _containing(
    settings: Settings, keeping: Keeping, drivers: dict[str, Driver], app: web.Application
) -> AsyncIterator[None]:
    """The container engine and the way to the keeper, around all drivers, of which containers are one from now on."""
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(keeping.aclose)
        parts = parts_of(settings, await asyncio.to_thread(datadir.identity, settings.data_dir))
        stack.push_async_callback(parts.aclose)
        if settings.runtimes.driver != LocalDriver.name:
            await parts.engine.start()
        drivers[DockerDriver.name] = DockerDriver(
            parts.engine,
            keeping,
            parts.containers,
            close_grace=settings.local.close_grace,
        )
        yield


async def _working(
    site: Site,
    workspaces: Workspaces,
    runtimes: Runtimes,
    drivers: Mapping[str, Driver],
    store: Store,
    trail: AuditTrail,
    app: web.Application,
) -> AsyncIterator[None]:
    """Workspaces and their files, around everything that runs in them."""
    settings = site.settings
    files = Files(workspaces)
    uploads = Uploads(files, settings.workspaces_dir)
    watches = Watches(files, most=settings.workspaces.watches)
    executions = Executions(drivers, runtimes.place, files.holds, trail.note)
    line_shells = LineShells(drivers, runtimes.place, files.holds, trail.note)
    for each in (executions, line_shells):
        runtimes.subscribe(each.on_runtime)
        runtimes.used_by(each.is_in)
    looks = Looks(workspaces, runtimes)
    overview = Overview(store, workspaces, runtimes, drivers)
    shares = PreviewShares(store, workspaces, settings, own_people=site.actor_of is None)
    previews = Previews(workspaces, looks.dial, shares)
    runtimes.used_by(previews.open_in)
    if site.login is not None:
        previews.is_live = site.login.credentials.is_live
        site.login.rights.subscribe(previews.on_change)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(workspaces.aclose)
        await workspaces.start()
        stack.push_async_callback(files.aclose)
        stack.push_async_callback(uploads.aclose)
        await uploads.start()
        stack.push_async_callback(watches.aclose)
        stack.push_async_callback(looks.aclose)
        stack.push_async_callback(previews.aclose)
        site.work = Workbench(
            workspaces=workspaces,
            runtimes=runtimes,
            looks=looks,
            overview=overview,
            previews=previews,
            files=files,
            uploads=uploads,
            watches=watches,
            executions=executions,
            line_shells=line_shells,
        )
        yield


async def _running(site: Site, hub: Hub, drivers: Mapping[str, Driver], app: web.Application) -> AsyncIterator[None]:
    """From before the first request until after the last."""
    end = False  # a server that could not start ends nothing
    try:
        await hub.start()
        if site.work is not None:
            await site.work.runtimes.start_up()
        for user in site.terminals.owners():
            await _clear_up(site, user)  # commands remove accounts while no server runs, too
        end = site.settings.server.on_stop == "end"
        yield
    finally:
        if site.work is not None:
            await site.work.executions.aclose()
            await site.work.line_shells.aclose()
            await site.work.overview.aclose()
            await site.work.runtimes.aclose()
        await hub.aclose(end=end)
        if end and site.work is not None:
            await site.work.runtimes.end_containers()
        for driver in drivers.values():
            await driver.aclose()
        await site.limits.aclose()


async def _storing(store: Store, trail: AuditTrail, app: web.Application) -> AsyncIterator[None]:
    """The database and the audit log, around everything that writes there."""
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(store.aclose)
        await store.open()
        stack.push_async_callback(trail.aclose)
        await trail.start()
        yield


async def _signing_in(site: Site, store: Store, trail: AuditTrail, app: web.Application) -> AsyncIterator[None]:
    """People and their rights, from before the first request until after the last."""
    own = await asyncio.to_thread(keys.load, site.settings.data_dir)
    async with contextlib.AsyncExitStack() as stack:
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
        site.connections.is_live = site.long_requests.is_live = login.credentials.is_live
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
    for open_ones in (site.connections, site.long_requests):
        if change.proof is None:
            open_ones.revoke_user(change.user)
        else:
            open_ones.revoke_proof(change.proof)
    if change.proof is None:
        await _clear_up(site, change.user)


async def _clear_up(site: Site, user: UserId) -> None:
    """The terminals of somebody who has no account any more end: nobody could reach them. Others' run on."""
    if site.login is not None and await site.login.people.is_removed(user):
        site.terminals.close_all_of(user)


async def _leave(app: web.Application) -> None:
    """The server stops: open nothing more, and tell pages and whoever is in the middle of something to come back."""
    site = app[SITE]
    site.terminals.stop_opening()
    if site.work is not None:
        site.work.previews.shutdown()
    await asyncio.gather(site.connections.shutdown(), site.long_requests.shutdown())
