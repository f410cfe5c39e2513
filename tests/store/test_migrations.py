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
from webterm.access import Role, Source
from webterm.ids import UserId, WorkspaceId
from webterm.store import (
    audit,
    changes,
    logins,
    members,
    migrating,
    tables,
    users,
    workspace_changes,
    workspaces,
)
from webterm.store.engine import Connection, Store

REVISIONS = ["0001", "0002", "0003", "0004", "0005"]

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
WORKSPACES = """
INSERT INTO workspaces (
    number, id, owner, alias, tier, name, description, template, environment, home, created, updated, deleted
) VALUES (1, 'w', 'id-ann', 1, 'free', 'Work', '', '', '{"driver":"local","ports":[80]}', true, 1.5, 2.5, NULL);
INSERT INTO members (workspace, "user", role, created) VALUES ('w', 'id-bob', 2, 2.5);
INSERT INTO workspace_changes (number, workspace, "user", role, created) VALUES (1, 'w', 'id-bob', 2, 2.5)
"""
SHARES = """
INSERT INTO preview_shares (id, hash, workspace, port, created_by, created, expires) VALUES
    ('s', 'h', 'w', 5173, 'id-ann', 1.5, 2.5)
"""
ROWS = {
    "0001": PEOPLE,
    "0002": PEOPLE + ";" + CHANGES,
    "0003": PEOPLE + ";" + CHANGES,
    "0004": PEOPLE + ";" + CHANGES + ";" + WORKSPACES,
    "0005": PEOPLE + ";" + CHANGES + ";" + WORKSPACES + ";" + SHARES,
}
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
            if revision > "0003":
                await conn.exec_driver_sql("SELECT setval('workspaces_number_seq', 1)")
                await conn.exec_driver_sql("SELECT setval('workspace_changes_number_seq', 1)")


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
        if revision > "0003":
            await check_workspaces(conn)


async def check_workspaces(conn: Connection) -> None:
    found = await workspaces.by_id(conn, WorkspaceId("w"))
    assert found is not None
    assert (found.name, found.tier, found.home, found.environment.ports) == ("Work", "free", True, (80,))
    assert await members.role_of(conn, found.id, UserId("id-bob")) is Role.WRITE
    assert await workspace_changes.latest(conn) == 1


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
