"""The command ``webterm``. Its faults go to standard error: exit status 2 for settings, 1 for the rest."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from webterm.commands import options
from webterm.commands.audit import audit
from webterm.commands.db import db
from webterm.commands.doctor import doctor
from webterm.commands.gc import gc
from webterm.commands.image import image
from webterm.commands.users import user
from webterm.errors import SettingsError, Unavailable

if TYPE_CHECKING:
    import asyncio

    from webterm.settings import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="webterm", message="%(prog)s %(version)s")
def main() -> None:
    """Real terminals in a browser, self-hosted."""


@main.command()
@options.setting("--host", "server.host")
@options.setting("--port", "server.port")
@options.config
@options.data_dir
@click.option("--open", "open_page", is_flag=True, help="Open the page in a browser, signed in.")
@options.tells_faults
def serve(host: str | None, port: str | None, config: Path | None, data_dir: str | None, *, open_page: bool) -> None:
    """Serve terminals until SIGTERM or Ctrl-C."""
    settings = options.load(config, host=host, port=port, data_dir=data_dir)
    make_loop = _loop_factory(settings)
    _allow_many_files()
    _log(settings)

    import asyncio

    from webterm import app

    with _listening_faults(settings), asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(app.serve(settings, ready=functools.partial(_greet_soon, settings, open_page=open_page)))


def _loop_factory(settings: Settings) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the event loop that the settings ask for; None is asyncio's own. Raises SettingsError."""
    if settings.server.loop == "asyncio":
        return None
    try:
        from uvloop import new_event_loop
    except ImportError:
        if settings.server.loop == "uvloop":
            raise SettingsError(['server.loop: found "uvloop", which is not installed here; allowed: "auto"']) from None
        return None
    return new_event_loop


def _allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one: a terminal needs a few descriptors, and so does a viewer."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _log(settings: Settings) -> None:
    import logging

    level = settings.server.log_level.upper()
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel("WARNING")  # each start would begin with a page of its news
    logging.getLogger("aiosqlite").setLevel("INFO")  # below, it tells what is written into the database


@contextlib.contextmanager
def _listening_faults(settings: Settings) -> Iterator[None]:
    """Say in one line why the address cannot be listened on."""
    import errno
    import socket

    where = f"{settings.server.host} port {settings.server.port}"
    try:
        yield
    except socket.gaierror as error:
        raise Unavailable(f"cannot listen on {where}: {error.strerror}") from error
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
            raise
        raise Unavailable(f"cannot listen on {where}: {os.strerror(error.errno)}") from error


def _greet_soon(settings: Settings, url: str, *, open_page: bool) -> None:
    """Greet from a thread, because making the link writes a file and this runs in the loop."""
    import threading

    greeting = functools.partial(_greet, settings.data_dir, url, open_page=open_page)
    threading.Thread(target=greeting, name="greeting", daemon=True).start()


def _greet(directory: Path, url: str, *, open_page: bool) -> None:
    from webterm.datadir import issue_link

    link = _link(url, issue_link(directory))
    print(f"webterm is at {url}\nSign in: {link}", flush=True)  # noqa: T201 - what the command is for
    if open_page:
        click.launch(link)


def _link(url: str, token: str) -> str:
    return f"{url}?login={token}"


@main.command("login-link")
@options.config
@options.data_dir
@options.tells_faults
def login_link(config: Path | None, data_dir: str | None) -> None:
    """Print a fresh link that signs in to the running server: one use, 15 minutes."""
    from webterm.datadir import issue_link
    from webterm.running import running

    directory = options.load(config, data_dir=data_dir).data_dir
    server = running(directory)
    if server.url is None:
        raise Unavailable(f"the server on {directory} is still starting")
    click.echo(_link(server.url, issue_link(directory)))


@main.command()
@options.config
@options.data_dir
@options.tells_faults
def status(config: Path | None, data_dir: str | None) -> None:
    """Ask the running server whether it is well; exit status 0 if it is."""
    from webterm.running import check_health, running

    directory = options.load(config, data_dir=data_dir).data_dir
    check_health(directory)
    click.echo(f"webterm is at {running(directory).url}")


@main.command()
@click.option("--all", "end_all", is_flag=True, help="End every program, too, and the keeper that holds them.")
@options.config
@options.data_dir
@options.tells_faults
def stop(config: Path | None, data_dir: str | None, *, end_all: bool) -> None:
    """Stop the running server, and wait until it has gone. Programs run on, unless the settings end them."""
    from webterm.commands.ending import end_programs
    from webterm.datadir import holder
    from webterm.running import terminate

    settings = options.load(config, data_dir=data_dir)
    if not end_all or holder(settings.data_dir) is not None:
        terminate(settings.data_dir)
        click.echo("The server has stopped.")
    if end_all:
        programs, containers = end_programs(settings)
        click.echo("No program was running." if not programs else f"Programs ended: {programs}.")
        if containers:
            click.echo(f"Containers removed: {containers}.")


main.add_command(audit)
main.add_command(db)
main.add_command(doctor)
main.add_command(gc)
main.add_command(image)
main.add_command(user)
