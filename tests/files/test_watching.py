"""The system's limits of watching, and what is left when nobody watches any more."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from webterm.files.watching import Happened, Watching

CLIMB = """
import asyncio, os, sys
from pathlib import Path
from webterm.errors import TooManyWatches
from webterm.files.watching import Watching

Path(f"/proc/sys/user/max_inotify_{sys.argv[1]}").write_text(sys.argv[2])

async def main():
    watching = Watching()
    try:
        for path in sys.argv[3:]:
            watching.watch(os.open(path, os.O_PATH), print)
            print("watched")
    except TooManyWatches as error:
        print(error)
    watching.close()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("what", "most", "watched"), [("instances", "0", 0), ("watches", "1", 1)], ids=["instances", "watches"]
)
def test_the_systems_limit_is_told_clearly(what: str, most: str, watched: int, tmp_path: Path) -> None:
    """In a user namespace of its own, so that nobody else meets the limit."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", CLIMB, what, most]
    done = subprocess.run([*command, tmp_path / "a", tmp_path / "b"], capture_output=True, text=True, check=True)
    *before, refusal = done.stdout.splitlines()
    assert before == ["watched"] * watched
    assert f"fs.inotify.max_user_{what}" in refusal


class Ear:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Happened] = asyncio.Queue()

    def __call__(self, happened: Happened) -> None:
        self.heard.put_nowait(happened)


@pytest.mark.both_loops
async def test_it_begins_again_after_it_was_closed(tmp_path: Path) -> None:
    watching = Watching()
    directory = os.open(tmp_path, os.O_PATH)
    try:
        for name in ("a", "b"):
            ear = Ear()
            watched = watching.watch(directory, ear)
            (tmp_path / name).touch()
            async with asyncio.timeout(60):
                happened = await ear.heard.get()
            assert [change.name for change in happened.changes] == [name.encode()]
            watching.close()
            watching.close()
            watched.close()
    finally:
        os.close(directory)


async def test_one_who_fails_keeps_nobody_from_being_told(tmp_path: Path) -> None:
    watching, ear = Watching(), Ear()
    directory = os.open(tmp_path, os.O_PATH)

    def fail(happened: Happened) -> None:
        raise RuntimeError

    try:
        watching.watch(directory, fail)
        watching.watch(directory, ear)
        watching.watch(directory, fail)
        (tmp_path / "a").touch()
        async with asyncio.timeout(60):
            assert (await ear.heard.get()).changes
    finally:
        os.close(directory)
        watching.close()
