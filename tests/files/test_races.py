"""Attacks 25 and 26 as races: names are exchanged with links out of the workspace while each operation runs.

Each lasts two seconds, or ``WEBTERM_RACE_SECONDS``.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.files.conftest import SECRET, in_memory, put, state
from tests.files.swapping import swapping
from webterm.errors import Forbidden, NotAFile, NotFound, WebtermError
from webterm.files.beneath import Way
from webterm.files.root import Root

SECONDS = float(os.environ.get("WEBTERM_RACE_SECONDS", "2"))
OURS = b"this is in the workspace"

Act = Callable[[], object]
Outcomes = dict[str, Counter[str]]


def whole_state(directory: Path) -> dict[str, object]:
    """What is below a directory with the times of changes, so that nothing can be done and undone."""
    times = {path: path.lstat().st_ctime_ns for path in directory.rglob("*")}
    return {"state": state(directory), "times": times, "own": directory.stat().st_ctime_ns}


def try_all(acts: dict[str, Act], *, must: Callable[[Outcomes], bool], before: Act = int) -> Outcomes:
    """Do each in turn until the time is over and there has been what must have been; how often each ended how.

    ``before`` is called before each turn.
    """
    outcomes: Outcomes = {name: Counter() for name in acts}
    start = time.monotonic()
    while time.monotonic() < start + SECONDS or not must(outcomes):
        assert time.monotonic() < start + SECONDS + 60, outcomes
        before()
        for name, act in acts.items():
            try:
                act()
                outcomes[name]["done"] += 1
            except WebtermError as error:
                outcomes[name][type(error).__name__] += 1
    return outcomes


def was_a_race(outcomes: Outcomes) -> bool:
    """Each operation has met what is inside and what leads out (those from above never meet that)."""
    return all(
        counts["done"] and ("from above" in name or counts["OutsideWorkspace"]) for name, counts in outcomes.items()
    )


def content(root: Root, path: bytes) -> None:
    fd, _ = root.open_file(path)
    with open(fd, "rb") as file:
        assert file.read() != SECRET


def names(root: Root, path: bytes, depth: int) -> None:
    for entry in root.listing(path, depth=depth, hidden=True).items:
        assert b"secret" not in entry.name


def walked(root: Root, path: bytes) -> None:
    for found in root.walk(path):
        assert b"secret" not in found.path
        if found.kind == "file":
            with contextlib.suppress(NotFound, Forbidden, NotAFile), open(found.open(), "rb") as file:
                assert file.read() != SECRET


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A race is the sharper the quicker."""
    with in_memory() as directory:
        yield directory


@pytest.fixture
def arena(top: Path, outside: Path) -> Path:
    """``dir`` will be exchanged with ``dir_link``, ``file`` with ``file_link``, both leading out of the workspace."""
    (top / "dir" / "inner").mkdir(parents=True)
    for path in ("dir/file", "dir/inner/file", "file", "plain"):
        (top / path).write_bytes(OURS)
    for path in ("file", "inner/file", "inner/secret"):
        (outside / path).write_bytes(SECRET)
    (top / "dir_link").symlink_to("../outside")
    (top / "file_link").symlink_to(outside / "file")
    (top / "work").mkdir()
    (top.parent / "uploads").mkdir()
    return top


@pytest.fixture
def uploads(arena: Path) -> Iterator[int]:
    fd = os.open(arena.parent / "uploads", os.O_PATH)
    yield fd
    os.close(fd)


def reading(root: Root) -> dict[str, Act]:
    return {
        "open below": lambda: content(root, b"dir/file"),
        "open deeper": lambda: content(root, b"dir/inner/file"),
        "open": lambda: content(root, b"file"),
        "listing": lambda: names(root, b"dir", 1),
        "listing from above": lambda: names(root, b"", 3),
        "walk": lambda: walked(root, b"dir"),
        "walk from above": lambda: walked(root, b""),
        "stat": lambda: root.stat(b"dir/file"),
        "usage": lambda: root.usage(b"dir"),
        "directory": lambda: os.close(root.open_directory(b"dir")),
    }


