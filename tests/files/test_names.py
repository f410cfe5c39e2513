"""Attack 25: paths that are not meant to be paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.files.conftest import SECRET, put, read, state
from webterm.errors import InvalidPath, NoSuchFile, OutsideWorkspace, WebtermError
from webterm.files.names import checked, is_temporary, shown, split, temporary
from webterm.files.root import Root

OUT = [
    b"..",
    b"../outside/secret",
    b"a/../../outside/secret",
    b"a/..",
    b"../files/a",
    b"/",
    b"/etc/passwd",
    b"//etc/passwd",
    b"/../etc/passwd",
    b"a/b/../../../outside/secret",
]
NO_PATHS = [
    b".",
    b"./a",
    b"a/.",
    b"a//b",
    b"a/",
    b"a\0b",
    b"a\0/../..",
    b"\0",
    b"n" * 256,
    b"a/" + b"n" * 256,
    b"n/" * 2047 + b"nn",
    b"n" * 1_000_000,
]
NAMES_LIKE_OTHERS = [
    b"~",
    b"~root",
    b"%2e%2e",
    b"..%5c..%5csecret",
    b"..\\..\\secret",
    b"...",
    b"..a",
    b"C:\\Windows",
    b"CON",
    b"aux.txt",
    b"a:b",
    b"-rf",
    b"$(id)",
    b" ",
    b"line\nend",
    b"<b>&",
    b"\xff\xfe",
    b"\xc0\xaf",
    b"\xe2\x80\xae",
    b"*",
    b"a\x1b[2J",
    b"n" * 255,
]


@pytest.mark.parametrize("path", OUT, ids=repr)
def test_what_leads_out_is_refused(path: bytes) -> None:
    with pytest.raises(OutsideWorkspace):
        checked(path)


@pytest.mark.parametrize("path", NO_PATHS, ids=lambda path: repr(path[:20]))
def test_what_is_no_path_is_refused(path: bytes) -> None:
    with pytest.raises(InvalidPath):
        checked(path)


@pytest.mark.parametrize("path", [*OUT, *NO_PATHS], ids=lambda path: repr(path[:20]))
def test_no_operation_takes_them(root: Root, top: Path, outside: Path, path: bytes) -> None:
    put(root, b"a", b"here")
    before, untouched = state(top), state(outside)
    for act in (
        lambda: root.stat(path),
        lambda: root.listing(path),
        lambda: root.listing(after=path),
        lambda: root.open_file(path),
        lambda: root.open_directory(path),
        lambda: list(root.walk(path)),
        lambda: root.write(path, parents=True),
        lambda: root.take_in(0, b"x", path, parents=True),
        lambda: root.make_file(path, parents=True),
        lambda: root.make_directory(path, parents=True),
        lambda: root.move(path, b"new"),
        lambda: root.move(b"a", path, overwrite=True),
        lambda: root.copy(path, b"new"),
        lambda: root.copy(b"a", path, overwrite=True),
        lambda: root.remove(path, recursive=True),
        lambda: root.set_executable(path, True),
        lambda: root.usage(path),
    ):
        with pytest.raises((InvalidPath, OutsideWorkspace)):
            act()
    assert (state(top), state(outside)) == (before, untouched)


@pytest.mark.parametrize("name", NAMES_LIKE_OTHERS, ids=lambda name: repr(name[:20]))
def test_all_else_are_names(root: Root, top: Path, outside: Path, name: bytes) -> None:
    put(root, b"in/" + name, SECRET)
    assert [entry.path for entry in root.listing(b"in", hidden=True).items] == [b"in/" + name]
    assert root.stat(b"in/" + name).name == name
    assert read(root, b"in/" + name) == SECRET
    root.move(b"in/" + name, name)
    root.copy(name, b"in/" + name)
    root.remove(name)
    assert root.usage().entries == 2


def test_upper_and_lower_case_are_two_names(root: Root) -> None:
    put(root, b"Name", b"1")
    with pytest.raises(NoSuchFile):
        root.stat(b"name")


def test_a_sibling_with_the_same_beginning_is_out_of_reach(root: Root, top: Path) -> None:
    """``files2`` begins with ``files``: comparing texts would let it through."""
    sibling = top.with_name("files2")
    sibling.mkdir()
    (sibling / "secret").write_bytes(SECRET)
    (top / "link").symlink_to("../files2")
    for path in (b"../files2/secret", b"link/secret"):
        with pytest.raises(OutsideWorkspace):
            root.open_file(path)


def test_the_top_itself_can_be_looked_at_and_no_more(root: Root, top: Path) -> None:
    put(root, b"a", b"1")
    assert root.stat(b"").kind == "directory"
    assert [entry.name for entry in root.listing(b"").items] == [b"a"]
    for act in (
        lambda: root.write(b""),
        lambda: root.make_file(b""),
        lambda: root.make_directory(b"", parents=True),
        lambda: root.move(b"", b"x"),
        lambda: root.move(b"a", b"", overwrite=True),
        lambda: root.copy(b"a", b""),
        lambda: root.remove(b"", recursive=True),
        lambda: root.open_file(b""),
        lambda: root.set_executable(b"", True),
    ):
        with pytest.raises(WebtermError):
            act()
    assert [entry.name for entry in root.listing(b"").items] == [b"a"]


def test_a_path_is_split_at_its_last_name() -> None:
    assert split(b"a/b/c") == (b"a/b", b"c")
    assert split(b"c") == (b"", b"c")


def test_what_is_shown_is_one_line_of_text() -> None:
    assert shown(b"a b") == "'a b'"
    assert shown(b"a\n\x1b[2J\xff\xe2\x80\xae") == "'a��[2J��'"
    assert len(shown(b"n" * 4000)) < 250


def test_names_that_are_soon_renamed_are_known() -> None:
    assert is_temporary(temporary())
    assert temporary() != temporary()
    assert not is_temporary(b".webterm")
