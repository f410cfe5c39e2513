"""What people do with files: who may, how much fits, and what is left when something goes wrong."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.work.desk import PATIENCE, Desk, desk_in, gathered, pieces, until
from webterm.access import Role
from webterm.errors import (
    AlreadyExists,
    EditConflict,
    InvalidRequest,
    NoSuchFile,
    NoSuchWorkspace,
    NotADirectory,
    NotAFile,
    QuotaReached,
    ReadOnly,
    TooBig,
    WebtermError,
)
from webterm.files.entries import ANY
from webterm.work.files import Opened, Search

MIB = 1024 * 1024


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_in(tmp_path) as desk:
        yield desk


async def endless(chunk: bytes, begun: asyncio.Event | None = None) -> AsyncIterator[bytes]:
    while True:
        yield chunk
        await asyncio.sleep(0)
        if begun is not None:
            begun.set()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def names(desk: Desk) -> set[str]:
    return {path.relative_to(desk.top).as_posix() for path in desk.top.rglob("*")}


async def test_a_file_is_written_and_read(desk: Desk) -> None:
    written = await desk.files.write(desk.ann, desk.id, b"notes/a.txt", b"hello", parents=True)
    assert written.created
    assert written.entry.path == b"notes/a.txt"
    assert (desk.top / "notes/a.txt").read_bytes() == b"hello"
    entry, data = await desk.files.read(desk.ben, desk.id, b"notes/a.txt")
    assert (entry, data) == (written.entry, b"hello")
    assert (await desk.files.read(desk.cal, desk.id, b"notes/a.txt", offset=1, length=3))[1] == b"ell"
    assert (await desk.files.stat(desk.cal, desk.id, b"notes")).kind == "directory"
    listing = await desk.files.listing(desk.cal, desk.id, depth=2)
    assert [entry.path for entry in listing.items] == [b"notes", b"notes/a.txt"]


async def test_names_need_not_be_utf_8(desk: Desk) -> None:
    path = b"\xff\xfe \n<b>"
    await desk.files.write(desk.ann, desk.id, path, b"1")
    assert [os.fsencode(found.name) for found in desk.top.iterdir()] == [path]
    assert [match.path for match in (await desk.files.search(desk.ann, desk.id, Search(text="<B>"))).items] == [path]


async def test_who_may_what(desk: Desk) -> None:
    files = desk.files
    await files.write(desk.ben, desk.id, b"a", b"1")
    for call in (
        lambda who: files.write(who, desk.id, b"a", b"2"),
        lambda who: files.make_directory(who, desk.id, b"d"),
        lambda who: files.move(who, desk.id, b"a", b"b"),
        lambda who: files.copy(who, desk.id, b"a", b"b"),
        lambda who: files.remove(who, desk.id, b"a"),
        lambda who: files.set_executable(who, desk.id, b"a", True),
    ):
        with pytest.raises(ReadOnly):
            await call(desk.cal)
        with pytest.raises(NoSuchWorkspace):
            await call(desk.dan)
    for look in (
        lambda: files.stat(desk.dan, desk.id, b"a"),
        lambda: files.listing(desk.dan, desk.id),
        lambda: files.read(desk.dan, desk.id, b"a"),
        lambda: files.open(desk.dan, desk.id, b"a"),
        lambda: files.archive(desk.dan, desk.id),
        lambda: files.search(desk.dan, desk.id, Search(text="a")),
        lambda: files.standing(desk.dan, desk.id),
    ):
        with pytest.raises(NoSuchWorkspace):
            await look()
    assert names(desk) == {"a"}


async def test_files_are_moved_copied_and_removed(desk: Desk) -> None:
    files, ann, here = desk.files, desk.ann, desk.id
    await files.make_directory(ann, here, b"d/e", parents=True)
    await files.write(ann, here, b"d/e/a", b"1")
    assert (await files.copy(ann, here, b"d", b"f")).path == b"f"
    assert (await files.move(ann, here, b"f/e/a", b"b")).path == b"b"
    with pytest.raises(AlreadyExists):
        await files.move(ann, here, b"d/e/a", b"b")
    assert (await files.set_executable(ann, here, b"b", True)).executable
    await files.remove(ann, here, b"d", recursive=True)
    assert names(desk) == {"f", "f/e", "b"}


async def test_a_stream_is_written_whole_or_not_at_all(desk: Desk) -> None:
    data = os.urandom(5 * MIB + 17)
    chunks = [data[place : place + 100_000] for place in range(0, len(data), 100_000)]
    written = await desk.files.write(desk.ann, desk.id, b"a", pieces(*chunks), size=len(data))
    assert written.entry.size == len(data)
    assert (desk.top / "a").read_bytes() == data

    async def cut() -> AsyncIterator[bytes]:
        yield bytes(3 * MIB)
        raise ConnectionResetError

    for size in (None, 9 * MIB):
        with pytest.raises(ConnectionResetError):
            await desk.files.write(desk.ann, desk.id, b"a", cut(), size=size)
    with pytest.raises(InvalidRequest):
        await desk.files.write(desk.ann, desk.id, b"a", pieces(b"12"), size=3)
    with pytest.raises(TooBig):
        await desk.files.write(desk.ann, desk.id, b"a", pieces(b"12", b"34"), size=3)
    assert names(desk) == {"a"}
    assert (desk.top / "a").read_bytes() == data


async def test_cancelled_writing_leaves_nothing(desk: Desk) -> None:
    begun = asyncio.Event()
    writing = asyncio.create_task(desk.files.write(desk.ann, desk.id, b"a/b", endless(bytes(MIB), begun), parents=True))
    await begun.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert names(desk) == set()
    assert (await desk.files.standing(desk.ann, desk.id)).bytes == 0


async def test_two_who_edit_the_same_file(desk: Desk) -> None:
    first = (await desk.files.write(desk.ann, desk.id, b"a", b"1", expected=None)).entry
    second = await desk.files.write(desk.ben, desk.id, b"a", pieces(b"22"), expected=first.tag)
    assert not second.created
    with pytest.raises(EditConflict) as caught:
        await desk.files.write(desk.ann, desk.id, b"a", b"mine", expected=first.tag)
    assert (caught.value.current, caught.value.expected) == (second.entry.tag, first.tag)
    assert (desk.top / "a").read_bytes() == b"22"


async def test_a_change_while_bytes_come_is_not_overwritten(desk: Desk) -> None:
    first = (await desk.files.write(desk.ann, desk.id, b"a", b"1")).entry

    async def slow() -> AsyncIterator[bytes]:
        yield b"mine"
        await asyncio.to_thread((desk.top / "a").write_bytes, b"of the shell")

    with pytest.raises(EditConflict):
        await desk.files.write(desk.ann, desk.id, b"a", slow(), expected=first.tag)
    assert (desk.top / "a").read_bytes() == b"of the shell"


@pytest.mark.parametrize("role", [None, Role.READ])
async def test_a_body_does_not_outlive_the_right(desk: Desk, role: Role | None) -> None:
    """Whoever lets the last byte wait until the right has ended gets nothing written."""

    async def patient() -> AsyncIterator[bytes]:
        yield b"1"
        await desk.member(desk.ben, role)

    with pytest.raises(NoSuchWorkspace if role is None else ReadOnly):
        await desk.files.write(desk.ben, desk.id, b"a", patient())
    assert names(desk) == set()


async def test_a_write_ends_when_the_right_does(desk: Desk) -> None:
    begun = asyncio.Event()
    writing = asyncio.create_task(desk.files.write(desk.ben, desk.id, b"a", endless(b"1", begun)))
    await begun.wait()
    await desk.member(desk.ben, None)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(NoSuchWorkspace):
            await writing


@pytest.mark.parametrize("how", ["file", "archive"])
async def test_reading_ends_when_the_right_does(desk: Desk, how: str) -> None:
    (desk.top / "a").write_bytes(os.urandom(8 * MIB))
    files = desk.files
    reading = await (files.open(desk.cal, desk.id, b"a") if how == "file" else files.archive(desk.cal, desk.id))
    async with reading:
        chunks = aiter(reading.chunks() if isinstance(reading, Opened) else reading)
        assert await anext(chunks)
        await desk.told(desk.member(desk.cal, None))
        with pytest.raises(NoSuchWorkspace):
            await gathered(chunks)


async def test_a_file_is_read_in_pieces(desk: Desk) -> None:
    data = os.urandom(3 * MIB + 5)
    (desk.top / "a").write_bytes(data)
    async with await desk.files.open(desk.cal, desk.id, b"a") as opened:
        (desk.top / "a").unlink()
        assert opened.entry.size == len(data)
        assert await gathered(opened.chunks()) == data
        assert await gathered(opened.chunks(7, MIB)) == data[7 : 7 + MIB]
        assert await gathered(opened.chunks(len(data) - 2)) == data[-2:]
        assert await gathered(opened.chunks(len(data) + 10)) == b""


async def test_a_file_that_shrinks_ends_early(desk: Desk) -> None:
    (desk.top / "a").write_bytes(bytes(4 * MIB))
    async with await desk.files.open(desk.ann, desk.id, b"a") as opened:
        os.truncate(desk.top / "a", 10)
        assert await gathered(opened.chunks()) == bytes(10)


async def test_leaving_in_the_middle_closes_everything(desk: Desk) -> None:
    (desk.top / "d").mkdir()
    (desk.top / "d/a").write_bytes(os.urandom(8 * MIB))
    before = descriptors()
    async with await desk.files.open(desk.ann, desk.id, b"d/a") as opened:
        await anext(opened.chunks())
    async with await desk.files.archive(desk.ann, desk.id, b"d") as archive:
        assert archive.name == b"d"
        await anext(aiter(archive))
    with pytest.raises(NotADirectory):
        await desk.files.archive(desk.ann, desk.id, b"d/a")
    with pytest.raises(NotAFile):
        await desk.files.open(desk.ann, desk.id, b"d")
    with pytest.raises(NoSuchFile):
        await desk.files.open(desk.ann, desk.id, b"nothing")
    assert descriptors() == before


async def test_a_cancelled_copy_leaves_nothing(desk: Desk) -> None:
    (desk.top / "a").mkdir()
    for number in range(600):
        (desk.top / "a" / str(number)).write_bytes(b"1")
    copying = asyncio.create_task(desk.files.copy(desk.ann, desk.id, b"a", b"b"))
    await until(lambda: len(list(desk.top.iterdir())) > 1)
    copying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copying
    assert [path.name for path in desk.top.iterdir()] == ["a"]


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_in(tmp_path, bytes=10 * MIB, entries=5) as desk:
        yield desk


async def test_a_full_workspace_takes_nothing_more(small: Desk) -> None:
    files, ann, here = small.files, small.ann, small.id
    await files.write(ann, here, b"a", bytes(8 * MIB))
    with pytest.raises(QuotaReached):
        await files.write(ann, here, b"b", bytes(3 * MIB))
    with pytest.raises(QuotaReached):
        await files.write(ann, here, b"b", endless(bytes(100_000)))
    with pytest.raises(QuotaReached):
        await files.copy(ann, here, b"a", b"b")
    assert names(small) == {"a"}
    await files.write(ann, here, b"a", bytes(9 * MIB))  # in its place there is room
    standing = await files.standing(ann, here)
    assert (standing.bytes, standing.entries, standing.most_bytes, standing.most_entries) == (
        9 * MIB,
        1,
        10 * MIB,
        5,
    )


async def test_entries_are_counted_too(small: Desk) -> None:
    files, ann, here = small.files, small.ann, small.id
    await files.write(ann, here, b"a/b/c", b"1", parents=True)
    await files.make_directory(ann, here, b"d")
    await files.write(ann, here, b"e", b"1")
    for refused in (
        files.write(ann, here, b"f", b"1"),
        files.make_directory(ann, here, b"f"),
        files.copy(ann, here, b"e", b"f"),
    ):
        with pytest.raises(QuotaReached):
            await refused
    assert (await files.standing(ann, here)).entries == 5


async def test_several_who_write_at_a_time_cannot_pass_the_quota_together(small: Desk) -> None:
    names_of = [b"%d" % number for number in range(4)]
    for each in names_of:
        await small.files.write(small.ann, small.id, each, b"")
    outcomes = await asyncio.gather(
        *(small.files.write(small.ben, small.id, each, pieces(*[bytes(MIB)] * 3), size=3 * MIB) for each in names_of),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, QuotaReached) for outcome in outcomes) == 1
    assert sum(path.stat().st_size for path in small.top.iterdir()) == 9 * MIB


async def test_what_programs_write_is_counted_at_the_next_look(small: Desk) -> None:
    await small.files.write(small.ann, small.id, b"a", b"1")
    (small.top / "b").write_bytes(os.urandom(12 * MIB))
    async with asyncio.timeout(PATIENCE):
        while True:
            if (await small.files.standing(small.ann, small.id)).bytes > 10 * MIB:
                break
            await asyncio.sleep(0.1)
    with pytest.raises(QuotaReached):
        await small.files.write(small.ann, small.id, b"c", b"1")
    await small.files.remove(small.ann, small.id, b"b")
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await small.files.write(small.ann, small.id, b"c", b"1")
                break
            except QuotaReached:
                await asyncio.sleep(0.1)


async def test_holes_give_no_room(small: Desk) -> None:
    """A file that says it is large and takes nothing makes no room when it is replaced."""
    (small.top / "a").touch()
    os.truncate(small.top / "a", 100 * MIB)
    with pytest.raises(QuotaReached):
        await small.files.write(small.ann, small.id, b"a", bytes(11 * MIB))


async def test_nothing_comes_of_an_upload_that_stalls(desk: Desk) -> None:
    """Cancelled while it waits for bytes: the thread pool is not held up."""
    never: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def stalling() -> AsyncIterator[bytes]:
        yield b"1"
        await never

    waiting = [asyncio.create_task(desk.files.write(desk.ann, desk.id, b"%d" % n, stalling())) for n in range(20)]
    entry = (await desk.files.write(desk.ann, desk.id, b"a", b"1")).entry
    assert entry.size == 1
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    assert names(desk) == {"a"}


async def test_errors_say_what_is_wrong(desk: Desk) -> None:
    (desk.top / "d").mkdir()
    for path in (b"../a", b"/etc/passwd", b"a/../../b", b"d\0", b"x" * 300, b"d//e"):
        with pytest.raises(WebtermError):
            await desk.files.write(desk.ann, desk.id, path, b"1", expected=ANY, parents=True)
    with pytest.raises(NotAFile):
        await desk.files.write(desk.ann, desk.id, b"d", b"1")
    assert names(desk) == {"d"}


async def test_digest_of_what_goes_up_and_down(desk: Desk) -> None:
    """64 MiB up and down; memory stays as it was."""
    block = os.urandom(MIB)
    digest = hashlib.sha256()

    async def blocks() -> AsyncIterator[bytes]:
        for number in range(64):
            data = number.to_bytes(8) + block[8:]
            digest.update(data)
            yield data

    await desk.files.write(desk.ann, desk.id, b"a", blocks(), size=64 * MIB)
    back = hashlib.sha256()
    async with await desk.files.open(desk.ann, desk.id, b"a") as opened:
        async for chunk in opened.chunks():
            back.update(chunk)
    assert back.digest() == digest.digest()
