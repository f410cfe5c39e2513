"""Saving a whole database to one file, and putting it back into a database of either engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from webterm.errors import StoreError
from webterm.store import archive, migrating, tables
from webterm.store.archive import Cell, End, Header, Reader, Writer
from webterm.store.databases import Database
from webterm.store.faults import transaction

_BATCH = 500
_COUNTED = {
    "users": "alias",
    "changes": "number",
    "guests": "number",
    "workspaces": "number",
    "workspace_changes": "number",
}
"""Columns whose numbers the database gives. It must not give one again."""


async def save(database: Database, path: Path, *, clock: Callable[[], float] = time.time) -> dict[str, int]:
    """Write what a database holds at one moment into a new file, while servers go on writing.

    Returns the number of rows of each table. Raises `webterm.errors.StoreError` when there is nothing to save and when
    the file cannot be written, and `webterm.errors.StoreUnavailable`.
    """
    async with _connected(database, database.readers) as conn:
        revision = await migrating.revision(conn)
        if revision is None:
            raise StoreError(f"{database.name} is empty: there is nothing to save")
        found = await _reflected(conn)
        columns = _columns(found)
        header = Header(format=archive.FORMAT, revision=revision, made=clock(), tables=columns)
        writer = await asyncio.to_thread(Writer, path, header)
        try:
            rows = {str(table.name): await _save_table(conn, table, writer) for table in found}
            await asyncio.to_thread(writer.finish, End(rows=rows, counters=await _counters(conn, columns)))
        finally:
            await asyncio.to_thread(writer.abandon)
    return rows


async def survey(database: Database) -> tuple[str | None, dict[str, int]]:
    """The revision of a database, which may be newer than ours, and the number of rows of each table."""
    async with _connected(database, database.readers) as conn:
        revision = await migrating.revision(conn)
        found = await _reflected(conn) if revision is not None else []
        return revision, {str(table.name): await _count(conn, table) for table in found}


async def restore(database: Database, path: Path, *, replace: bool = False) -> dict[str, int]:
    """Fill an empty database from a file, and bring it up to date; all of it or, on any fault, nothing.

    With ``replace`` whatever webterm has in the database is removed first. Returns the number of rows of each table.
    Raises `webterm.errors.StoreError` when the file is not a whole backup and when the database is not empty,
    `webterm.errors.NewerSchema` when a newer webterm made either, and `webterm.errors.StoreUnavailable`.
    """
    reader = await asyncio.to_thread(Reader, path)
    try:
        await migrating.check_known(reader.header.revision, f"the backup {path}")
        async with _connected(database, database.migrator) as conn:
            given = await _given(conn)
            await _clear(conn, database, replace=replace)
            await migrating.migrate(conn, database.name, to=reader.header.revision)
            end = await _load(conn, reader, path)
            numbers = {table: max(end.counters.get(table, 0), given.get(table, 0)) for table in _COUNTED}
            await _set_counters(conn, numbers)
            await migrating.migrate(conn, database.name)
            return end.rows
    finally:
        await asyncio.to_thread(reader.close)


@asynccontextmanager
async def _connected(database: Database, make: Callable[[], AsyncEngine]) -> AsyncIterator[AsyncConnection]:
    engine = await asyncio.to_thread(make)
    try:
        async with transaction(engine, database.name) as conn:
            yield conn
    finally:
        await engine.dispose()


async def _reflected(conn: AsyncConnection, only: set[str] | None = None) -> list[sa.Table]:
    """The tables as they are in the database, whatever its revision is, in an order in which they can be filled."""
    found = sa.MetaData()
    await conn.run_sync(found.reflect, only=lambda name, _: only is None or name in only)
    return [table for table in found.sorted_tables if only is not None or table.name != migrating.VERSION.name]


async def _save_table(conn: AsyncConnection, table: sa.Table, writer: Writer) -> int:
    count = 0
    async with conn.stream(sa.select(table).order_by(*table.primary_key)) as result:
        async for rows in result.partitions(_BATCH):
            await asyncio.to_thread(writer.add, [(str(table.name), list(row)) for row in rows])
            count += len(rows)
    return count


async def _clear(conn: AsyncConnection, database: Database, *, replace: bool) -> None:
    ours = await _reflected(conn, {*tables.metadata.tables, migrating.VERSION.name})
    if not replace:
        for table in ours:
            if table.name != migrating.VERSION.name and (await conn.execute(sa.select(table).limit(1))).first():
                raise StoreError(f"{database.name} is not empty; --replace removes what it holds")
    elif (found := await migrating.revision(conn)) is not None:
        await migrating.check_known(found, database.name)
    for table in reversed(ours):
        await conn.execute(sa.schema.DropTable(table))


async def _load(conn: AsyncConnection, reader: Reader, path: Path) -> End:
    found = {table.name: table for table in await _reflected(conn)}
    if _columns(list(found.values())) != reader.header.tables:
        raise StoreError(f"{path} is not a backup of revision {reader.header.revision}: it has other tables")
    while lines := await asyncio.to_thread(reader.read, _BATCH):
        for name, batch in groupby(lines, key=itemgetter(0)):
            try:
                await conn.execute(sa.insert(found[name]), [_row(found[name], values) for _, values in batch])
            except StatementError as error:
                if isinstance(error, DBAPIError) and error.connection_invalidated:
                    raise
                raise StoreError(f"{path} holds rows that {name} does not take: {error.orig}") from error
    for name, table in found.items():
        if await _count(conn, table) != reader.end.rows.get(name, 0):
            raise StoreError(f"{path} could not be restored: rows of {name} are missing")
    return reader.end


def _columns(found: list[sa.Table]) -> dict[str, list[str]]:
    return {str(table.name): [str(column.name) for column in table.columns] for table in found}


async def _count(conn: AsyncConnection, table: sa.Table) -> int:
    return await conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def _row(table: sa.Table, values: list[Cell]) -> dict[str, Cell]:
    return dict(zip(table.columns.keys(), values, strict=True))


async def _given(conn: AsyncConnection) -> dict[str, int]:
    """What the database itself has given so far: who has read changes up to a number reads on from there."""
    if await migrating.revision(conn) is None:
        return {}
    return await _counters(conn, _columns(await _reflected(conn, set(_COUNTED))))


async def _counters(conn: AsyncConnection, found: dict[str, list[str]]) -> dict[str, int]:
    """The highest number that each table has given, also to rows that have gone."""
    counters = {}
    for table, column in _COUNTED.items():
        if table in found:
            counters[table] = await _counter(conn, table, column)
    return counters


async def _counter(conn: AsyncConnection, table: str, column: str) -> int:
    if conn.dialect.name == "sqlite":
        query = sa.text("SELECT seq FROM sqlite_sequence WHERE name = :table").bindparams(table=table)
        return await conn.scalar(query) or 0
    sequence = await conn.scalar(sa.select(sa.func.pg_get_serial_sequence(table, column)))
    return await conn.scalar(sa.text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")) or 0  # noqa: S608 - the server's own name


async def _set_counters(conn: AsyncConnection, counters: dict[str, int]) -> None:
    for table, number in counters.items():
        if table not in _COUNTED or not number:
            continue
        if conn.dialect.name == "sqlite":
            for statement in (
                "DELETE FROM sqlite_sequence WHERE name = :table",
                "INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :number)",
            ):
                values = {"table": table, "number": number} if ":number" in statement else {"table": table}
                await conn.execute(sa.text(statement), values)
        else:
            sequence = sa.func.pg_get_serial_sequence(table, _COUNTED[table])
            await conn.execute(sa.select(sa.func.setval(sequence, number)))
