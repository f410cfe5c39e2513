"""A folder of many small files: nobody else waits for it."""

from __future__ import annotations

import asyncio
import io
import time
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.work.desk import desk_in, gathered, pieces
from webterm.work.files import Search

COUNT = 2000
LONGEST = 0.05
"""Seconds of processor time that the loop may be busy before others get their turn."""


class Turns:
    """How long the loop was busy at most between two turns of a task."""

    def __init__(self) -> None:
        self.longest = 0.0


@asynccontextmanager
async def watched_loop() -> AsyncIterator[Turns]:
    """Time in which other programs had the processor is not the loop's, so it is not counted.

    Nor is it counted when the loop waits for the system: that it never does so is seen to for all tests.
    """
    turns = Turns()

    async def take_turns() -> None:
        while True:
            begun = time.thread_time()
            await asyncio.sleep(0.001)
            turns.longest = max(turns.longest, time.thread_time() - begun)

    taking = asyncio.create_task(take_turns())
    try:
        yield turns
    finally:
        taking.cancel()
        await asyncio.wait([taking])


async def test_nobody_waits_for_many_files(tmp_path: Path) -> None:
    async with desk_in(tmp_path) as desk, watched_loop() as turns:
        files, ann, here = desk.files, desk.ann, desk.id
        await desk.watches.watch(desk.ben, here, b"", lambda told: None)
        with await files.hold(ann, here) as hold:
            for number in range(COUNT):
                path = b"folder/d%d/%d" % (number % 20, number)
                await files.write(ann, here, path, pieces(b"%d needle" % number), parents=True, hold=hold)
        found, after = 0, None
        while True:
            page = await files.listing(ann, here, b"folder", depth=2, after=after, limit=500)
            found += len(page.items)
            after = page.next
            if after is None:
                break
        assert found == COUNT + 20
        async with await files.archive(ann, here, b"folder") as archive:
            packed = await gathered(archive)
        assert len(zipfile.ZipFile(io.BytesIO(packed)).infolist()) == COUNT + 20
        assert len((await files.search(ann, here, Search(text="NEEDLE", content=True, limit=2000))).items) == COUNT
        assert (await files.standing(ann, here)).entries == COUNT + 21
        await files.copy(ann, here, b"folder", b"again")
        await files.remove(ann, here, b"folder", recursive=True)
        assert [entry.path for entry in (await files.listing(ann, here)).items] == [b"again"]
    assert turns.longest < LONGEST
