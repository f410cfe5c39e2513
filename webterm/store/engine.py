"""The store: transactions on one database, SQLite or PostgreSQL, by SQLAlchemy core."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from webterm.errors import StoreUnavailable
from webterm.store import databases, migrating
from webterm.store.faults import transaction

Connection = AsyncConnection
"""In a transaction that `Store` has begun and will end."""


class Store:
    """One database. Nothing is opened before `open`; ``url`` is ``sqlite:///path`` or ``postgresql://…``.

    Raises `webterm.errors.StoreError` when the URL is neither. Everything else raises
    `webterm.errors.StoreUnavailable` while the database does not answer, and works again once it does.
    """

    def __init__(self, url: str) -> None:
        self.database = databases.database(url)
        self._readers: AsyncEngine | None = None
        self._writer: AsyncEngine | None = None

    async def open(self) -> None:
        """Connect, and bring the schema up to date. Several servers may do so at the same time.

        Raises `webterm.errors.NewerSchema`, `webterm.errors.StoreUnavailable` and, when the file, the name or the
        password is no good, `webterm.errors.StoreError`.
        """
        await asyncio.to_thread(self.database.prepare)
        await migrating.bring_up_to_date(self.database)
        self._readers, self._writer = await asyncio.to_thread(lambda: (self.database.readers(), self.database.writer()))

    def reading(self) -> AbstractAsyncContextManager[Connection]:
        """One transaction that sees one moment of the database, and cannot write."""
        return self._transaction(self._readers)

    def writing(self) -> AbstractAsyncContextManager[Connection]:
        """One transaction that writes. Writers take turns from its start, on all servers that share the database.

        Committed at the end, rolled back on any exception.
        """
        return self._transaction(self._writer)

    async def version(self) -> int | None:
        """A number that is another one after anybody's next commit, where the database has one; far less work than a
        transaction."""
        return await asyncio.to_thread(self.database.version)

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine | None) -> AsyncIterator[Connection]:
        if engine is None:
            raise StoreUnavailable(f"{self.database.name} is not open")
        async with transaction(engine, self.database.name) as conn:
            yield conn

    async def aclose(self) -> None:
        """Close all connections. Twice is harmless."""
        engines, self._readers, self._writer = (self._readers, self._writer), None, None
        for engine in engines:
            if engine is not None:
                await engine.dispose()
        await asyncio.to_thread(self.database.close)
