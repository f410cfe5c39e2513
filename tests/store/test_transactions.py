"""What a transaction promises: all or nothing, one moment, turns, and no trace of one that was cancelled."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DBAPIError

from tests.store.conftest import Stores
from tests.store.people import NOW, add, added
from webterm.errors import StoreUnavailable
from webterm.ids import UserId
from webterm.store import changes, tables, users
from webterm.store.engine import Connection, Store

ANN = UserId("id-ann")


class Wrong(Exception):
    """What goes wrong."""


async def names(store: Store) -> list[str]:
    async with store.reading() as conn:
        return [user.username for user in await users.page(conn, limit=99)]


async def increment(conn: Connection) -> None:
    """Read, think, write: whoever else did so in between is lost, unless writers take turns."""
    user = await users.by_id(conn, ANN)
    assert user is not None
    await asyncio.sleep(0)
    await users.change(conn, ANN, tier=str(int(user.tier) + 1))


async def test_an_exception_undoes_everything(store: Store) -> None:
    with pytest.raises(Wrong):  # noqa: PT012 - a transaction and what goes wrong in it
        async with store.writing() as conn:
            await add(conn, "ann")
            await changes.note(conn, ANN, None, "changed", NOW)
            raise Wrong
    async with store.reading() as conn:
        assert await users.by_name(conn, "ann") is None
        assert await changes.latest(conn) == 0


async def test_a_reader_sees_one_moment(store: Store) -> None:
    await added(store, "ann")
    async with store.reading() as reader:
        assert len(await users.page(reader, limit=9)) == 1
        await added(store, "bob")
        assert len(await users.page(reader, limit=9)) == 1
    assert await names(store) == ["ann", "bob"]


async def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises((DBAPIError, StoreUnavailable)):
        async with store.reading() as conn:
            await add(conn, "ann")
    await added(store, "bob")
    assert await names(store) == ["bob"]


async def test_a_reader_does_not_wait_for_a_writer(store: Store) -> None:
    async with store.writing() as conn:
        await add(conn, "ann")
        assert await names(store) == []
    assert await names(store) == ["ann"]


async def test_many_readers_at_once(store: Store) -> None:
    await added(store, "ann")
    assert await asyncio.gather(*(names(store) for _ in range(40))) == [["ann"]] * 40


async def test_four_writers_lose_nothing(store: Store, stores: Stores, url: str) -> None:
    await added(store, "ann")
    async with store.writing() as conn:
        await users.change(conn, ANN, tier="0")
    writers = [stores(url) for _ in range(4)]
    for each in writers:
        await each.open()

    async def write(writer: Store) -> None:
        for _ in range(200):
            async with writer.writing() as conn:
                await increment(conn)

    await asyncio.gather(*map(write, writers))
    async with store.reading() as conn:
        user = await users.by_id(conn, ANN)
    assert user is not None
    assert user.tier == "800"


async def test_many_tasks_of_one_server_lose_nothing(store: Store) -> None:
    await added(store, "ann")
    async with store.writing() as conn:
        await users.change(conn, ANN, tier="0")

    async def write() -> None:
        async with store.writing() as conn:
            await increment(conn)

    await asyncio.gather(*(write() for _ in range(100)))
    async with store.reading() as conn:
        user = await users.by_id(conn, ANN)
    assert user is not None
    assert user.tier == "100"


async def test_a_cancelled_write_leaves_nothing(store: Store) -> None:
    begun = asyncio.Event()

    async def write() -> None:
        async with store.writing() as conn:
            await add(conn, "ann")
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await added(store, "bob")
    assert await names(store) == ["bob"]


async def test_a_write_cancelled_anywhere_leaves_all_or_nothing(store: Store) -> None:
    """At every step of the loop, statements in flight included. Whoever comes next is not kept waiting."""
    await added(store, "ann")
    written = 0
    for steps in range(60):
        task = asyncio.create_task(_two_rows(store, steps))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(5), store.reading() as conn:
            user = await users.by_id(conn, ANN)
            latest = await changes.latest(conn)
            assert user is not None
            noted = [change.user for change in await changes.since(conn, 0)]
        assert (user.tier == f"tier {steps}") == (f"{steps}" in noted), f"half of it is there after {steps} steps"
        written += f"{steps}" in noted
        assert latest >= written
    await added(store, "bob")
    assert await names(store) == ["ann", "bob"]


async def _two_rows(store: Store, steps: int) -> None:
    async with store.writing() as conn:
        await conn.execute(update(tables.users).where(tables.users.c.id == ANN).values(tier=f"tier {steps}"))
        await changes.note(conn, UserId(f"{steps}"), None, "changed", NOW)


async def test_cancelled_readers_leave_room_for_others(store: Store) -> None:
    await added(store, "ann")
    for steps in range(40):
        tasks = [asyncio.create_task(names(store)) for _ in range(3)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(5):
        assert await asyncio.gather(*(names(store) for _ in range(10))) == [["ann"]] * 10


async def test_a_savepoint_undoes_a_part(store: Store) -> None:
    async with store.writing() as conn:
        await add(conn, "ann")
        with pytest.raises(Wrong):  # noqa: PT012 - a transaction and what goes wrong in it
            async with conn.begin_nested():
                await add(conn, "bob")
                raise Wrong
    assert await names(store) == ["ann"]


async def test_there_is_one_owner(store: Store) -> None:
    async with store.writing() as conn:
        owner = await add(conn, "ann", owner=True)
        await add(conn, "bob")
        await add(conn, "carl")
        assert await users.owner(conn) == owner
    with pytest.raises(DBAPIError):
        async with store.writing() as conn:
            await add(conn, "dora", owner=True)


async def test_a_closed_store_says_so(store: Store, url: str) -> None:
    await store.aclose()
    await store.aclose()
    for closed in (store, Store(url)):
        with pytest.raises(StoreUnavailable, match="is not open"):
            async with closed.reading():
                pass
    await store.open()
    await added(store, "ann")


async def test_what_is_written_reads_the_same(store: Store) -> None:
    """Values come back in the types in which they were given, from an insert as from a select."""
    row = {"user": "\U0001f600 \u00e4", "proof": None, "kind": "ended", "created": 7.0}
    async with store.writing() as conn:
        given = (await conn.execute(insert(tables.changes).values(row).returning(tables.changes))).one()
    async with store.reading() as conn:
        found = (await conn.execute(select(tables.changes))).one()
    assert found == given
    assert found._asdict() == {"number": 1, **row}
    assert [type(value) for value in given] == [int, str, type(None), str, float]


async def test_each_commit_has_another_version(engine: str, store: Store, stores: Stores, url: str) -> None:
    """Where the database has one. Readers, writers that change nothing and those that fail leave it as it is."""
    other = stores(url)
    await other.open()
    before = await store.version()
    if engine == "postgresql":
        assert before is None
        return
    await names(store)
    async with other.writing() as conn:
        assert await users.by_name(conn, "ann") is None
    with pytest.raises(Wrong):  # noqa: PT012 - a transaction and what goes wrong in it
        async with other.writing() as conn:
            await add(conn, "ann")
            raise Wrong
    assert await store.version() == before
    seen = {before}
    for writer, name in ((other, "ann"), (store, "bob"), (other, "cid")):
        await added(writer, name)
        seen.add(await store.version())
    assert len(seen) == 4
    assert None not in seen


async def test_no_version_of_what_cannot_be_read(store: Store, engine: str, tmp_path: Path) -> None:
    """And nothing is made where nothing was."""
    if engine == "sqlite":
        gone = Store(f"sqlite:///{tmp_path / 'gone.db'}")
        assert await gone.version() is None
        await gone.aclose()
        assert not (tmp_path / "gone.db").exists()
    assert await store.version() == await store.version()
