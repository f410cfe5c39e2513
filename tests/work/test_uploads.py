"""Uploads that are cut, go on, and are seen by nobody else."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.work.desk import TOLD, Desk, desk_in, pieces, until
from webterm.access import Role
from webterm.errors import (
    Conflict,
    EditConflict,
    InvalidRequest,
    LimitReached,
    NoSuchUpload,
    NoSuchWorkspace,
    QuotaReached,
    ReadOnly,
    TooBig,
    WrongOffset,
)
from webterm.work.uploads import LASTS, MOST

MIB = 1024 * 1024


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_in(tmp_path) as desk:
        yield desk


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_in(tmp_path, bytes=10 * MIB, entries=5) as desk:
        yield desk


def shelf(desk: Desk) -> list[str]:
    return sorted(path.name for path in (desk.top.parent / "uploads").iterdir())


class Cut(Exception):
    """The connection is gone."""


async def cut_after(data: bytes, count: int, size: int) -> AsyncIterator[bytes]:
    """The first ``count`` bytes in chunks, then the end of the connection."""
    for place in range(0, count, size):
        yield data[place : min(place + size, count)]
    raise Cut


async def test_an_upload_in_one_go(desk: Desk) -> None:
    begun = await desk.uploads.begin(desk.ben, desk.id, b"new/a", size=5, executable=True, modified=1_000_000.5)
    assert (begun.offset, begun.size, begun.entry) == (0, 5, None)
    assert not (desk.top / "new").exists()
    done = await desk.uploads.put(desk.ben, desk.id, begun.id, 0, pieces(b"he", b"llo"))
    assert done.entry is not None
    assert (done.entry.path, done.entry.size, done.entry.executable) == (b"new/a", 5, True)
    assert done.entry.modified == 1_000_000.5
    assert (desk.top / "new/a").read_bytes() == b"hello"
    assert shelf(desk) == []
    with pytest.raises(NoSuchUpload):
        await desk.uploads.put(desk.ben, desk.id, begun.id, 5, pieces())


async def test_whoever_lost_the_last_answer_is_told(desk: Desk) -> None:
    """Also when the connection went while the file was put in its place; nobody else is, and not for ever."""
    begun = await desk.uploads.begin(desk.ben, desk.id, b"a", size=2)
    putting = asyncio.create_task(desk.uploads.put(desk.ben, desk.id, begun.id, 0, pieces(b"12")))
    await until((desk.top / "a").exists)
    putting.cancel()
    await asyncio.gather(putting, return_exceptions=True)
    found = await desk.uploads.get(desk.ben, desk.id, begun.id)
    while found.entry is None:  # it is just being completed
        found = await desk.uploads.get(desk.ben, desk.id, begun.id)
    assert (found.offset, found.entry.path) == (2, b"a")
    with pytest.raises(NoSuchUpload):
        await desk.uploads.get(desk.ann, desk.id, begun.id)
    with pytest.raises(NoSuchUpload):
        await desk.uploads.cancel(desk.ben, desk.id, begun.id)
    for number in range(TOLD):
        other = await desk.uploads.begin(desk.ann, desk.id, b"%d" % number, size=0)
        await desk.uploads.put(desk.ann, desk.id, other.id, 0, pieces())
    with pytest.raises(NoSuchUpload):
        await desk.uploads.get(desk.ben, desk.id, begun.id)


async def test_cut_twenty_times_it_ends_identical(tmp_path: Path) -> None:
    """At random places, in random ways, the server being started anew twice in between."""
    chance = random.Random(20)
    data = chance.randbytes(64 * MIB)
    id, done = "", None  # noqa: A001
    for _ in range(3):
        async with desk_in(tmp_path) as desk:
            if not id:
                id = (await desk.uploads.begin(desk.ann, desk.id, b"a", size=len(data))).id  # noqa: A001
            for _ in range(7):
                offset = (await desk.uploads.get(desk.ann, desk.id, id)).offset
                count = chance.randrange(min(4 * MIB, len(data) - offset))
                source = cut_after(data[offset:], count, chance.choice([1000, 65_536, 3 * MIB]))
                with pytest.raises(Cut):
                    await desk.uploads.put(desk.ann, desk.id, id, offset, source)
                assert (await desk.uploads.get(desk.ann, desk.id, id)).offset == offset + count
    async with desk_in(tmp_path) as desk:
        offset = (await desk.uploads.get(desk.ann, desk.id, id)).offset
        done = await desk.uploads.put(desk.ann, desk.id, id, offset, pieces(data[offset:]))
        assert done.entry is not None
        assert hashlib.sha256((desk.top / "a").read_bytes()).digest() == hashlib.sha256(data).digest()


async def test_views_are_written_before_their_memory_is_used_again(desk: Desk) -> None:
    data = random.Random(4).randbytes(40 * 70_001)

    async def views() -> AsyncIterator[memoryview]:
        memories = [bytearray(70_001), bytearray(70_001)]
        for number in range(40):
            memory = memories[number % 2]
            memory[:] = data[number * 70_001 : (number + 1) * 70_001]
            yield memoryview(memory)

    begun = await desk.uploads.begin(desk.ann, desk.id, b"a", size=len(data))
    await desk.uploads.put(desk.ann, desk.id, begun.id, 0, views())
    await desk.files.write(desk.ann, desk.id, b"b", views(), size=len(data))
    with await desk.files.hold(desk.ann, desk.id) as hold:
        await desk.files.write(desk.ann, desk.id, b"c", views(), hold=hold)
    for name in ("a", "b", "c"):
        assert (desk.top / name).read_bytes() == data


async def test_what_came_before_a_cancellation_is_kept(desk: Desk) -> None:
    waits: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    reached = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"12345"
        reached.set()
        yield await waits

    begun = await desk.uploads.begin(desk.ann, desk.id, b"a", size=10)
    putting = asyncio.create_task(desk.uploads.put(desk.ann, desk.id, begun.id, 0, slow()))
    await reached.wait()
    with pytest.raises(Conflict):
        await desk.uploads.put(desk.ann, desk.id, begun.id, 0, pieces(b"1234567890"))
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert (await desk.uploads.get(desk.ann, desk.id, begun.id)).offset == 5
    done = await desk.uploads.put(desk.ann, desk.id, begun.id, 5, pieces(b"67890"))
    assert done.entry is not None
    assert (desk.top / "a").read_bytes() == b"1234567890"


async def test_offsets_and_lengths_have_to_fit(desk: Desk) -> None:
    begun = await desk.uploads.begin(desk.ann, desk.id, b"a", size=4)
    assert (await desk.uploads.put(desk.ann, desk.id, begun.id, 0, pieces(b"12"))).offset == 2
    for offset in (0, 1, 3, -1, 2**63):
        with pytest.raises(WrongOffset) as caught:
            await desk.uploads.put(desk.ann, desk.id, begun.id, offset, pieces(b"34"))
        assert caught.value.offset == 2
    with pytest.raises(TooBig):
        await desk.uploads.put(desk.ann, desk.id, begun.id, 2, pieces(b"345"))
    assert (await desk.uploads.put(desk.ann, desk.id, begun.id, 2, pieces(b"34"))).entry is not None
    with pytest.raises(InvalidRequest):
        await desk.uploads.begin(desk.ann, desk.id, b"a", size=-1)


async def test_an_empty_file(desk: Desk) -> None:
    begun = await desk.uploads.begin(desk.ann, desk.id, b"a", size=0)
    assert (await desk.uploads.put(desk.ann, desk.id, begun.id, 0, pieces())).entry is not None
    assert (desk.top / "a").read_bytes() == b""


async def test_an_upload_is_its_makers_alone(desk: Desk) -> None:
    begun = await desk.uploads.begin(desk.ben, desk.id, b"a", size=4)
    for name in (begun.id, "x" * 22, "../../../../etc/shadow", ""):
        with pytest.raises(NoSuchUpload):
            await desk.uploads.put(desk.ann, desk.id, name, 0, pieces(b"evil"))
        with pytest.raises(NoSuchUpload):
            await desk.uploads.cancel(desk.ann, desk.id, name)
        with pytest.raises(NoSuchUpload):
            await desk.uploads.get(desk.ann, desk.id, name)
    with pytest.raises(ReadOnly):
        await desk.uploads.begin(desk.cal, desk.id, b"a", size=4)
    with pytest.raises(NoSuchWorkspace):
        await desk.uploads.begin(desk.dan, desk.id, b"a", size=4)
    assert len(shelf(desk)) == 2


async def test_a_given_up_upload_leaves_nothing(small: Desk) -> None:
    begun = await small.uploads.begin(small.ann, small.id, b"a", size=9 * MIB)
    gone = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"12345"
        await small.uploads.cancel(small.ann, small.id, begun.id)
        gone.set()
        yield b"6"

    with pytest.raises(NoSuchUpload):
        await small.uploads.put(small.ann, small.id, begun.id, 0, slow())
    assert gone.is_set()
    assert shelf(small) == []
    await small.files.write(small.ann, small.id, b"a", bytes(9 * MIB))


async def test_room_is_set_aside_from_the_beginning(tmp_path: Path) -> None:
    """Also after a restart; and it is free again when the file is there."""
    async with desk_in(tmp_path, bytes=10 * MIB, entries=5) as small:
        begun = await small.uploads.begin(small.ann, small.id, b"a", size=6 * MIB)
        with pytest.raises(QuotaReached):
            await small.uploads.begin(small.ben, small.id, b"b", size=5 * MIB)
    async with desk_in(tmp_path, bytes=10 * MIB, entries=5) as small:
        with pytest.raises(QuotaReached):
            await small.files.write(small.ann, small.id, b"b", bytes(5 * MIB))
        await small.uploads.put(small.ann, small.id, begun.id, 0, pieces(bytes(6 * MIB)))
        with pytest.raises(QuotaReached):
            await small.files.write(small.ann, small.id, b"b", bytes(5 * MIB))
        await small.files.write(small.ann, small.id, b"b", bytes(4 * MIB))


async def test_there_are_not_too_many(desk: Desk) -> None:
    for number in range(MOST):
        await desk.uploads.begin(desk.ann, desk.id, b"%d" % number, size=1)
    with pytest.raises(LimitReached):
        await desk.uploads.begin(desk.ann, desk.id, b"a", size=1)
    await desk.uploads.begin(desk.ben, desk.id, b"a", size=1)


async def test_what_is_expected_is_looked_at_twice(desk: Desk) -> None:
    first = (await desk.files.write(desk.ann, desk.id, b"a", b"1")).entry
    with pytest.raises(EditConflict):
        await desk.uploads.begin(desk.ann, desk.id, b"a", size=1, expected=None)
    begun = await desk.uploads.begin(desk.ann, desk.id, b"a", size=1, expected=first.tag)
    second = (await desk.files.write(desk.ben, desk.id, b"a", b"2")).entry
    for offset, data in enumerate((pieces(b"3"), pieces())):  # it can be tried again
        with pytest.raises(EditConflict) as caught:
            await desk.uploads.put(desk.ann, desk.id, begun.id, offset, data)
        assert caught.value.current == second.tag
    assert (desk.top / "a").read_bytes() == b"2"
    await desk.uploads.cancel(desk.ann, desk.id, begun.id)
    assert shelf(desk) == []


async def at(desk: Desk, upload: str) -> int:
    return (await desk.uploads.get(desk.ann, desk.id, upload)).offset


@pytest.mark.parametrize("role", [None, Role.READ])
async def test_an_upload_does_not_outlive_the_right(desk: Desk, role: Role | None) -> None:
    begun = await desk.uploads.begin(desk.ben, desk.id, b"a", size=2)

    async def patient() -> AsyncIterator[bytes]:
        yield b"1"
        yield b"2"
        await desk.member(desk.ben, role)

    with pytest.raises(NoSuchWorkspace if role is None else ReadOnly):
        await desk.uploads.put(desk.ben, desk.id, begun.id, 0, patient())
    assert not (desk.top / "a").exists()


async def test_who_has_to_leave_leaves_no_uploads(desk: Desk) -> None:
    await desk.uploads.begin(desk.ben, desk.id, b"a", size=2)
    await desk.member(desk.ben, None)
    await until(lambda: not shelf(desk))


async def test_uploads_expire(tmp_path: Path) -> None:
    later = 0.0
    async with desk_in(tmp_path, clock=lambda: time.time() + later) as desk:
        begun = await desk.uploads.begin(desk.ann, desk.id, b"a", size=2)
        later = LASTS / 2
        assert (await desk.uploads.put(desk.ann, desk.id, begun.id, 0, pieces(b"1"))).expires > begun.expires
        later = 1.4 * LASTS
        await desk.uploads.sweep()
        assert await at(desk, begun.id) == 1
        later = 1.6 * LASTS
        await desk.uploads.sweep()
        with pytest.raises(NoSuchUpload):
            await desk.uploads.get(desk.ann, desk.id, begun.id)
        assert shelf(desk) == []


async def test_one_that_cannot_be_removed_keeps_no_other(tmp_path: Path) -> None:
    later = 0.0
    async with desk_in(tmp_path, clock=lambda: time.time() + later) as desk:
        first, second = [await desk.uploads.begin(desk.ann, desk.id, name, size=2) for name in (b"a", b"b")]
        stuck = desk.top.parent / "uploads" / f"{first.id}.part"
        stuck.unlink()
        stuck.mkdir()
        later = 2 * LASTS
        await desk.uploads.sweep()
        assert shelf(desk) == [stuck.name]
        with pytest.raises(NoSuchUpload):
            await desk.uploads.get(desk.ann, desk.id, second.id)
        stuck.rmdir()
        await desk.uploads.sweep()
        with pytest.raises(NoSuchUpload):
            await desk.uploads.get(desk.ann, desk.id, first.id)


async def test_what_a_killed_server_left_half_done_is_removed(tmp_path: Path) -> None:
    async with desk_in(tmp_path) as desk:
        begun = await desk.uploads.begin(desk.ann, desk.id, b"a", size=2)
        directory = desk.top.parent / "uploads"
        (directory / ("A" * 22 + ".part")).write_bytes(b"begun")
        (directory / ("B" * 22 + ".json")).write_bytes(b"{}")
        (directory / ("C" * 22 + ".json")).write_bytes((directory / f"{begun.id}.json").read_bytes())
        old = directory / ("D" * 22)
        old.with_suffix(".json").write_bytes((directory / f"{begun.id}.json").read_bytes())
        old.with_suffix(".part").write_bytes(b"1")
        os.utime(old.with_suffix(".part"), (1.0, 1.0))
    async with desk_in(tmp_path) as desk:
        assert shelf(desk) == [f"{begun.id}.json", f"{begun.id}.part"]


async def test_a_workspace_that_goes_takes_its_uploads_along(desk: Desk) -> None:
    begun = await desk.uploads.begin(desk.ann, desk.id, b"a", size=2)
    await desk.uploads.put(desk.ann, desk.id, begun.id, 0, pieces(b"1"))
    await desk.told(desk.delete())
    with pytest.raises(NoSuchWorkspace):
        await desk.uploads.get(desk.ann, desk.id, begun.id)
    await desk.restore()
    assert (await desk.uploads.put(desk.ann, desk.id, begun.id, 1, pieces(b"2"))).entry is not None
    assert (desk.top / "a").read_bytes() == b"12"
