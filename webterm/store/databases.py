"""The two kinds of databases: how each is reached, and what makes them behave alike.

On both a reader sees one moment of the whole database and cannot write, and writers take turns from the start of their
transactions, over all processes: what a writer has read is still so when it writes.
"""

from __future__ import annotations

import abc
import asyncio
import os
import sqlite3
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, AdaptedConnection, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, NullPool

from webterm.errors import StoreError

PATIENCE = 10.0
"""Seconds to wait for a connection, or for another writer."""
_READERS = 5
_TURN = 0x77_65_62_74_65_72_6D_31
"""Number of the advisory lock that a writer holds."""
_STATEMENT = 60.0
"""Seconds that a statement, or silence within a transaction, may last on PostgreSQL: a server that has lost its network
must not keep the others waiting for ever. Also seconds to wait for another server that migrates an SQLite file."""
_MIGRATION = 900.0
"""The same for a transaction that migrates, twice the seconds to wait for another server that migrates."""
_PRIVATE = 0o600
_WAL = "journal_mode=wal"
_PAUSE = 0.02
"""Seconds between two attempts to switch a file to `_WAL`."""


class Database(abc.ABC):
    """One database. ``name`` is what people know it by, without a password."""

    name: str

    @abc.abstractmethod
    def prepare(self, *, make: bool = True) -> None:
        """Import what is needed, and make the file unless it is there or ``make`` is False. Blocks.

        Raises `webterm.errors.StoreError`.
        """

    @abc.abstractmethod
    def readers(self) -> AsyncEngine:
        """Connections for transactions that read."""

    @abc.abstractmethod
    def writer(self) -> AsyncEngine:
        """The one connection of this process for transactions that write."""

    @abc.abstractmethod
    def migrator(self) -> AsyncEngine:
        """A connection of its own for a transaction that changes the schema."""

    def version(self) -> int | None:
        """A number that is another one after anybody's next commit, asked for next to nothing; None where there is
        none to be had. Blocks."""
        return None

    def close(self) -> None:
        """Drop what was opened for `version`. Twice is harmless."""


