"""Disk full, no permission, no such name: a clear error, and nothing half-written."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.files.conftest import put, read, state
from webterm.errors import DiskFull, InvalidPath, OutsideWorkspace, PermissionDenied, Unavailable, WebtermError
from webterm.files.beneath import Way
from webterm.files.faults import ours
from webterm.files.root import Root

SIZE = 1024 * 1024
NAMES = 64

Act = Callable[[Root], object]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte and few names."""
    place = tmp_path / "disk"
    place.mkdir()
    options = f"size={SIZE},nr_inodes={NAMES},mode=0755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def write(root: Root, path: bytes, size: int) -> None:
    with root.write(path, parents=True) as writing:
        for _ in range(size // 65536):
            writing.write(b"x" * 65536)
        writing.finish()


@pytest.mark.mounts
def test_a_full_disk_leaves_everything_as_it_was(disk: Path, way: Way) -> None:
    with Root(disk, way=way) as root:
        put(root, b"kept", b"old")
        put(root, b"dir/half", b"x" * (SIZE // 2))
        before, used = state(disk), root.usage()
        for path in (b"kept", b"new", b"made/on/the/way/new"):
            with pytest.raises(DiskFull, match="no room is left"):
                write(root, path, SIZE)
        with pytest.raises(DiskFull):
            root.copy(b"dir/half", b"again")
        with pytest.raises(DiskFull):
            root.copy(b"dir", b"again")
        assert (state(disk), root.usage()) == (before, used)
        write(root, b"fits", SIZE // 4)  # and what was written in vain takes no room


@pytest.mark.mounts
def test_a_disk_without_room_for_names_leaves_everything_as_it_was(disk: Path, way: Way) -> None:
    with Root(disk, way=way) as root:
        root.make_directory(b"dir")
        put(root, b"kept", b"old")
        with contextlib.suppress(DiskFull):
            for name in range(NAMES):
                root.make_file(b"dir/%d" % name)
        assert 0 < len(root.listing(b"dir").items) < NAMES
        before = state(disk)
        refused: list[Act] = [
            lambda root: root.make_file(b"new"),
            lambda root: root.make_directory(b"new"),
            lambda root: root.make_directory(b"n/e/w", parents=True),
            lambda root: put(root, b"kept", b"new"),
            lambda root: put(root, b"n/e/w", b"new"),
            lambda root: root.copy(b"kept", b"new"),
            lambda root: root.copy(b"dir", b"new"),
        ]
        for act in refused:
            with pytest.raises(DiskFull):
                act(root)
        assert state(disk) == before
        for number in range(4):  # a copy is stopped on its way
            root.remove(b"dir/%d" % number)
        before = state(disk)
        with pytest.raises(DiskFull):
            root.copy(b"dir", b"new")
        with pytest.raises(DiskFull):
            put(root, b"1/2/3/4/5", b"new")
        assert state(disk) == before


@pytest.mark.mounts
def test_what_would_come_from_another_disk_stays_there(disk: Path, top: Path, way: Way) -> None:
    """A mount in a workspace is not left or entered by renaming."""
    (top / "done").write_bytes(b"content")
    fd = os.open(top, os.O_PATH)
    with Root(disk, way=way) as root:
        with pytest.raises(WebtermError):
            root.take_in(fd, b"done", b"made/here", parents=True)
        assert not state(disk)
    os.close(fd)
    assert (top / "done").read_bytes() == b"content"
    with Root(disk.parent, way=way) as root:
        with pytest.raises(WebtermError, match="another disk"):
            root.move(b"files/done", b"disk/done")
        root.copy(b"files/done", b"disk/done")
        assert read(root, b"disk/done") == b"content"


@pytest.mark.mounts
def test_a_read_only_disk_says_so(disk: Path, way: Way) -> None:
    with Root(disk, way=way) as root:
        put(root, b"file", b"old")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        refused: list[Act] = [
            lambda root: put(root, b"file", b"new"),
            lambda root: root.make_directory(b"new"),
            lambda root: root.remove(b"file"),
            lambda root: root.set_executable(b"file", True),
        ]
        for act in refused:
            with pytest.raises(PermissionDenied, match="read-only"):
                act(root)
        assert read(root, b"file") == b"old"


def test_names_and_paths_that_are_too_long_say_so(root: Root, top: Path) -> None:
    put(root, b"file", b"old")
    long, deep = b"n" * 256, b"/".join([b"name"] * 900)
    refused: list[Act] = [
        lambda root: root.make_file(long),
        lambda root: put(root, b"a/b/" + long, b""),
        lambda root: root.move(b"file", long),
        lambda root: root.copy(b"file", deep),
        lambda root: root.make_directory(deep, parents=True),
    ]
    for act in refused:
        with pytest.raises(InvalidPath, match="bytes long"):
            act(root)
    assert sorted(state(top)) == ["file"]
    put(root, b"n" * 255, b"fits")


def run(what: str, top: Path, way: Way) -> None:
    """Do it as somebody else than root."""
    subprocess.run([sys.executable, "-m", "tests.files.unprivileged", what, top, way], check=True, timeout=60)


def test_what_the_system_does_not_allow_says_so_and_changes_nothing(top: Path, way: Way) -> None:
    top.chmod(0o755)
    for path in (
        "closed/file",
        "readable/file",
        "readable/dir/file",
        "own/file",
        "half/a",
        "half/z",
        "own/others/file",
    ):
        (top / path).parent.mkdir(exist_ok=True, parents=True)
        (top / path).write_bytes(b"old")
    for path in ("own", "own/file"):
        os.chown(top / path, 65534, 65534)
    for path in ("secret", "half/m"):
        (top / path).write_bytes(b"secret")
        (top / path).chmod(0o600)
    (top / "closed").chmod(0o700)
    before = state(top)
    run("refused", top, way)
    assert state(top) == before


def test_own_directories_that_are_read_only_can_be_removed(top: Path, way: Way) -> None:
    """As package managers leave them; the trash has to become empty."""
    (top / "own").mkdir()
    os.chown(top / "own", 65534, 65534)
    run("read_only", top, way)
    assert sorted(state(top)) == ["own"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EDQUOT, DiskFull),
        (errno.ENOSPC, DiskFull),
        (errno.ELOOP, OutsideWorkspace),
        (errno.EIO, Unavailable),
        (errno.EMFILE, Unavailable),
        (None, Unavailable),
    ],
)
def test_what_the_system_says_is_translated(number: int | None, kind: type[WebtermError]) -> None:
    error = ours(OSError() if number is None else OSError(number, os.strerror(number)), b"a\nb")
    assert type(error) is kind
    assert "'a�b'" in str(error)