def writing(root: Root, top: Path, uploads: int) -> dict[str, Act]:
    def write(path: bytes) -> None:
        with root.write(path, parents=True) as new:
            new.write(OURS)
            new.finish()

    def take_in(path: bytes) -> None:
        os.close(os.open("done", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=uploads))
        root.take_in(uploads, b"done", path)

    def copied(source: bytes, target: bytes) -> None:
        root.remove(target, recursive=True) if (top / os.fsdecode(target)).exists() else None
        root.copy(source, target)
        if (top / os.fsdecode(target)).is_file():
            content(root, target)
        else:
            names(root, target, 3)

    return {
        "write below": lambda: write(b"dir/file"),
        "write deeper": lambda: write(b"dir/inner/new/er/file"),
        "write": lambda: write(b"file"),
        "take in below": lambda: take_in(b"dir/file"),
        "take in": lambda: take_in(b"file"),
        "make file": lambda: root.make_file(b"dir/made"),
        "make directory": lambda: root.make_directory(b"dir/made_directory"),
        "set executable below": lambda: root.set_executable(b"dir/file", True),
        "set executable": lambda: root.set_executable(b"file", False),
        "copy out": lambda: copied(b"dir", b"work/copy"),
        "copy file": lambda: copied(b"file", b"work/file"),
        "copy in": lambda: root.copy(b"plain", b"dir/copy"),
        "move in": lambda: root.move(b"plain", b"dir/plain"),
        "move out": lambda: root.move(b"dir/plain", b"plain"),
        "remove below": lambda: root.remove(b"dir/made"),
        "remove made": lambda: root.remove(b"dir/made_directory"),
        "remove copy": lambda: root.remove(b"dir/copy"),
        "remove tree": lambda: root.remove(b"dir/inner/new", recursive=True),
    }


def repaired(arena: Path, outside: Path) -> Act:
    """A link that was renamed over has to come back."""

    def repair() -> None:
        if not (arena / "file").is_symlink() and not (arena / "file_link").is_symlink():
            (arena / "new_link").symlink_to(outside / "file")
            (arena / "new_link").rename(arena / "file_link")

    return repair


def test_reading_never_leaves(arena: Path, outside: Path, way: Way) -> None:
    before = whole_state(outside)
    with (
        Root(arena, way=way) as root,
        swapping(arena / "dir", arena / "dir_link", arena / "file", arena / "file_link"),
    ):
        try_all(reading(root), must=was_a_race)
    assert whole_state(outside) == before


def test_writing_never_leaves(arena: Path, outside: Path, uploads: int, way: Way) -> None:
    before = whole_state(outside)
    with (
        Root(arena, way=way, account=700_003) as root,
        swapping(arena / "dir", arena / "dir_link", arena / "file", arena / "file_link"),
    ):
        try_all(writing(root, arena, uploads), must=was_a_race, before=repaired(arena, outside))
    assert whole_state(outside) == before


def test_removing_and_copying_trees_never_leaves(arena: Path, outside: Path, way: Way) -> None:
    """The exchange happens below the directory that is being walked through."""
    before = whole_state(outside)

    def cycle() -> None:
        with contextlib.suppress(NotFound):
            root.remove(b"work/tree", recursive=True)
        for path in (b"work/tree/dir/file", b"work/tree/dir/inner/file", b"work/tree/a/b/c/file"):
            put(root, path, OURS)
        for link in ("work/tree/dir_link", "work/tree/a/b/c/out"):
            with contextlib.suppress(FileExistsError):
                (arena / link).symlink_to(outside)
        root.copy(b"work/tree", b"work/copy")
        walked(root, b"work/copy")
        root.remove(b"work/copy", recursive=True)

    with Root(arena, way=way) as root:
        put(root, b"work/tree/dir/file", OURS)
        (arena / "work/tree/dir_link").symlink_to(outside)
        with swapping(arena / "work/tree/dir", arena / "work/tree/dir_link"):
            try_all({"cycle": cycle}, must=lambda outcomes: outcomes["cycle"]["done"] > 9)
    assert whole_state(outside) == before


def test_a_directory_that_moves_up_does_not_lead_out(tmp_path: Path, way: Way) -> None:
    """``..`` of a link is meant where the directory was: moved up meanwhile, its parent's parent is outside."""
    top = tmp_path / "a/b/files"
    (top / "x/y/z").mkdir(parents=True)
    (top / "inside").write_bytes(OURS)
    for above in (tmp_path, tmp_path / "a", tmp_path / "a/b"):
        (above / "inside").write_bytes(SECRET)
    (top / "link").symlink_to("x/y/z/../../../inside")
    (top / "long").symlink_to("x/y/z/../../../" * 20 + "inside")
    (top / "out").symlink_to("x/y/z/../../../..")
    with Root(top, way=way) as root, swapping(f"{top}/x/y/z:{top}/z"):
        outcomes = try_all(
            {
                "link": lambda: content(root, b"link"),
                "long": lambda: content(root, b"long"),
                "out": lambda: root.listing(b"out"),
                "stat": lambda: root.stat(b"out/inside"),
            },
            must=lambda outcomes: outcomes["link"]["done"] > 9 and outcomes["link"]["NoSuchFile"] > 9,
        )
    assert outcomes["out"]["done"] == outcomes["stat"]["done"] == 0, outcomes


def test_the_race_would_be_lost_without_care(arena: Path, outside: Path) -> None:
    """That looking first and opening then reads the secret shows that the other tests here mean something."""
    read: set[bytes] = set()
    end = time.monotonic() + 60
    with swapping(arena / "file", arena / "file_link"):
        while SECRET not in read and time.monotonic() < end:
            if not (arena / "file").is_symlink():
                with contextlib.suppress(FileNotFoundError):
                    read.add((arena / "file").read_bytes())
    assert SECRET in read
