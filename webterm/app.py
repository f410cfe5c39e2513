"""Two ways to run webterm.

`setup` makes webterm a part of any aiohttp application (docs/embedding.md); `serve` is the server of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from webterm import datadir
from webterm.composition import compose
from webterm.ids import UserId
from webterm.settings import Server, Settings
from webterm.web.callers import BACKLOG, Callers, room
from webterm.web.malformed import server_logger
from webterm.web.site import SITE, ActorOf

PAGE = Path(__file__).parent / "static"
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
    compose(app, settings, prefix, actor, page)


async def sign_out(app: web.Application, user: UserId) -> None:
    """End what a person has open: sockets close within a second, unused tickets are void.

    For applications that bring their own ``actor``, when somebody signs out there or loses the right to be here.
    """
    app[SITE].tickets.revoke_user(user)
    app[SITE].terminals.revoke(user)
    app[SITE].connections.revoke_user(user)
    app[SITE].long_requests.revoke_user(user)
    if (bench := app[SITE].work) is not None:
        bench.previews.revoke_user(user)


async def serve(settings: Settings, *, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is called with the URL once requests are answered.

    Programs outlive this or end with it, as ``server.on_stop`` says. Raises `webterm.errors.DataDirectoryError`, also
    when another server holds the directory, and OSError when the address cannot be listened on; then nothing has been
    started or ended. Cancelling stops as a signal does.
    """
    async with _holding(settings.data_dir) as hold, _listening(settings.server) as sockets:
        with _signals() as stop:
            callers = Callers(room())
            app = web.Application(middlewares=[callers.asking])
            compose(app, settings, urlsplit(settings.server.public_url or "").path, None, PAGE)
            async with _answering(app, callers, sockets):
                address, port = _address(sockets[0])
                url = settings.url(port)
                await asyncio.to_thread(hold.announce, url, address)
                _spare_the_collector()
                ready(url)
                await stop.wait()


def _spare_the_collector() -> None:
    """What is there now stays. Going through all 126,000 objects holds everybody up for some 60 ms each time."""
    gc.collect()
    gc.freeze()


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
async def _answering(app: web.Application, callers: Callers, sockets: Sequence[socket.socket]) -> AsyncIterator[None]:
    # No access log of aiohttp's: it has query strings, which hold tokens.
    runner = web.AppRunner(app, access_log=None, logger=server_logger(), shutdown_timeout=REQUEST_GRACE)
    try:
        await runner.setup()
        async with callers.listening(runner, sockets):
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
