"""The audit log: every row vouches for those before it, and what somebody did to it is found."""

from __future__ import annotations

import asyncio
import hashlib
import json
import unicodedata
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from tests.store.people import NOW
from webterm.access import Source
from webterm.ids import UserId
from webterm.store import audit, tables
from webterm.store.audit import GENESIS, Fault, Head
from webterm.store.engine import Connection, Store

ALICE = Source(user=UserId("id-alice"), name="alice", address="192.0.2.1")
COMMAND = Source(user=None, name="root", address="local")
C = tables.audit.c


async def wrote(store: Store, count: int, *, start: int = 0) -> None:
    """So many entries, in transactions of three."""
    for first in range(start, start + count, 3):
        async with store.writing() as conn:
            for number in range(first, min(first + 3, start + count)):
                await audit.append(conn, ALICE, "token.create", f"token-{number}", now=NOW + number, detail="d")


async def verdict(store: Store, known: Head | None = None) -> audit.Verdict:
    async with store.reading() as conn:
        return await audit.verify(conn, known)


async def head(store: Store) -> Head:
    async with store.reading() as conn:
        return await audit.head(conn)


async def without_triggers(conn: Connection) -> None:
    """As somebody can who may change the schema."""
    if conn.dialect.name == "postgresql":
        await conn.execute(sa.text("ALTER TABLE audit DISABLE TRIGGER ALL"))
        return
    for name in ("audit_is_not_changed", "audit_is_not_shortened", "audit_is_not_replaced"):
        await conn.execute(sa.text(f"DROP TRIGGER {name}"))


async def test_rows_follow_each_other(store: Store) -> None:
    assert await head(store) == Head(0, GENESIS)
    assert (await verdict(store)).fault is None
    await wrote(store, 7)
    async with store.reading() as conn:
        newest_first = await audit.page(conn, limit=100)
    entries = newest_first[::-1]
    assert [entry.number for entry in entries] == list(range(1, 8))
    assert [entry.previous for entry in entries] == [GENESIS, *(entry.hash for entry in entries[:-1])]
    first = entries[0]
    assert (first.user, first.name, first.address) == (ALICE.user, "alice", "192.0.2.1")
    assert (first.at, first.action, first.target, first.detail) == (NOW, "token.create", "token-0", "d")
    found = await verdict(store)
    assert (found.head, found.fault, found.clock) == (Head(7, entries[-1].hash), None, ())


async def test_a_hash_can_be_computed_by_anybody(store: Store) -> None:
    """As the documents say: SHA-256 over the hash before and the row as JSON, its keys in order, ASCII, no spaces."""
    async with store.writing() as conn:
        await audit.append(conn, COMMAND, "user.create", "zoë", now=1.5)
    expected = (
        '{"action":"user.create","address":"local","at":1.5,"detail":"","name":"root","number":1,'
        '"target":"zo\\u00eb","user":null}'
    )
    async with store.reading() as conn:
        (entry,) = await audit.page(conn, limit=1)
    assert json.loads(expected)["target"] == "zoë"
    assert entry.hash == hashlib.sha256((GENESIS + expected).encode()).hexdigest()


async def test_an_entry_comes_and_goes_with_its_transaction(store: Store) -> None:
    await wrote(store, 2)
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the transaction is what has to end so
        async with store.writing() as conn:
            await audit.append(conn, ALICE, "user.delete", "x", now=NOW)
            raise ZeroDivisionError
    await wrote(store, 2)
    found = await verdict(store)
    assert (found.head.number, found.fault) == (4, None)


async def test_many_writers_leave_no_hole(store: Store, url: str) -> None:
    """Four stores, as four servers on one database have them."""
    others = [Store(url) for _ in range(3)]
    for other in others:
        await other.open()
    await asyncio.gather(*(wrote(each, 25) for each in (store, *others)))
    for other in others:
        await other.aclose()
    found = await verdict(store)
    assert (found.head.number, found.fault) == (100, None)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET target = 'x' WHERE number = 2",
        "DELETE FROM audit WHERE number = 3",
        "DELETE FROM audit",
        "INSERT INTO audit SELECT number, 0, null, '', '', '', '', '', '', '' FROM audit WHERE number = 2",
    ],
)
async def test_the_database_refuses_all_but_appending(store: Store, statement: str) -> None:
    await wrote(store, 3)
    with pytest.raises(IntegrityError):
        async with store.writing() as conn:
            await conn.execute(sa.text(statement))
    assert (await verdict(store)).fault is None