class Sqlite(Database):
    """A file. Its directory is made (0700) if it is not there."""

    def __init__(self, path: str) -> None:
        self.path = Path(path).expanduser().absolute()
        self.name = f"the database {self.path}"
        self._asking: sqlite3.Connection | None = None
        self._turn = threading.Lock()

    def prepare(self, *, make: bool = True) -> None:
        try:
            if make:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0), _PRIVATE)
        except OSError as error:
            raise StoreError(f"{self.name} cannot be opened: {error.strerror}") from error
        try:
            # SQLite gives its other files the mode of this one.
            with suppress(PermissionError):
                os.fchmod(file, _PRIVATE)
        finally:
            os.close(file)

    def readers(self) -> AsyncEngine:
        return self._engine(_pool(_READERS), "BEGIN", "query_only=on")

    def writer(self) -> AsyncEngine:
        return self._engine(_pool(1), "BEGIN IMMEDIATE", _WAL, "synchronous=normal", "foreign_keys=on")

    def migrator(self) -> AsyncEngine:
        # Foreign keys are off, because a table that is made anew would take along the rows that hang on it.
        return self._engine({"poolclass": NullPool}, "BEGIN IMMEDIATE", _WAL, patience=_STATEMENT)

    def version(self) -> int | None:
        # Of the same connection each time, as SQLite asks: https://www.sqlite.org/pragma.html#pragma_data_version
        with self._turn:
            try:
                if self._asking is None:
                    file = self.path.as_uri() + "?mode=rw"
                    self._asking = sqlite3.connect(file, uri=True, isolation_level=None, check_same_thread=False)
                return int(self._asking.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error:  # a reader will say why
                self._drop()
                return None

    def close(self) -> None:
        with self._turn:
            self._drop()

    def _drop(self) -> None:
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.close()

    def _engine(self, pool: dict[str, Any], begin: str, *pragmas: str, patience: float = PATIENCE) -> AsyncEngine:
        engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=str(self.path)),
            connect_args={"isolation_level": None, "timeout": patience, "cached_statements": 256},
            hide_parameters=True,
            **pool,
        )

        @event.listens_for(engine.sync_engine, "connect")
        def connected(connection: AdaptedConnection, _entry: ConnectionPoolEntry) -> None:
            connection.run_async(partial(_set_up, pragmas=pragmas, patience=patience))

        @event.listens_for(engine.sync_engine, "begin")
        def begun(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

        return engine


async def _set_up(connection: aiosqlite.Connection, *, pragmas: tuple[str, ...], patience: float) -> None:
    """Prepare a new connection. SQLite waits for others by itself, but not when it switches a file to WAL.

    For that it reads before it asks for the right to write, and who has read is refused at once, because two that wait
    for each other would wait for ever. Whoever meets somebody in a file that is not in WAL yet has to try again.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    for pragma in pragmas:
        while True:
            try:
                await connection.execute_fetchall(f"PRAGMA {pragma}")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or loop.time() >= until:
                    raise
            await asyncio.sleep(_PAUSE)


class Postgres(Database):
    """A server. The URL goes to asyncpg as it is, so that it may hold all that libpq knows."""

    def __init__(self, url: str) -> None:
        self._url = "postgresql" + url[url.index("://") :]
        try:
            parts = make_url(self._url)
        except (ArgumentError, ValueError):
            raise StoreError("database.url is not a URL such as postgresql://user:password@host:port/name") from None
        shown = URL.create("postgresql", host=parts.host, port=parts.port, database=parts.database)
        self.name = f"the database {shown.render_as_string()}"
        self._chosen = set(parts.query)

    def prepare(self, *, make: bool = True) -> None:
        try:
            import asyncpg  # noqa: F401
        except ImportError:
            raise StoreError(
                "PostgreSQL needs the package asyncpg, which is not installed here: pip install 'webterm[postgres]'"
            ) from None

    def readers(self) -> AsyncEngine:
        engine = self._engine(_pool(_READERS))
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def writer(self) -> AsyncEngine:
        return self._taking_turns(self._engine(_pool(1)))

    def migrator(self) -> AsyncEngine:
        return self._taking_turns(self._engine({"poolclass": NullPool}, patience=_MIGRATION))

    def _engine(self, pool: dict[str, Any], *, patience: float = _STATEMENT) -> AsyncEngine:
        # Waiting for a lock ends first, because the server's own word says more than silence does.
        defaults = {"application_name": "webterm"}
        defaults |= {"lock_timeout": f"{patience / 2:.0f}s", "idle_in_transaction_session_timeout": f"{patience:.0f}s"}
        session = {key: text for key, text in defaults.items() if key not in self._chosen}

        async def connect(**_ignored: object) -> object:
            import asyncpg

            return await asyncpg.connect(self._url, timeout=PATIENCE, command_timeout=patience, server_settings=session)

        return create_async_engine(
            "postgresql+asyncpg://", async_creator=connect, hide_parameters=True, pool_pre_ping=True, **pool
        )

    @staticmethod
    def _taking_turns(engine: AsyncEngine) -> AsyncEngine:
        @event.listens_for(engine.sync_engine, "begin")
        def begun(connection: Connection) -> None:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")

        return engine


def _pool(size: int) -> dict[str, Any]:
    return {"poolclass": AsyncAdaptedQueuePool, "pool_size": size, "max_overflow": 0, "pool_timeout": PATIENCE}


def database(url: str) -> Database:
    """The database of a URL: ``sqlite:///path`` or ``postgresql://…``. Raises `webterm.errors.StoreError`."""
    kind, separator, rest = url.partition("://")
    match kind.partition("+")[0]:
        case "sqlite" if separator and rest.startswith("/") and rest not in ("/", "/:memory:"):
            return Sqlite(rest.removeprefix("/"))
        case "sqlite":
            raise StoreError("database.url names no file; SQLite takes sqlite:///path")
        case "postgresql" | "postgres" if separator:
            return Postgres(url)
    raise StoreError("database.url is neither sqlite:///path nor postgresql://…")
