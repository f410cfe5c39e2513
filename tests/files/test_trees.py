"""Trees are copied, counted and removed whole: very deep ones, odd ones, and while somebody is at them."""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.files.conftest import SECRET, put, read, state
from webterm.errors import AlreadyExists, Conflict, DirectoryNotEmpty, InvalidPath, NoSuchFile, NotADirectory, NotAFile
from webterm.files.root import Root, Usage

DEEP = 10_000


def dig(top: Path, depth: int, *, name: str = "d") -> None:
    """A directory in a directory in a directory …, with a file in each hundredth."""
    here = os.open(top, os.O_PATH)
    for number in range(depth):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_PATH, dir_fd=here)
        os.close(here)
        here = below
        if number % 100 == 0:
            os.mknod("file", dir_fd=here)
    os.close(here)


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """Fail early where a tree's depth would cost descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 200, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_descriptors")
def test_a_very_deep_tree_is_no_trouble(deep: Path) -> None:
    start = time.perf_counter()
    dig(deep, DEEP)
    with Root(deep) as root:
        assert root.usage().entries == DEEP + DEEP // 100
        assert root.copy(b"d", b"copy").kind == "directory"
        assert root.usage(b"copy").entries == DEEP - 1 + DEEP // 100
        assert len(root.listing(depth=10**6).items) <= 2 * 65
        root.remove(b"d", recursive=True)
        root.remove(b"copy", recursive=True)
        assert not list(deep.iterdir())
    assert time.perf_counter() - start < 60, "about 2 s on an idle machine"


def test_a_very_deep_tree_is_removed_even_if_it_is_moved_meanwhile(deep: Path) -> None:
    """Its upper directories are not held any more then; what is above is not what was walked."""
    dig(deep, 300)
    (deep / "elsewhere").mkdir()

    def move(usage: Usage) -> None:
        below = deep / "/".join(["d"] * 40)
        if below.exists():
            below.rename(deep / "elsewhere/d")

    with Root(deep) as root:
        dig(deep / "/".join(["d"] * 300), 1, name="full")
        for number in range(300):
            (deep / "/".join(["d"] * 300) / str(number)).touch()
        with pytest.raises(Conflict):
            root.remove(b"d", recursive=True, report=move)
        assert (deep / "elsewhere").is_dir()
        root.remove(b"elsewhere", recursive=True)
        root.remove(b"d", recursive=True)
    assert not list(deep.iterdir())


def test_a_copy_is_the_same(root: Root, top: Path, outside: Path) -> None:
    put(root, b"a/b/program", b"\x00\xff" * 1000, executable=True)
    put(root, b"a/\xff\n", b"x")
    root.make_directory(b"a/empty")
    (top / "a/b").chmod(0o500)
    (top / "a/out").symlink_to("../../outside/secret")
    (top / "a/dangling").symlink_to("nowhere")
    copied = root.copy(b"a", b"b")
    assert copied == root.stat(b"b")
    assert state(top / "b") == state(top / "a")
    (top / "link").symlink_to("a/b/program")
    assert root.copy(b"link", b"c").kind == "file"
    assert read(root, b"c") == b"\x00\xff" * 1000
    assert root.stat(b"c").executable
    assert sorted(path.name for path in top.iterdir()) == ["a", "b", "c", "link"]


def test_pipes_sockets_and_devices_are_left_out(root: Root, top: Path) -> None:
    put(root, b"a/file", b"")
    os.mkfifo(top / "a/pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(top / "a/s"))
    root.copy(b"a", b"b")
    assert sorted(state(top / "b")) == ["file"]
    with pytest.raises(NotAFile):
        root.copy(b"a/pipe", b"pipe")
    with pytest.raises(NotAFile):
        root.copy(b"a/s", b"s")
    assert sorted(path.name for path in top.iterdir()) == ["a", "b"]


def test_holes_stay_holes(root: Root, top: Path) -> None:
    with (top / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(1 << 30)
        file.write(b"middle")
        file.truncate(1 << 31)
    assert root.usage().bytes < 1 << 20
    root.copy(b"sparse", b"copy")
    status = (top / "copy").stat()
    assert (status.st_size, status.st_blocks * 512 < 1 << 20) == (1 << 31, True)
    with (top / "copy").open("rb") as file:
        assert file.read(5) == b"begin"
        file.seek(1 << 30)
        assert file.read(7) == b"middle\0"


def test_nothing_is_copied_over_what_is_there(root: Root, top: Path) -> None:
    put(root, b"a/file", b"new")
    put(root, b"b/file", b"old")
    put(root, b"file", b"old")
    before = state(top)
    for source, target in ((b"a", b"b"), (b"a/file", b"file"), (b"a", b"file"), (b"a/file", b"b")):
        with pytest.raises(AlreadyExists):
            root.copy(source, target)
    for source, target, error in ((b"a", b"b", DirectoryNotEmpty), (b"a", b"file", NotADirectory)):
        with pytest.raises(error):
            root.copy(source, target, overwrite=True)
    with pytest.raises(NotAFile):
        root.copy(b"a/file", b"b", overwrite=True)
    with pytest.raises(NoSuchFile):
        root.copy(b"a", b"no/b")
    assert state(top) == before
    root.copy(b"a/file", b"file", overwrite=True)
    assert read(root, b"file") == b"new"


def test_a_directory_is_not_copied_into_itself(root: Root, top: Path) -> None:
    put(root, b"a/b/file", b"")
    (top / "link").symlink_to("a")
    before = state(top)
    for source, target in ((b"a", b"a/copy"), (b"a", b"a/b/copy"), (b"link", b"a/copy"), (b"a", b"link/b/copy")):
        with pytest.raises(InvalidPath):
            root.copy(source, target)
    assert state(top) == before
    root.copy(b"a/b", b"a/c")
    assert sorted(state(top / "a")) == ["b", "b/file", "c", "c/file"]


def test_whoever_is_told_of_a_copy_can_end_it(root: Root, top: Path) -> None:
    put(root, b"a/large", b"x" * (20 << 20))
    for number in range(600):
        put(root, b"a/%d" % number, b"")
    before = state(top)
    told: list[Usage] = []

    def stop(usage: Usage) -> None:
        told.append(usage)
        if usage.entries > 300:
            raise KeyError("enough")

    with pytest.raises(KeyError):
        root.copy(b"a", b"b", report=stop)
    assert state(top) == before
    assert told
    with pytest.raises(KeyError):
        root.usage(report=stop)
    with pytest.raises(KeyError):
        root.remove(b"a", recursive=True, report=stop)
    assert 0 < len(root.listing(b"a").items) < 300


def test_links_are_removed_and_never_what_they_lead_to(root: Root, top: Path, outside: Path) -> None:
    put(root, b"a/file", b"")
    put(root, b"kept/file", SECRET)
    (top / "a/out").symlink_to(outside)
    (top / "a/in").symlink_to("../kept")
    (top / "link").symlink_to("kept")
    os.mkfifo(top / "a/pipe")
    untouched = state(outside)
    root.remove(b"link", recursive=True)
    root.remove(b"a", recursive=True)
    assert sorted(state(top)) == ["kept", "kept/file"]
    assert state(outside) == untouched


def test_usage_counts_a_file_once(root: Root, top: Path) -> None:
    put(root, b"a/file", b"x" * 1000)
    put(root, b"small", b"12345")
    os.link(top / "a/file", top / "again")
    (top / "link").symlink_to("a")
    assert root.usage() == Usage(bytes=1005, entries=5)
    assert root.usage(b"a") == Usage(bytes=1000, entries=1)