async def test_the_database_refuses_what_only_it_knows(store: Store, engine: str) -> None:
    await wrote(store, 3)
    values = "VALUES (2, 0, null, '', '', '', '', '', '', '')"
    statements = {"sqlite": f"INSERT OR REPLACE INTO audit {values}", "postgresql": "TRUNCATE audit"}
    with pytest.raises(IntegrityError):
        async with store.writing() as conn:
            await conn.execute(sa.text(statements[engine]))
    assert (await verdict(store)).head.number == 3


def rehashed(row: sa.Row[Any], **changes: object) -> dict[str, object]:
    """A row with other content and the hash that belongs to it."""
    values = {**row._mapping, **changes}
    content = {name: value for name, value in values.items() if name not in {"previous", "hash"}}
    return {**values, "hash": audit.chained(str(values["previous"]), content)}


async def row(conn: Connection, number: int) -> sa.Row[Any]:
    return (await conn.execute(sa.select(tables.audit).where(C.number == number))).one()


async def change_a_field(conn: Connection) -> None:
    await conn.execute(sa.update(tables.audit).where(C.number == 5).values(target="something else"))


async def change_a_field_and_its_hash(conn: Connection) -> None:
    values = rehashed(await row(conn, 5), target="something else")
    await conn.execute(sa.update(tables.audit).where(C.number == 5).values(**values))


async def change_who_it_was(conn: Connection) -> None:
    await conn.execute(sa.update(tables.audit).where(C.number == 5).values(user=None))


async def move_the_clock(conn: Connection) -> None:
    await conn.execute(sa.update(tables.audit).where(C.number == 5).values(at=NOW + 4.5))


async def take_a_row_out(conn: Connection) -> None:
    await conn.execute(sa.delete(tables.audit).where(C.number == 5))


async def take_a_row_out_and_close_the_gap(conn: Connection) -> None:
    await take_a_row_out(conn)
    for number in range(6, 11):
        await conn.execute(sa.update(tables.audit).where(C.number == number).values(number=number - 1))


async def exchange_two_rows(conn: Connection) -> None:
    one, two = await row(conn, 5), await row(conn, 6)
    for old, new in ((5, two), (6, one)):
        await conn.execute(sa.delete(tables.audit).where(C.number == old))
        await conn.execute(sa.insert(tables.audit).values(**{**new._mapping, "number": old}))


async def repeat_a_row(conn: Connection) -> None:
    again = await row(conn, 4)
    await conn.execute(sa.delete(tables.audit).where(C.number == 5))
    await conn.execute(sa.insert(tables.audit).values(**rehashed(again, number=5)))


TAMPERINGS = [
    change_a_field,
    change_a_field_and_its_hash,
    change_who_it_was,
    move_the_clock,
    take_a_row_out,
    take_a_row_out_and_close_the_gap,
    exchange_two_rows,
    repeat_a_row,
]


@pytest.mark.parametrize("tamper", TAMPERINGS)
async def test_the_first_bad_row_is_named(store: Store, tamper: Callable[[Connection], Awaitable[None]]) -> None:
    await wrote(store, 10)
    async with store.writing() as conn:
        await without_triggers(conn)
        await tamper(conn)
    found = await verdict(store)
    assert found.fault is not None
    # A changed row whose hash fits again is found by the next one, which vouches for what it was.
    assert found.fault.number == (6 if tamper is change_a_field_and_its_hash else 5)
    assert found.head.number == found.fault.number - 1


async def test_the_first_row_and_rows_before_it(store: Store) -> None:
    await wrote(store, 4)
    async with store.writing() as conn:
        await without_triggers(conn)
        values = rehashed(await row(conn, 1), number=0)
        await conn.execute(sa.insert(tables.audit).values(**values))
    assert (await verdict(store)).fault == Fault(0, "no row has this number")
    async with store.writing() as conn:
        await conn.execute(sa.delete(tables.audit).where(C.number < 2))
    assert (await verdict(store)).fault == Fault(1, "this row is missing")


async def test_a_lost_end_is_known_by_who_remembers_it(store: Store) -> None:
    await wrote(store, 6)
    known = await head(store)
    await wrote(store, 2, start=6)
    assert (await verdict(store, known)).fault is None
    async with store.writing() as conn:
        await without_triggers(conn)
        await conn.execute(sa.delete(tables.audit).where(C.number >= 5))
    assert (await verdict(store)).fault is None  # the chain alone cannot know
    fault = (await verdict(store, known)).fault
    assert fault is not None
    assert fault.number == 5
    await wrote(store, 4, start=20)  # others have come in their place since
    fault = (await verdict(store, known)).fault
    assert fault is not None
    assert fault.number == 6


async def test_an_emptied_log_is_known_too(store: Store) -> None:
    await wrote(store, 3)
    known = await head(store)
    async with store.writing() as conn:
        await without_triggers(conn)
        await conn.execute(sa.delete(tables.audit))
    fault = (await verdict(store, known)).fault
    assert fault is not None
    assert fault.number == 1


