"""What happens to terminals is written into the audit log, whatever the database does, and the log's end is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.accounts.conftest import COMMAND, Clock
from tests.store.postgres import Cluster
from webterm.access import Source
from webterm.accounts.audit import AuditTrail, HeadFile
from webterm.events import TerminalClosed, TerminalOpened
from webterm.ids import TerminalId, UserId
from webterm.store import audit
from webterm.store.audit import Entry, Fault, Head
from webterm.store.engine import Store

ANN = Source(user=UserId("id-ann"), name="ann", address="192.0.2.1")
SOON = 0.02  # seconds


def opened(number: int, program: str = "bash") -> TerminalOpened:
    return TerminalOpened(source=ANN, terminal=TerminalId(f"t{number}"), driver="local", program=program)


def closed(number: int) -> TerminalClosed:
    return TerminalClosed(source=ANN, terminal=TerminalId(f"t{number}"), driver="local", program="bash")


@asynccontextmanager
async def keeping(store: Store, directory: Path, clock: Clock, *, most: int = 100) -> AsyncIterator[AuditTrail]:
    trail = AuditTrail(store, directory / "audit.head", clock=clock, interval=SOON, most=most)
    await trail.start()
    try:
        yield trail
    finally:
        await trail.aclose()


async def entries(trail: AuditTrail) -> list[Entry]:
    return (await trail.page(before=None, limit=500))[::-1]


async def until_written(trail: AuditTrail, count: int) -> list[Entry]:
    """The log has nobody to tell, so this has to look."""
    async with asyncio.timeout(30):
        while len(found := await entries(trail)) < count:  # noqa: ASYNC110
            await asyncio.sleep(SOON)
    return found


async def shorten(store: Store, first: int) -> None:
    """What somebody can do who may change the schema."""
    async with store.writing() as conn:
        await conn.execute(sa.text("DROP TRIGGER audit_is_not_shortened"))
        await conn.execute(sa.text(f"DELETE FROM audit WHERE number >= {first}"))


async def test_who_opened_and_closed_what(store: Store, clock: Clock, tmp_path: Path) -> None:
    async with keeping(store, tmp_path, clock) as trail:
        trail.note(opened(1))
        trail.note(opened(2, program=""))
        trail.note(closed(1))
        found = await until_written(trail, 3)
    assert [(e.action, e.target, e.detail, e.user, e.name, e.address) for e in found] == [
        ("terminal.open", "t1", "local bash", "id-ann", "ann", "192.0.2.1"),
        ("terminal.open", "t2", "local", "id-ann", "ann", "192.0.2.1"),
        ("terminal.close", "t1", "local bash", "id-ann", "ann", "192.0.2.1"),
    ]
    assert found[0].at == clock.now


async def test_what_a_program_is_called_forges_nothing(store: Store, clock: Clock, tmp_path: Path) -> None:
    async with keeping(store, tmp_path, clock) as trail:
        trail.note(opened(1, program="\x1b[2J\r\n1\t2026 root" + "x" * 5000))
    (entry,) = await entries(trail)
    assert entry.detail.startswith(r"local \x1b[2J\x0d\x0a1\x092026 root")
    assert len(entry.detail) < 1200


async def test_the_last_entries_are_written_when_the_server_stops(store: Store, clock: Clock, tmp_path: Path) -> None:
    async with keeping(store, tmp_path, clock) as trail:
        for number in range(50):
            trail.note(opened(number))
    await trail.aclose()  # twice is harmless
    assert [entry.target for entry in await entries(trail)] == [f"t{number}" for number in range(50)]


async def test_what_does_not_fit_is_lost_and_that_is_written_down(
    store: Store, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with keeping(store, tmp_path, clock, most=10) as trail:
        for number in range(17):
            trail.note(opened(number))
        found = await until_written(trail, 11)
        trail.note(opened(99))
        found = await until_written(trail, 12)
    assert [entry.target for entry in found] == [*(f"t{number}" for number in range(10)), "", "t99"]
    assert (found[10].action, found[10].name) == ("audit.lost", "webterm")
    assert found[10].detail.startswith("7 entries")
    assert caplog.text.count("are being lost") == 1


@pytest.mark.postgres
async def test_a_database_that_is_away_is_waited_for(
    own_cluster: Cluster, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(own_cluster.url())
    await store.open()
    async with keeping(store, tmp_path, clock) as trail:
        trail.note(opened(1))
        await until_written(trail, 1)
        await asyncio.to_thread(own_cluster.stop)
        try:
            for number in range(2, 5):
                trail.note(opened(number))  # does not wait
            clock.now += 60
            async with asyncio.timeout(30):
                while "wait until the database answers" not in caplog.text:  # noqa: ASYNC110
                    await asyncio.sleep(SOON)
        finally:
            await asyncio.to_thread(own_cluster.start)
        found = await until_written(trail, 4)
        trail.note(opened(5))
        found = await until_written(trail, 5)
        assert (await trail.verify()).fault is None
    assert [entry.target for entry in found] == ["t1", "t2", "t3", "t4", "t5"]
    assert [entry.detail for entry in found] == ["local bash", *["local bash (60 s earlier)"] * 3, "local bash"]
    await store.aclose()


@pytest.mark.postgres
async def test_what_cannot_be_written_at_the_end_is_counted(
    own_cluster: Cluster, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(own_cluster.url())
    await store.open()
    await asyncio.to_thread(own_cluster.stop)
    try:
        async with keeping(store, tmp_path, clock, most=2) as trail:
            for number in range(5):
                trail.note(opened(number))
    finally:
        await asyncio.to_thread(own_cluster.start)
    assert "5 entries about terminals did not reach the audit log" in caplog.text
    await store.aclose()


async def test_the_end_of_the_log_is_remembered(store: Store, clock: Clock, tmp_path: Path) -> None:
    file = HeadFile(tmp_path / "audit.head")
    assert await file.read() is None
    async with keeping(store, tmp_path, clock) as trail:
        trail.note(opened(1))
        trail.note(opened(2))
    async with store.reading() as conn:
        newest = await audit.head(conn)
    assert await file.read() == newest
    assert (newest.number, (tmp_path / "audit.head").stat().st_mode & 0o777) == (2, 0o600)


async def test_a_log_that_was_shortened_is_found_out(
    store: Store, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with keeping(store, tmp_path, clock) as trail:
        for number in range(5):
            trail.note(opened(number))
    await shorten(store, 4)
    assert (await trail.verify()).fault == Fault(4, "the log ends before this row, and once had 5")
    caplog.clear()
    async with keeping(store, tmp_path, clock) as trail:  # the next server goes on, and does not forget
        for number in range(10):
            trail.note(opened(number))
        await until_written(trail, 13)
    assert caplog.text.count("has lost rows") == 1
    fault = (await trail.verify()).fault
    assert fault is not None
    assert fault.number == 5


async def test_a_file_that_cannot_be_understood(store: Store, clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "audit.head").write_bytes(b"{")
    async with keeping(store, tmp_path, clock) as trail:
        trail.note(opened(1))
    assert (await trail.verify()).fault is None
    assert (await HeadFile(tmp_path / "audit.head").read() or Head()).number == 1


async def test_what_somebody_noted_elsewhere_counts_more(store: Store, clock: Clock, tmp_path: Path) -> None:
    async with keeping(store, tmp_path, clock) as trail:
        for number in range(3):
            trail.note(opened(number))
        noted = (await trail.verify()).head
    (tmp_path / "audit.head").unlink()
    async with store.reading() as conn:
        assert await audit.hash_of(conn, 2) is not None
    assert (await trail.verify(noted)).fault is None
    assert (await trail.verify(Head(3, "f" * 64))).fault is not None
    assert (await trail.verify(Head(4, noted.hash))).fault is not None


async def test_a_backup_that_was_put_back_is_written_down(store: Store, clock: Clock, tmp_path: Path) -> None:
    async with keeping(store, tmp_path, clock) as trail:
        for number in range(5):
            trail.note(opened(number))
    before = (await trail.verify()).head
    await shorten(store, 3)
    await trail.restored(COMMAND)
    last = (await entries(trail))[-1]
    assert (last.number, last.action, last.name) == (3, "database.restore", "root")
    assert before.hash in last.detail
    assert (await trail.verify()).fault is None
