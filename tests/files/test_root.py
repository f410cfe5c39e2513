"""The operations on files, as they are meant to be used."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.files.conftest import put, read, state
from webterm.errors import (
    AlreadyExists,
    DirectoryNotEmpty,
    InvalidPath,
    NoSuchFile,
    NoSuchWorkspace,
    NotADirectory,
    NotAFile,
    WebtermError,
)
from webterm.files.beneath import Way
from webterm.files.root import Root

Act = Callable[[bytes], object]
ODD = b"\xff\x00\r\n\xc3\x28 binary"


def test_what_is_written_is_read(root: Root, top: Path) -> None:
    put(root, b"a/b/f\xff.bin", ODD)
    assert (top / os.fsdecode(b"a/b/f\xff.bin")).read_bytes() == ODD
    assert read(root, b"a/b/f\xff.bin") == ODD


def test_an_entry_tells_what_there_is(root: Root, top: Path) -> None:
    put(root, b"dir/program", b"12345", executable=True)
    os.utime(top / "dir/program", (1_000_000, 1_000_000.5))
    entry = root.stat(b"dir/program")
    assert (entry.path, entry.name, entry.kind, entry.size) == (b"dir/program", b"program", "file", 5)
    assert (entry.modified, entry.executable, entry.target_kind) == (1_000_000.5, True, None)
    assert root.stat(b"dir").kind == "directory"
    assert not root.stat(b"dir").executable
    os.mkfifo(top / "pipe")
    assert root.stat(b"pipe").kind == "other"


def test_the_tag_is_another_one_after_each_change(root: Root, top: Path) -> None:
    tags = [put(root, b"f", b"one")]
    assert root.stat(b"f").tag == tags[0]
    tags.append(put(root, b"f", b"two"))
    (top / "f").write_bytes(b"six")
    tags.append(root.stat(b"f").tag)
    os.utime(top / "f", (1, 1))
    tags.append(root.stat(b"f").tag)
    tags.append(root.set_executable(b"f", True).tag)
    tags.append(put(root, b"f", b"two"))
    assert len(set(tags)) == len(tags)
    fd, entry = root.open_file(b"f")
    os.close(fd)
    assert entry.tag == tags[-1]


def test_what_is_not_there_is_said_so(root: Root) -> None:
    put(root, b"file", b"")
    for path in (b"nothing", b"no/thing", b"nothing/at/all"):
        for act in (root.stat, root.listing, root.open_file, root.remove, root.usage, root.write, root.make_file):
            if path != b"nothing" or act not in (root.write, root.make_file):
                with pytest.raises(NoSuchFile, match=path.decode()):
                    act(path)
        for do in (root.move, root.copy):
            with pytest.raises(NoSuchFile, match=path.decode()):
                do(path, b"new")
    for act in (root.stat, root.write, root.make_directory, root.remove):
        with pytest.raises(NotADirectory):
            act(b"file/x")


def test_directories_are_no_files_and_files_no_directories(root: Root, top: Path) -> None:
    put(root, b"dir/file", b"")
    for_files: list[Act] = [root.open_file, root.write, lambda path: root.set_executable(path, True)]
    for act in for_files:
        with pytest.raises(NotAFile):
            act(b"dir")
    for_directories: list[Act] = [root.listing, root.open_directory, root.usage, lambda path: list(root.walk(path))]
    for act in for_directories:
        with pytest.raises(NotADirectory):
            act(b"dir/file")
    assert sorted(state(top)) == ["dir", "dir/file"]


def test_making_files_and_directories(root: Root, top: Path) -> None:
    assert root.make_file(b"new").size == 0
    assert root.make_directory(b"dir").kind == "directory"
    assert root.make_directory(b"p/q/r", parents=True).path == b"p/q/r"
    assert root.make_file(b"s/t/new", parents=True).kind == "file"
    assert root.make_directory(b"p/q/r", parents=True).path == b"p/q/r"
    with pytest.raises(AlreadyExists):
        root.make_directory(b"p/q/r")
    for path in (b"new", b"dir"):
        with pytest.raises(AlreadyExists):
            root.make_file(path)
        with pytest.raises(AlreadyExists):
            root.make_directory(path)
    with pytest.raises(AlreadyExists):
        root.make_directory(b"new", parents=True)
    (top / "dangling").symlink_to("nowhere")
    for act in (root.make_file, root.make_directory):
        with pytest.raises(AlreadyExists):
            act(b"dangling")


def test_permissions_do_not_depend_on_the_umask(root: Root, top: Path) -> None:
    before = os.umask(0o777)
    try:
        put(root, b"a/b/file", b"")
        put(root, b"program", b"", executable=True)
        root.make_file(b"made")
        root.copy(b"a", b"c")
    finally:
        os.umask(before)
    modes = {path.relative_to(top).as_posix(): path.stat().st_mode & 0o7777 for path in top.rglob("*")}
    assert modes == {
        "a": 0o755, "a/b": 0o755, "a/b/file": 0o644, "program": 0o755, "made": 0o644,
        "c": 0o755, "c/b": 0o755, "c/b/file": 0o644,
    }  # fmt: skip


def test_what_is_made_belongs_to_the_account(top: Path, way: Way) -> None:
    with Root(top, account=700_001, way=way) as root:
        put(root, b"a/b/file", b"")
        root.make_directory(b"dir")
        root.make_file(b"made")
        (top / "a/link").symlink_to("b/file")
        root.copy(b"a", b"copy")
        root.copy(b"a/b/file", b"file")
        put(root, b"file", b"again")
    (top / "a/link").unlink()
    owners = {path.relative_to(top): (path.lstat().st_uid, path.lstat().st_gid) for path in top.rglob("*")}
    assert set(owners.values()) == {(700_001, 700_001)}
    assert len(owners) == 10


def test_set_executable_goes_with_who_may_read(root: Root, top: Path) -> None:
    put(root, b"f", b"")
    (top / "f").chmod(0o640)
    assert root.set_executable(b"f", True).executable
    assert (top / "f").stat().st_mode & 0o7777 == 0o750
    assert not root.set_executable(b"f", False).executable
    assert (top / "f").stat().st_mode & 0o7777 == 0o640


def test_moving(root: Root, top: Path) -> None:
    put(root, b"a/file", b"content")
    assert root.move(b"a/file", b"b").path == b"b"
    assert root.move(b"a", b"c").kind == "directory"
    put(root, b"other", b"other")
    with pytest.raises(AlreadyExists, match="other"):
        root.move(b"b", b"other")
    root.move(b"b", b"other", overwrite=True)
    assert read(root, b"other") == b"content"
    assert sorted(state(top)) == ["c", "other"]
    (top / "link").symlink_to("other")
    assert root.move(b"link", b"c/link").kind == "link"
    root.move(b"other", b"other", overwrite=True)
    assert read(root, b"other") == b"content"


def test_a_move_never_takes_more_away_than_one_file(root: Root, top: Path) -> None:
    put(root, b"full/file", b"")
    put(root, b"dir/file", b"")
    put(root, b"file", b"")
    root.make_directory(b"empty")
    before = state(top)
    refused: list[tuple[bytes, bytes, type[WebtermError]]] = [
        (b"dir", b"full", DirectoryNotEmpty),
        (b"file", b"full", NotAFile),
        (b"dir", b"file", NotADirectory),
        (b"dir/file", b"dir", DirectoryNotEmpty),
        (b"dir", b"dir/sub", InvalidPath),
        (b"dir", b"nothing/dir", NoSuchFile),
        (b"dir", b"file/dir", NotADirectory),
    ]
    for source, target, error in refused:
        with pytest.raises(error):
            root.move(source, target, overwrite=True)
    with pytest.raises(AlreadyExists):
        root.move(b"dir", b"empty")
    with pytest.raises(InvalidPath):
        root.move(b"dir", b"dir/sub")
    assert state(top) == before
    root.move(b"dir", b"empty", overwrite=True)
    assert sorted(state(top)) == ["empty", "empty/file", "file", "full", "full/file"]


def test_moving_one_name_of_a_file_over_another_leaves_one(root: Root, top: Path) -> None:
    put(root, b"one", b"content")
    os.link(top / "one", top / "two")
    root.move(b"one", b"two", overwrite=True)
    assert sorted(state(top)) == ["two"]


def test_removing(root: Root, top: Path) -> None:
    put(root, b"dir/sub/file", b"")
    put(root, b"file", b"")
    root.make_directory(b"empty")
    root.remove(b"file")
    root.remove(b"empty")
    with pytest.raises(DirectoryNotEmpty):
        root.remove(b"dir")
    assert sorted(state(top)) == ["dir", "dir/sub", "dir/sub/file"]
    root.remove(b"dir", recursive=True)
    assert not state(top)


def test_a_directory_that_is_open_can_be_watched(root: Root, top: Path) -> None:
    put(root, b"dir/file", b"")
    fd = root.open_directory(b"dir")
    try:
        assert os.listdir(f"/proc/self/fd/{fd}") == ["file"]  # noqa: PTH208 - no path leads there
    finally:
        os.close(fd)


def test_a_closed_root_serves_nobody_but_those_who_are_at_it(top: Path, way: Way) -> None:
    root = Root(top, way=way)
    put(root, b"dir/file", b"content")
    walk = root.walk()
    assert next(walk).path == b"dir"
    writing = root.write(b"late")
    root.close()
    root.close()
    assert [found.path for found in walk] == [b"dir/file"]
    writing.write(b"late")
    assert writing.finish().size == 4
    with pytest.raises(NoSuchWorkspace):
        root.stat(b"dir")


def test_a_root_that_is_not_there(top: Path) -> None:
    with pytest.raises(NoSuchWorkspace):
        Root(top / "nothing")


def test_many_threads_use_one_root(root: Root, top: Path) -> None:
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(20):
                put(root, b"shared/deep/%d" % number, b"%d" % turn)
                assert read(root, b"shared/deep/%d" % number) == b"%d" % turn
                root.listing(b"shared/deep")
                root.usage()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert len(root.listing(b"shared/deep").items) == 8
    assert len(state(top)) == 10
