"""Changes of rights: numbers in the order of the commits, for all who share the database."""

from __future__ import annotations

import asyncio

from tests.store.conftest import Stores
from tests.store.people import NOW
from webterm.ids import LoginId, UserId
from webterm.store import changes
from webterm.store.changes import Change
from webterm.store.engine import Store

ANN = UserId("ann")


async def test_changes_are_read_once_in_order(store: Store) -> None:
    async with store.writing() as conn:
        assert await changes.latest(conn) == 0
        await changes.note(conn, ANN, LoginId("a"), "ended", NOW)
        await changes.note(conn, ANN, None, "changed", NOW + 1)
    async with store.reading() as conn:
        assert await changes.since(conn, 0) == [
            Change(number=1, user=ANN, proof=LoginId("a"), kind="ended"),
            Change(number=2, user=ANN, proof=None, kind="changed"),
        ]
        assert [change.number for change in await changes.since(conn, 1)] == [2]
        assert await changes.latest(conn) == 2


async def test_forgetting_changes_never_gives_a_number_again(store: Store) -> None:
    async with store.writing() as conn:
        for at in range(3):
            await changes.note(conn, ANN, None, "ended", NOW + at)
        await changes.prune(conn, NOW + 1)
        assert [change.number for change in await changes.since(conn, 0)] == [2, 3]
        await changes.prune(conn, NOW + 100)
        assert await changes.latest(conn) == 3
        await changes.note(conn, ANN, None, "ended", NOW)
        assert await changes.latest(conn) == 4


async def test_a_number_is_never_seen_before_a_lower_one(store: Store, stores: Stores, url: str) -> None:
    """Otherwise whoever reads on from the highest number would miss a change."""
    other = stores(url)
    await other.open()
    noted = asyncio.Event()

    async def first() -> None:
        async with store.writing() as conn:
            await changes.note(conn, UserId("first"), None, "ended", NOW)
            noted.set()
            # A second writer is waiting now, or will be; nothing of this one can be seen yet.
            async with other.reading() as reader:
                assert await changes.latest(reader) == 0

    async def second() -> None:
        await noted.wait()
        async with other.writing() as conn:
            await changes.note(conn, UserId("second"), None, "ended", NOW)

    await asyncio.gather(first(), second())
    async with store.reading() as conn:
        assert [change.user for change in await changes.since(conn, 0)] == ["first", "second"]


async def test_many_writers_number_their_changes_in_the_order_of_their_commits(
    store: Store, stores: Stores, url: str
) -> None:
    writers = [stores(url) for _ in range(3)]
    for each in writers:
        await each.open()
    read: list[int] = []

    async def write(writer: Store) -> None:
        for _ in range(15):
            async with writer.writing() as conn:
                await changes.note(conn, ANN, None, "ended", NOW)

    async def read_on() -> None:
        while len(read) < 45:
            async with store.reading() as conn:
                read.extend(change.number for change in await changes.since(conn, read[-1] if read else 0))

    await asyncio.gather(read_on(), *map(write, writers))
    assert read == list(range(1, 46))
