"""Directories that are watched: what is told, to whom, how soon, and when it ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.work.desk import PATIENCE, Desk, desk_in, pieces
from webterm.access import Role
from webterm.errors import NoSuchFile, NoSuchWorkspace, NotADirectory, OutsideWorkspace, TooManyWatches
from webterm.work.watches import FilesChanged, Watch

SOON = 0.3
"""Seconds within which an editor has to hear of a change."""


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_in(tmp_path, most_watches=5, look=0.5) as desk:
        yield desk


class Ear:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[FilesChanged] = []
        self._new = asyncio.Event()

    def __call__(self, told: FilesChanged) -> None:
        self.heard.append(told)
        self._new.set()

    async def until(self, *wanted: tuple[bytes, str]) -> None:
        """Wait until all of these changes were told."""
        async with asyncio.timeout(PATIENCE):
            while not set(wanted) <= set(self.changes):
                await self.next()

    async def until_ended(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while not any(told.ended for told in self.heard):
                await self.next()

    async def until_refresh(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while not any(told.refresh for told in self.heard):
                await self.next()

    @property
    def changes(self) -> list[tuple[bytes, str]]:
        return [(change.name, change.kind) for told in self.heard for change in told.changes]

    async def next(self) -> None:
        self._new.clear()
        await self._new.wait()


async def run(desk: Desk, script: str) -> None:
    """What a shell in the workspace does."""
    done = await asyncio.create_subprocess_exec("sh", "-c", script, cwd=desk.top)
    assert await done.wait() == 0


async def test_what_a_shell_does_is_told(desk: Desk) -> None:
    await run(desk, "mkdir d; echo 1 > d/old; echo 1 > d/other; echo 1 > d/gone")
    ear = Ear()
    watch = await desk.watches.watch(desk.cal, desk.id, b"d", ear)
    assert (watch.entry.path, watch.entry.kind) == (b"d", "directory")
    await run(desk, "cd d; echo 2 >> old; echo 1 > new; rm gone; mv other elsewhere; mkdir below; echo 1 > below/x")
    await ear.until(
        (b"old", "changed"),
        (b"new", "created"),
        (b"gone", "removed"),
        (b"other", "moved"),
        (b"elsewhere", "created"),
        (b"below", "created"),
    )
    assert all((told.workspace, told.watch, told.path) == (desk.id, watch.id, b"d") for told in ear.heard)
    assert b"x" not in [name for name, _ in ear.changes]
    await run(desk, "chmod +x d/old")
    await ear.until((b"old", "changed"))


async def test_names_that_are_no_text_are_told(desk: Desk) -> None:
    ear = Ear()
    await desk.watches.watch(desk.ann, desk.id, b"", ear)
    await asyncio.to_thread(Path(os.fsdecode(os.fsencode(desk.top) + b"/\xff\n")).touch)
    await ear.until((b"\xff\n", "created"))


async def test_what_the_api_does_is_told_without_its_temporary_files(desk: Desk) -> None:
    ear = Ear()
    await desk.watches.watch(desk.ann, desk.id, b"", ear)
    await desk.files.write(desk.ben, desk.id, b"a", b"1")
    await ear.until((b"a", "created"))
    await desk.files.write(desk.ben, desk.id, b"a", pieces(b"2", b"3"))
    await desk.files.copy(desk.ben, desk.id, b"a", b"b")
    await ear.until((b"b", "created"))
    begun = await desk.uploads.begin(desk.ben, desk.id, b"c", size=1)
    await desk.uploads.put(desk.ben, desk.id, begun.id, 0, pieces(b"1"))
    await ear.until((b"c", "created"))
    assert {name for name, _ in ear.changes} == {b"a", b"b", b"c"}


async def test_a_save_is_heard_of_soon(desk: Desk) -> None:
    """The middle one of several: a machine may be busy now and then, but not always."""
    ear = Ear()
    await desk.watches.watch(desk.ann, desk.id, b"", ear)
    times = []
    for number in range(15):
        name = b"%d" % number
        begun = time.monotonic()
        await asyncio.to_thread((desk.top / os.fsdecode(name)).write_bytes, b"1")
        await ear.until((name, "created"))
        times.append(time.monotonic() - begun)
    assert sorted(times)[7] < SOON


async def test_what_came_and_went_is_not_told(desk: Desk) -> None:
    ear = Ear()
    await desk.watches.watch(desk.ann, desk.id, b"", ear)
    await run(desk, "touch a; rm a; touch b; mv b c; touch z")
    await ear.until((b"z", "created"))
    assert {name for name, _ in ear.changes} <= {b"c", b"z", b"a", b"b"}
    if len(ear.heard) == 1:  # a very slow machine may tell it in two parts
        assert set(ear.changes) == {(b"c", "created"), (b"z", "created")}


async def test_a_flood_becomes_one_refresh(desk: Desk) -> None:
    """Ten thousand files, made while the server does nothing else, so that it finds them all at once."""
    (desk.top.parent / "file").touch()
    ear, other = Ear(), Ear()
    (desk.top / "d").mkdir()
    await desk.watches.watch(desk.ann, desk.id, b"", ear)
    await desk.watches.watch(desk.ann, desk.id, b"d", other)
    for number in range(10_000):
        (desk.top / str(number)).hardlink_to(desk.top.parent / "file")  # which is the cheapest
    await ear.until_refresh()
    await run(desk, "touch d/last; touch last")
    await ear.until((b"last", "created"))
    await other.until((b"last", "created"))
    assert len([told for told in ear.heard if told.refresh]) == 1
    assert {name for name, _ in ear.changes} == {b"last"}
    assert not any(told.refresh for told in other.heard)


async def test_more_than_the_system_remembers_is_a_refresh_for_all(desk: Desk) -> None:
    limit = int(await asyncio.to_thread(Path("/proc/sys/fs/inotify/max_queued_events").read_text))
    ear, other = Ear(), Ear()
    (desk.top / "d").mkdir()
    await desk.watches.watch(desk.ann, desk.id, b"", ear)
    await desk.watches.watch(desk.ann, desk.id, b"d", other)
    for number in range(limit // 2 + 1):
        os.mkfifo(desk.top / str(number))
        (desk.top / str(number)).rename(desk.top / "it")
    (desk.top / "d/lost").touch()
    await ear.until_refresh()
    await other.until_refresh()
    await run(desk, "touch d/last; touch last")
    await ear.until((b"last", "created"))
    await other.until((b"last", "created"))


async def test_many_look_at_a_directory_that_is_watched_once(desk: Desk) -> None:
    (desk.top / "d").mkdir()
    (desk.top / "link").symlink_to("d")
    ears = [Ear() for _ in range(4)]
    watches = [
        await desk.watches.watch(who, desk.id, path, ear)
        for who, path, ear in zip(
            (desk.ann, desk.ann, desk.ben, desk.cal), (b"d", b"link", b"d", b"d"), ears, strict=True
        )
    ]
    assert desk.watches.directories == 1
    watches[0].close()
    watches[0].close()
    await run(desk, "touch d/a")
    for ear in ears[1:]:
        await ear.until((b"a", "created"))
    assert not ears[0].heard
    for watch in watches:
        watch.close()
    assert desk.watches.directories == 0


async def test_everybody_has_so_many(desk: Desk) -> None:
    watches: list[Watch] = []
    for number in range(5):
        (desk.top / str(number)).mkdir()
        watches.append(await desk.watches.watch(desk.ann, desk.id, b"%d" % number, Ear()))
    with pytest.raises(TooManyWatches):
        await desk.watches.watch(desk.ann, desk.id, b"", Ear())
    await desk.watches.watch(desk.ben, desk.id, b"", Ear())
    watches[2].close()
    with pytest.raises(NoSuchFile):
        await desk.watches.watch(desk.ann, desk.id, b"nothing", Ear())
    await desk.watches.watch(desk.ann, desk.id, b"", Ear())


async def test_what_cannot_be_watched(desk: Desk) -> None:
    (desk.top / "a").touch()
    (desk.top / "out").symlink_to("/etc")
    for path, error in ((b"a", NotADirectory), (b"out", OutsideWorkspace), (b"../..", OutsideWorkspace)):
        with pytest.raises(error):
            await desk.watches.watch(desk.ann, desk.id, path, Ear())
    with pytest.raises(NoSuchWorkspace):
        await desk.watches.watch(desk.dan, desk.id, b"", Ear())
    assert desk.watches.directories == 0


@pytest.mark.parametrize(
    "script",
    [
        "rmdir d/e",
        "mv d/e f",
        "mv d f",
        "rm -r d",
        "mv d/e f; mkdir d/e",
    ],
)
async def test_a_directory_that_goes_ends_the_watch(desk: Desk, script: str) -> None:
    """Also where it moves with one above it, which the system does not tell."""
    await run(desk, "mkdir -p d/e")
    ear = Ear()
    await desk.watches.watch(desk.ann, desk.id, b"d/e", ear)
    await run(desk, script)
    await ear.until_ended()
    assert ear.heard[-1].ended
    assert desk.watches.directories == 0


async def test_a_directory_that_a_program_is_in_ends_the_watch_too(desk: Desk) -> None:
    """The system says nothing about it: the program keeps the directory in being."""
    await run(desk, "mkdir d")
    ear = Ear()
    await desk.watches.watch(desk.ann, desk.id, b"d", ear)
    program = await asyncio.create_subprocess_exec("cat", cwd=desk.top / "d", stdin=subprocess.PIPE)
    try:
        await run(desk, "rmdir d")
        await ear.until_ended()
    finally:
        program.kill()
        await program.wait()


async def test_a_parent_that_is_watched_tells_at_once(tmp_path: Path) -> None:
    async with desk_in(tmp_path, look=3600) as desk:
        await run(desk, "mkdir -p d/e")
        ear = Ear()
        await desk.watches.watch(desk.ann, desk.id, b"d/e", ear)
        await desk.watches.watch(desk.ben, desk.id, b"", Ear())
        await run(desk, "mv d f")
        await ear.until_ended()


async def test_watches_end_with_the_right(desk: Desk) -> None:
    ears = [Ear() for _ in range(3)]
    for who, ear in zip((desk.ann, desk.ben, desk.cal), ears, strict=True):
        await desk.watches.watch(who, desk.id, b"", ear)
    await desk.member(desk.ben, Role.READ)
    await desk.member(desk.cal, None)
    await ears[2].until_ended()
    await run(desk, "touch a")
    await ears[0].until((b"a", "created"))
    await ears[1].until((b"a", "created"))
    assert ears[2].changes == []
    await desk.delete()
    for ear in ears[:2]:
        await ear.until_ended()
    assert desk.watches.directories == 0


async def test_a_cancelled_watch_leaves_nothing(desk: Desk) -> None:
    for _ in range(20):
        watching = asyncio.create_task(desk.watches.watch(desk.ann, desk.id, b"", Ear()))
        await asyncio.sleep(0)
        watching.cancel()
        await asyncio.wait([watching])
        if not watching.cancelled():
            (await watching).close()
    assert desk.watches.directories == 0
    for _ in range(5):
        await desk.watches.watch(desk.ann, desk.id, b"", Ear())
