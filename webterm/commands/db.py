"""``webterm db``: the database's schema, backups of it, and putting them back."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from webterm.commands import options
from webterm.commands.opening import opened, this_process
from webterm.errors import Conflict

if TYPE_CHECKING:
    from webterm.settings import Settings
    from webterm.store.databases import Database

T = TypeVar("T")
FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def db() -> None:
    """Look after the database: schema and backups."""


@db.command()
@options.config
@options.data_dir
@options.tells_faults
def migrate(config: Path | None, data_dir: str | None) -> None:
    """Bring the schema up to date, as the server does when it starts."""
    from webterm.store import migrating, tables

    database = _database(options.load(config, data_dir=data_dir), make=True)
    found = _run(migrating.bring_up_to_date(database))
    if found == tables.HEAD:
        click.echo(f"The schema is up to date: revision {found}.")
    else:
        click.echo(f"The schema is at revision {tables.HEAD} now; it was {_named(found)}.")


@db.command()
@options.config
@options.data_dir
@options.tells_faults
def status(config: Path | None, data_dir: str | None) -> None:
    """Say where the database is and which schema it has; exit status 0 if that is the newest."""
    from webterm.store import backup, migrating, tables

    database = _database(options.load(config, data_dir=data_dir))
    found, rows = _run(backup.survey(database))
    click.echo(f"Database: {database.name.removeprefix('the database ')}")
    click.echo(f"Schema: {_named(found)}; the newest is {tables.HEAD}.")
    for table, count in rows.items():
        click.echo(f"  {table}: {count}")
    _run(migrating.check_known(found, database.name))
    if found != tables.HEAD:
        click.get_current_context().exit(1)


@db.command()
@click.argument("file", type=FILE)
@options.config
@options.data_dir
@options.tells_faults
def backup(file: Path, config: Path | None, data_dir: str | None) -> None:
    """Save everything to FILE, a new one. The server may be running.

    Whoever has FILE can try passwords against it: keep it as private as the database. Keys, and what terminals show,
    are not in it: they stand in the data directory.
    """
    from webterm.store import backup as saving

    database = _database(options.load(config, data_dir=data_dir))
    rows = _run(saving.save(database, file))
    click.echo(f"Saved to {file}: {_counted(rows)}.")


@db.command()
@click.argument("file", type=FILE)
@click.option("--replace", is_flag=True, help="Remove what the database holds, and put the backup in its place.")
@click.option("--yes", is_flag=True, help="Do not ask before something is removed.")
@options.config
@options.data_dir
@options.tells_faults
def restore(file: Path, config: Path | None, data_dir: str | None, *, replace: bool, yes: bool) -> None:
    """Fill an empty database from FILE, which may come from another kind of database. The server has to be stopped.

    What has been ended since FILE was made is good again: logins, tokens, invitations, passwords, accounts.
    """
    from webterm.datadir import holder
    from webterm.store import backup as saving

    settings = options.load(config, data_dir=data_dir)
    if (found := holder(settings.data_dir)) is not None:
        raise Conflict(f"a server is running on {settings.data_dir} (process {found.pid}); stop it first: webterm stop")
    database = _database(settings, make=True)
    if replace and not yes:
        click.confirm(f"Remove everything in {database.name} and restore {file}?", abort=True)
    rows = _run(saving.restore(database, file, replace=replace))
    _run(_write_down(settings))
    click.echo(f"Restored from {file}: {_counted(rows)}.")
    click.echo("Logins, tokens, passwords and accounts that were ended since it was made are good again.", err=True)


def _database(settings: Settings, *, make: bool = False) -> Database:
    """The settings' database; one that is not there is made only if ``make`` says so."""
    from webterm.datadir import prepare
    from webterm.store.databases import database

    found = database(settings.database_url)
    if make and settings.database.url is None:
        prepare(settings.data_dir)
    found.prepare(make=make)
    return found


async def _write_down(settings: Settings) -> None:
    """A log that ends earlier than it did has to say why."""
    from webterm.accounts.audit import HEAD_FILE, AuditTrail

    async with opened(settings) as store:
        await AuditTrail(store, settings.data_dir / HEAD_FILE).restored(await this_process())


def _run(work: Coroutine[Any, Any, T]) -> T:
    import asyncio

    return asyncio.run(work)


def _named(revision: str | None) -> str:
    return "empty" if revision is None else f"revision {revision}"


def _counted(rows: dict[str, int]) -> str:
    return ", ".join(f"{table} {count}" for table, count in rows.items() if count) or "no rows"