async def test_a_clock_that_went_back_is_told_and_no_fault(store: Store) -> None:
    await wrote(store, 4)
    async with store.writing() as conn:
        await audit.append(conn, ALICE, "a.b", now=NOW - 3600)
        await audit.append(conn, ALICE, "a.b", now=NOW - 3601)  # two servers may differ a little
    await wrote(store, 2, start=4)
    found = await verdict(store)
    assert (found.fault, found.clock) == (None, (5,))


@pytest.mark.parametrize("at", ["'x'", "1e999", "x'00'"])
async def test_values_that_are_none(store: Store, engine: str, at: str) -> None:
    """SQLite keeps whatever it is given."""
    if engine != "sqlite":
        return
    await wrote(store, 3)
    async with store.writing() as conn:
        await without_triggers(conn)
        await conn.execute(sa.text(f"UPDATE audit SET at = {at} WHERE number = 2"))
    assert (await verdict(store)).fault == Fault(2, "this row has been changed")


async def test_pages_are_followed_to_the_end(store: Store) -> None:
    """More than one page of the checker's own."""
    async with store.writing() as conn:
        for number in range(1203):
            await audit.append(conn, ALICE, "a.b", str(number), now=NOW)
    assert (await verdict(store)).head.number == 1203
    async with store.writing() as conn:
        await without_triggers(conn)
        await conn.execute(sa.update(tables.audit).where(C.number == 1001).values(target="x"))
    fault = (await verdict(store)).fault
    assert fault is not None
    assert fault.number == 1001


async def test_looking_into_it(store: Store) -> None:
    async with store.writing() as conn:
        for number in range(1, 11):
            source = ALICE if number % 2 else COMMAND
            await audit.append(conn, source, "user.create" if number < 6 else "userx.create", f"{number}", now=NOW)

    async def numbers(*, before: int | None = None, limit: int = 100, action: str = "", user: str = "") -> list[int]:
        async with store.reading() as conn:
            found = await audit.page(conn, before=before, limit=limit, action=action, user=user)
        return [entry.number for entry in found]

    assert await numbers(limit=3) == [10, 9, 8]
    assert await numbers(limit=3, before=8) == [7, 6, 5]
    assert await numbers(before=1) == []
    assert await numbers(action="user.") == [5, 4, 3, 2, 1]
    assert await numbers(action="user.create", user="id-alice") == [5, 3, 1]
    assert await numbers(user="root", before=5) == [4, 2]
    assert await numbers(user="RO", action="User.") == [4, 2]
    assert await numbers(user="id-") == []
    assert await numbers(action="user%") == []
    assert await numbers(action="user_") == []


async def test_a_forged_line_stays_one_line(store: Store) -> None:
    """Names come from strangers: what could end a line, move a cursor, turn text round or hide can be seen."""
    name = "eve\r\n2026-11-21 admin user.delete\x1b[2K\x9b1A\u202egnp.exe\u200b\u2028\ufeff\ud800\x00\\x41"
    async with store.writing() as conn:
        await audit.append(conn, Source(user=None, name=name, address="192.0.2.1\n"), "login.failed", "<b>", now=NOW)
    async with store.reading() as conn:
        (entry,) = await audit.page(conn, limit=1)
    assert entry.name == (
        r"eve\x0d\x0a2026-11-21 admin user.delete\x1b[2K\x9b1A\u202egnp.exe\u200b\u2028\ufeff\ud800\x00\\x41"
    )
    assert entry.address == r"192.0.2.1\x0a"
    assert entry.target == "<b>"  # text is text; whoever makes HTML of it has to quote it
    assert (await verdict(store)).fault is None


async def test_long_texts_are_cut(store: Store) -> None:
    async with store.writing() as conn:
        source = Source(user=UserId("u" * 10_000), name="\n" * 1_000_000, address="a" * 1000)
        await audit.append(conn, source, "a" * 1000, "t" * 1000, now=NOW, detail="ä" * 1_000_000)
    async with store.reading() as conn:
        (entry,) = await audit.page(conn, limit=1)
    assert entry.name == "\\x0a" * 128 + "…"
    assert entry.detail == "ä" * 1024 + "…"
    assert max(len(text) for text in (str(entry.user), entry.address, entry.action, entry.target)) <= 257
    assert (await verdict(store)).fault is None


@given(st.text())
def test_no_text_can_pass_for_another_or_hide(text: str) -> None:
    shown = audit.visible(text, 10_000)
    assert all(unicodedata.category(character)[0] not in "C" for character in shown)
    assert not set(shown) & {"\u2028", "\u2029"}
    escaped = shown.encode("ascii", "backslashreplace")
    assert escaped.decode("unicode_escape").encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")
