"""Bringing the schema up to date, by the revisions in ``migrations/versions``.

All revisions are applied in one transaction, in which the database belongs to one writer: it is at the old revision or
at the new one, and servers that start together wait for each other.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from webterm.errors import NewerSchema, StoreError
from webterm.store.databases import Database
from webterm.store.faults import transaction
from webterm.store.tables import HEAD, metadata

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

VERSION = sa.table("alembic_version", sa.column("version_num", sa.Text))


async def bring_up_to_date(database: Database) -> str | None:
    """Migrate a prepared database to `HEAD`. Returns the revision that it was at; None: it was empty.

    Raises `webterm.errors.NewerSchema`, `webterm.errors.StoreUnavailable` and `webterm.errors.StoreError`.
    """
    engine = await asyncio.to_thread(database.migrator)
    try:
        async with transaction(engine, database.name) as conn:
            if (found := await revision(conn)) != HEAD:
                await migrate(conn, database.name)
            return found
    finally:
        await engine.dispose()


async def revision(conn: AsyncConnection) -> str | None:
    """The revision that the database is at; None when nothing has been made in it."""
    if not await conn.run_sync(lambda sync: sa.inspect(sync).has_table(VERSION.name)):
        return None
    return (await conn.execute(sa.select(VERSION.c.version_num))).scalar_one_or_none()


async def migrate(conn: AsyncConnection, name: str, to: str = HEAD) -> None:
    """Apply what is missing up to the revision ``to``, in the transaction of ``conn``.

    Raises `webterm.errors.NewerSchema` for a revision that is not among ours, and `webterm.errors.StoreError` when
    what is in the database does not let itself be migrated.
    """
    script = await asyncio.to_thread(_script)
    found = await revision(conn)
    _check_known(script, found, name)
    try:
        await conn.run_sync(_run, script, to)
        await _check_references(conn, name)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        raise StoreError(f"{name} could not be migrated from {found} to {to}: {error.orig}") from error


async def check_known(found: str | None, name: str) -> None:
    """Raise `webterm.errors.NewerSchema` unless the revision of ``name``, a database or a file, is one of ours."""
    if found not in (None, HEAD):
        _check_known(await asyncio.to_thread(_script), found, name)


def _check_known(script: ScriptDirectory, found: str | None, name: str) -> None:
    if found is not None and found not in revisions(script):
        raise NewerSchema(
            f"{name} is at revision {found}, and this webterm knows revisions up to {HEAD}: it belongs to a newer"
            " webterm; install that one, or restore a backup of this one"
        )


def revisions(script: ScriptDirectory) -> list[str]:
    """All revisions, the oldest first."""
    return [step.revision for step in script.walk_revisions()][::-1]


def _script() -> ScriptDirectory:
    """The revisions, read from their files. Blocks; what comes after does not."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    revisions(script)
    return script


def _run(connection: sa.Connection, script: ScriptDirectory, to: str) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext

    # Alembic shows no other way to say how far to go without its own loading of files.
    with EnvironmentContext(Config(), script, fn=lambda found, _: script._upgrade_revs(to, found)) as environment:
        environment.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            transactional_ddl=True,
        )
        environment.run_migrations()


async def _check_references(conn: AsyncConnection, name: str) -> None:
    """SQLite does not look at foreign keys while it migrates, so look at the end."""
    if conn.dialect.name == "sqlite" and (await conn.exec_driver_sql("PRAGMA foreign_key_check")).first() is not None:
        raise StoreError(f"{name} could not be migrated: rows would refer to rows that are not there")
