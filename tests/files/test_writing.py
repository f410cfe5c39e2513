"""A file is written whole or not at all, and nobody's work is overwritten unseen."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest

from tests.files.conftest import put, read, state
from webterm.errors import EditConflict, NoSuchFile, NotAFile, OutsideWorkspace, PermissionDenied, WebtermError
from webterm.files.beneath import Way
from webterm.files.entries import Entry
from webterm.files.names import is_temporary
from webterm.files.root import Root


def test_nothing_is_seen_before_the_end(root: Root, top: Path) -> None:
    put(root, b"f", b"old")
    with root.write(b"f") as writing, root.write(b"a/b/new", parents=True) as other:
        writing.write(b"half of the ")
        other.write(b"x")
        assert (read(root, b"f"), sorted(state(top))) == (b"old", ["a", "a/b", "f"])
        writing.write(bytearray(b"new"))
        writing.finish()
        assert (read(root, b"f"), sorted(state(top))) == (b"half of the new", ["a", "a/b", "f"])
    assert sorted(state(top)) == ["f"]  # the other one has never been, nor have its directories


def test_what_fails_has_never_been(root: Root, top: Path) -> None:
    put(root, b"f", b"old")
    with contextlib.suppress(ZeroDivisionError):
        with root.write(b"f") as writing, root.write(b"n/e/w", parents=True) as other:
            writing.write(b"new")
            other.write(b"new")
            raise ZeroDivisionError
    writing.close()
    assert {path: content for path, (*_, content) in state(top).items()} == {"f": b"old"}


def test_directories_made_on_the_way_stay_when_somebody_has_used_them(root: Root, top: Path) -> None:
    with root.write(b"a/b/f", parents=True):
        (top / "a/other").touch()
    assert sorted(state(top)) == ["a", "a/other"]


def test_a_reader_goes_on_with_what_it_has_opened(root: Root) -> None:
    put(root, b"f", b"old content")
    fd, _ = root.open_file(b"f")
    put(root, b"f", b"new")
    try:
        assert os.read(fd, 100) == b"old content"
    finally:
        os.close(fd)


def test_only_what_is_expected_is_replaced(root: Root) -> None:
    first = put(root, b"f", b"one")
    second = put(root, b"f", b"two")
    with pytest.raises(EditConflict) as caught:
        root.write(b"f", expected=first)
    assert (caught.value.current, caught.value.expected) == (second, first)
    with pytest.raises(EditConflict) as caught:
        root.write(b"f", expected=None)
    assert (caught.value.current, caught.value.expected) == (second, None)
    with pytest.raises(EditConflict) as caught:
        root.write(b"gone", expected=first)
    assert (caught.value.current, caught.value.expected) == (None, first)
    with root.write(b"f", expected=second) as writing:
        writing.write(b"three")
        third = writing.finish().tag
    with root.write(b"g", expected=None) as writing:
        writing.finish()
    assert (read(root, b"f"), root.stat(b"f").tag) == (b"three", third)


def test_a_change_while_the_content_comes_is_noticed(root: Root, top: Path) -> None:
    tag = put(root, b"f", b"one")
    with root.write(b"f", expected=tag) as late, root.write(b"new", expected=None) as second:
        late.write(b"late")
        (top / "f").write_bytes(b"shell")
        (top / "new").write_bytes(b"shell")
        for writing in (late, second):
            with pytest.raises(EditConflict):
                writing.finish()
    assert {path: content for path, (*_, content) in state(top).items()} == {"f": b"shell", "new": b"shell"}
    with root.write(b"f") as writing:
        (top / "f").unlink()
        (top / "f").mkdir()
        with pytest.raises(NotAFile):
            writing.finish()
    assert sorted(state(top)) == ["f", "new"]


def test_of_many_savers_with_one_tag_one_wins(root: Root, top: Path) -> None:
    tag = put(root, b"f", b"0")
    start = threading.Barrier(8)
    won: list[int] = []
    refused: list[str | None] = []

    def save(number: int) -> None:
        with root.write(b"f", expected=tag) as writing:
            writing.write(b"%d" % number)
            start.wait()
            try:
                writing.finish()
                won.append(number)
            except EditConflict as error:
                refused.append(error.current)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert set(refused) == {root.stat(b"f").tag}
    assert read(root, b"f") == b"%d" % won[0]
    assert sorted(state(top)) == ["f"]


def test_permissions_survive_a_save(root: Root, top: Path) -> None:
    for mode, wanted in ((0o600, 0o600), (0o755, 0o755), (0o6775, 0o775), (0o200, 0o200)):
        put(root, b"f", b"")
        (top / "f").chmod(mode)
        put(root, b"f", b"new")
        assert (top / "f").stat().st_mode & 0o7777 == wanted
    put(root, b"f", b"", executable=True)
    assert (top / "f").stat().st_mode & 0o7777 == 0o200
    (top / "f").chmod(0o640)
    assert root.write(b"f", executable=True).finish().executable
    assert (top / "f").stat().st_mode & 0o7777 == 0o750
    assert not root.write(b"f", executable=False).finish().executable


def test_a_file_that_nobody_may_write_to_is_not_written_to(root: Root, top: Path) -> None:
    """Replacing it would be possible; but that is not what its owner has said."""
    put(root, b"f", b"old")
    (top / "f").chmod(0o444)
    with pytest.raises(PermissionDenied):
        root.write(b"f")
    assert read(root, b"f") == b"old"


def test_a_link_is_written_through(root: Root, top: Path) -> None:
    put(root, b"dir/file", b"old")
    (top / "link").symlink_to("dir/sub/../file")
    (top / "dir/sub").mkdir()
    (top / "again").symlink_to("link")
    entry = root.stat(b"again")
    assert (entry.kind, entry.target_kind, entry.tag) == ("link", "file", root.stat(b"dir/file").tag)
    with root.write(b"again", expected=entry.tag) as writing:
        writing.write(b"new")
        written = writing.finish()
    assert (top / "again").is_symlink()
    assert (top / "link").is_symlink()
    assert read(root, b"dir/file") == read(root, b"again") == b"new"
    assert root.stat(b"again").tag == written.tag
    (top / "to_new").symlink_to("dir/new")
    put(root, b"to_new", b"made")
    assert read(root, b"dir/new") == b"made"


def test_links_that_lead_to_no_file_are_not_written_through(root: Root, top: Path, outside: Path) -> None:
    root.make_directory(b"dir")
    links = {"dir": "dir", "slash": "dir/", "up": "dir/..", "dot": ".", "out": "../outside/secret", "new_out": "../new"}
    links |= {"absolute": str(outside / "secret"), "circle": "to_circle", "missing": "no/thing"}
    for name, text in links.items():
        (top / f"to_{name}").symlink_to(text)
    before, untouched = state(top), state(outside)
    for name in links:
        with pytest.raises(WebtermError):
            root.write(b"to_" + name.encode())
        with pytest.raises(EditConflict):
            root.write(b"to_" + name.encode(), expected=None)
    for path in (b"to_out", b"to_absolute", b"to_new_out", b"to_circle"):
        with pytest.raises(OutsideWorkspace):
            root.write(path)
    assert (state(top), state(outside)) == (before, untouched)
    assert not (top.parent / "new").exists()


def test_of_two_hard_links_the_one_named_gets_the_content(root: Root, top: Path) -> None:
    put(root, b"one", b"old")
    os.link(top / "one", top / "two")
    put(root, b"one", b"new")
    assert (read(root, b"one"), read(root, b"two")) == (b"new", b"old")


def test_a_pipe_or_socket_is_not_replaced(root: Root, top: Path) -> None:
    os.mkfifo(top / "pipe")
    with pytest.raises(NotAFile):
        root.write(b"pipe")
    with root.write(b"late") as writing:
        os.mkfifo(top / "late")
        with pytest.raises(NotAFile):
            writing.finish()


def test_where_a_file_must_have_a_name_it_has_one_that_is_hidden_and_soon_gone(top: Path, way: Way) -> None:
    with Root(top, way=way, nameless=False) as root:
        tag = put(root, b"dir/file", b"old")
        with root.write(b"dir/file", expected=tag) as writing, root.write(b"dir/new", expected=None) as dropped:
            writing.write(b"new")
            dropped.write(b"never")
            assert [entry.name for entry in root.listing(b"dir").items] == [b"file"]
            assert {is_temporary(entry.name) for entry in root.listing(b"dir", hidden=True).items[:2]} == {True}
            writing.finish()
        assert read(root, b"dir/file") == b"new"
        assert root.make_file(b"made").size == 0
        with root.write(b"dir/file") as late:
            root.remove(b"dir", recursive=True)
            with pytest.raises(NoSuchFile):
                late.finish()
    assert sorted(state(top)) == ["made"]


def test_very_many_directories_on_the_way_cost_no_descriptors(deep: Path, way: Way) -> None:
    path = b"/".join([b"d"] * 1500)
    with Root(deep, way=way) as root:
        before = len(list(Path("/proc/self/fd").iterdir()))
        with root.write(b"kept/" + path, parents=True) as kept, root.write(b"no/" + path, parents=True):
            assert len(list(Path("/proc/self/fd").iterdir())) <= before + 6
            kept.finish()
        assert [entry.name for entry in root.listing().items] == [b"kept"]
        assert root.usage().entries == 1501


class TestTakeIn:
    """A finished file comes in from another directory, such as that of uploads."""

    @pytest.fixture
    def uploads(self, tmp_path: Path) -> Path:
        directory = tmp_path / "uploads"
        directory.mkdir()
        (directory / "done").write_bytes(b"uploaded")
        (directory / "done").chmod(0o600)
        return directory

    def take(self, root: Root, uploads: Path, path: bytes, **wanted: object) -> Entry:
        fd = os.open(uploads, os.O_RDONLY)
        try:
            return root.take_in(fd, b"done", path, **wanted)  # type: ignore[arg-type]
        finally:
            os.close(fd)

    def test_it_comes_in_as_if_written(self, root: Root, top: Path, uploads: Path) -> None:
        entry = self.take(root, uploads, b"a/b", parents=True, executable=True, modified=1e9)
        assert entry == root.stat(b"a/b")
        assert (entry.modified, entry.executable, entry.size) == (1e9, True, 8)
        assert (top / "a/b").stat().st_mode & 0o7777 == 0o755
        assert not list(uploads.iterdir())

    def test_it_replaces_what_is_expected(self, root: Root, top: Path, uploads: Path) -> None:
        tag = put(root, b"f", b"old")
        (top / "f").chmod(0o640)
        (top / "link").symlink_to("f")
        for path, expected in ((b"f", None), (b"f", tag), (b"link", None), (b"f", "other")):
            with pytest.raises(EditConflict):
                self.take(root, uploads, path, expected=expected)
        root.make_directory(b"dir")
        with pytest.raises(NotAFile):
            self.take(root, uploads, b"dir")
        assert (uploads / "done").read_bytes() == b"uploaded"
        self.take(root, uploads, b"link", expected=root.stat(b"f").tag)
        assert (read(root, b"f"), (top / "f").stat().st_mode & 0o7777) == (b"uploaded", 0o640)

    def test_it_belongs_to_the_account(self, top: Path, way: Way, uploads: Path) -> None:
        with Root(top, account=700_002, way=way) as root:
            self.take(root, uploads, b"f")
        assert ((top / "f").stat().st_uid, (top / "f").stat().st_gid) == (700_002, 700_002)
