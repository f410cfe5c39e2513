"""From every earlier revision to the newest, with rows in place, on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tests.store.conftest import Stores
from webterm.access import Source
from webterm.ids import UserId
from webterm.store import audit, changes, logins, migrating, tables, users
from webterm.store.engine import Connection, Store

REVISIONS = ["0001", "0002", "0003"]

PEOPLE = """
INSERT INTO users (alias, id, username, email, password, role, tier, owner, disabled, created) VALUES
    (1, 'id-ann', 'ann', 'ann@x.org', 'hash', 'admin', 'pro', true, false, 1.5),
    (2, 'id-bob', 'bob', NULL, NULL, 'user', 'free', false, true, 2.5);
INSERT INTO names (key, "user") VALUES ('ann', 'id-ann'), ('ann@x.org', 'id-ann'), ('bob', 'id-bob');
INSERT INTO logins (id, "user", kind, created, seen, expires, address, agent) VALUES
    ('l', 'id-ann', 'api', 1.5, 2.5, 3.5, '::1', 'curl');
INSERT INTO refreshes (hash, login, created, used) VALUES ('r', 'l', 1.5, NULL);
"""
CHANGES = """
INSERT INTO changes (number, "user", proof, kind, created) VALUES (1, 'id-bob', NULL, 'ended', 2.5)
"""
ROWS = {"0001": PEOPLE, "0002": PEOPLE + ";" + CHANGES, "0003": PEOPLE + ";" + CHANGES}
"""What a server of that revision may have left behind."""


def test_every_revision_is_tested() -> None:
    script = migrating._script()
    assert migrating.revisions(script) == REVISIONS == sorted(ROWS)
    assert script.get_heads() == [tables.HEAD]


@asynccontextmanager
async def migrator(store: Store) -> AsyncIterator[Connection]:
    await asyncio.to_thread(store.database.prepare)
    engine = await asyncio.to_thread(store.database.migrator)
    async with engine.begin() as conn:
        yield conn
    await engine.dispose()


async def at_revision(store: Store, revision: str) -> None:
    """A database as a server of that revision left it."""
    async with migrator(store) as conn:
        await migrating.migrate(conn, "the database", to=revision)
        for statement in ROWS[revision].split(";\n"):
            if statement.strip():
                await conn.exec_driver_sql(statement.strip().strip(";"))
        if conn.dialect.name == "postgresql":
            await conn.exec_driver_sql("SELECT setval('users_alias_seq', 2)")
            if revision > "0001":
                await conn.exec_driver_sql("SELECT setval('changes_number_seq', 1)")


async def differences(store: Store) -> list[Any]:
    """Where the tables of the database are not those of `webterm.store.tables`."""

    def compare(connection: sa.Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, tables.metadata))

    async with migrator(store) as conn:
        return await conn.run_sync(compare)


async def test_an_empty_database_gets_all_tables(stores: Stores, url: str) -> None:
    store = stores(url)
    await store.open()
    assert await differences(store) == []


async def test_migrating_twice_changes_nothing(stores: Stores, url: str) -> None:
    store = stores(url)
    assert await open_through_migrating(store) is None
    assert await open_through_migrating(store) == tables.HEAD


async def open_through_migrating(store: Store) -> str | None:
    await asyncio.to_thread(store.database.prepare)
    return await migrating.bring_up_to_date(store.database)


@pytest.mark.parametrize("revision", REVISIONS)
async def test_an_earlier_database_keeps_its_rows(stores: Stores, url: str, revision: str) -> None:
    store = stores(url)
    await at_revision(store, revision)
    await store.open()
    assert await differences(store) == []
    async with store.writing() as conn:
        ann, bob = await users.page(conn, limit=9)
        assert (ann.id, ann.email, ann.role, ann.owner, ann.disabled, ann.created) == (
            "id-ann", "ann@x.org", "admin", True, False, 1.5,
        )  # fmt: skip
        assert (bob.id, bob.email, bob.owner, bob.disabled) == ("id-bob", None, False, True)
        assert await users.by_name(conn, "ANN@x.org") == ann
        assert [login.agent for login in await logins.of_user(conn, ann.id)] == ["curl"]
        assert await changes.latest(conn) == (1 if revision > "0001" else 0)
        await changes.note(conn, ann.id, None, "changed", 3.5)
        await audit.append(conn, Source(user=ann.id, name="ann", address="::1"), "test", now=3.5)
        assert (await audit.verify(conn)).fault is None
        await users.remove(conn, ann.id)
        assert await logins.of_user(conn, UserId("id-ann")) == []


@pytest.mark.parametrize("revision", REVISIONS[:-1])
async def test_servers_that_start_together_migrate_once(stores: Stores, url: str, revision: str) -> None:
    await at_revision(stores(url), revision)
    servers = [stores(url) for _ in range(4)]
    await asyncio.gather(*(server.open() for server in servers))
    async with servers[0].reading() as conn:
        assert len(await users.page(conn, limit=9)) == 2
    assert await differences(servers[0]) == []


async def test_a_migration_that_fails_leaves_the_old_schema(stores: Stores, url: str) -> None:
    store = stores(url)
    await at_revision(store, "0001")
    async with migrator(store) as conn:
        await conn.exec_driver_sql("CREATE TABLE audit (name TEXT)")
    with pytest.raises(Exception, match="could not be migrated from 0001 to"):
        await store.open()
    async with migrator(store) as conn:
        assert await migrating.revision(conn) == "0001"
        assert not await conn.run_sync(lambda sync: sa.inspect(sync).has_table("changes"))
        await conn.exec_driver_sql("DROP TABLE audit")
    await store.open()
