"""Both ways of opening a path, held against each other and against what the system says."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from webterm.files import beneath
from webterm.files.beneath import Way, held, open_path

Outcome = tuple[str, object]


def outcome(top: int, path: bytes, way: Way, *, follow: bool = True) -> Outcome:
    """What opening leads to: device and number, or the name of the error."""
    try:
        with held(open_path(top, path, follow=follow, way=way)) as fd:
            status = os.fstat(fd)
            assert not os.get_inheritable(fd)
            return "is", (status.st_dev, status.st_ino)
    except OSError as error:
        return "raises", errno.errorcode[error.errno or 0]


def same(path: Path, *, follow: bool = True) -> Outcome:
    status = path.stat(follow_symlinks=follow)
    return "is", (status.st_dev, status.st_ino)


@pytest.fixture
def held_top(top: Path) -> Iterator[int]:
    with held(os.open(top, os.O_PATH)) as fd:
        yield fd


def build(top: Path) -> None:
    (top / "dir" / "sub" / "low").mkdir(parents=True)
    (top / "dir" / "file").touch()
    (top / "file").touch()
    for name, text in {
        "to_dir": "dir",
        "to_sub": "to_dir/sub",
        "to_file": "dir/file",
        "to_file_slash": "dir/file/",
        "to_dir_slash": "dir//",
        "dot": ".",
        "up_inside": "dir/sub/../file",
        "up_to_top": "dir/sub/../..",
        "up_out": "..",
        "up_out_and_in": "../files/file",
        "up_far": "dir/../../outside/secret",
        "absolute": "/etc/passwd",
        "absolute_in": str(top / "file"),
        "top_of_system": "/",
        "dangling": "nothing/there",
        "circle": "circle",
        "to_proc": "/proc/self/root",
        "dir/up": "..",
        "dir/up_up": "../..",
        "dir/sub/out": "../../../outside",
        "long": "x" * 256,
    }.items():
        (top / name).symlink_to(text)


INSIDE = {
    b"": "",
    b".": "",
    b"file": "file",
    b"dir": "dir",
    b"dir/sub/low": "dir/sub/low",
    b"to_dir": "dir",
    b"to_dir/file": "dir/file",
    b"to_sub/low": "dir/sub/low",
    b"to_sub": "dir/sub",
    b"to_file": "dir/file",
    b"to_dir_slash/sub": "dir/sub",
    b"dot/dot/dot/file": "file",
    b"up_inside": "dir/file",
    b"up_to_top": "",
    b"up_to_top/file": "file",
    b"dir/up/dir/up/file": "file",
    b"dir/sub/../../file": "file",
    b"to_sub/../file": "dir/file",
    b"dir//sub": "dir/sub",
    b"dir/": "dir",
}

NOWHERE = {
    b"..": "EXDEV",
    b"../files/file": "EXDEV",
    b"dir/../..": "EXDEV",
    b"/etc/passwd": "EXDEV",
    b"/": "EXDEV",
    b"up_out": "EXDEV",
    b"up_out/files/file": "EXDEV",
    b"up_out_and_in": "EXDEV",
    b"up_far": "EXDEV",
    b"absolute": "EXDEV",
    b"absolute_in": "EXDEV",
    b"top_of_system": "EXDEV",
    b"top_of_system/etc/passwd": "EXDEV",
    b"to_proc": "EXDEV",
    b"dir/up_up": "EXDEV",
    b"dir/up_up/outside/secret": "EXDEV",
    b"dir/sub/out/secret": "EXDEV",
    b"circle": "ELOOP",
    b"circle/file": "ELOOP",
    b"dangling": "ENOENT",
    b"nothing": "ENOENT",
    b"nothing/..": "ENOENT",
    b"file/": "ENOTDIR",
    b"file/.": "ENOTDIR",
    b"file/..": "ENOTDIR",
    b"file/x": "ENOTDIR",
    b"to_file_slash": "ENOTDIR",
    b"to_file/x": "ENOTDIR",
    b"long": "ENAMETOOLONG",
    b"x" * 256: "ENAMETOOLONG",
    b"dir/" + b"../dir/" * 1000: "ENAMETOOLONG",
}


@pytest.mark.parametrize("path", INSIDE)
def test_what_is_inside_is_opened(top: Path, held_top: int, way: Way, path: bytes) -> None:
    build(top)
    assert outcome(held_top, path, way) == same(top / INSIDE[path])


@pytest.mark.parametrize("path", NOWHERE)
def test_what_leads_out_or_nowhere_is_not(top: Path, outside: Path, held_top: int, way: Way, path: bytes) -> None:
    build(top)
    assert outcome(held_top, path, way) == ("raises", NOWHERE[path])


def test_a_link_itself_is_held_when_it_is_not_to_be_followed(top: Path, held_top: int, way: Way) -> None:
    build(top)
    for name in ("to_dir", "absolute", "circle", "dangling", "dir/up_up"):
        assert outcome(held_top, name.encode(), way, follow=False) == same(top / name, follow=False)
    assert outcome(held_top, b"to_dir/", way, follow=False) == same(top / "dir")
    assert outcome(held_top, b"dir/up_up/outside", way, follow=False) == ("raises", "EXDEV")


def test_forty_links_are_followed_and_no_more(top: Path, held_top: int, way: Way) -> None:
    (top / "0").touch()
    for number in range(1, 42):
        (top / str(number)).symlink_to(str(number - 1))
    assert outcome(held_top, b"40", way) == same(top / "0")
    assert outcome(held_top, b"41", way) == ("raises", "ELOOP")


def test_a_path_may_have_as_many_names_as_fit(deep: Path, way: Way) -> None:
    with held(os.open(deep, os.O_PATH)) as deep_top:
        here = os.dup(deep_top)
        for _ in range(2046):
            os.mkdir("d", dir_fd=here)
            below = os.open("d", os.O_PATH, dir_fd=here)
            os.close(here)
            here = below
        with held(here):
            status = os.fstat(here)
            expected: Outcome = "is", (status.st_dev, status.st_ino)
        path = b"/".join([b"d"] * 2046)
        assert outcome(deep_top, path, way) == expected
        assert outcome(deep_top, path + b"/..", way) == outcome(deep_top, path[:-2], way)
        assert outcome(deep_top, path + b"/..xyz", way) == ("raises", "ENAMETOOLONG")


def test_links_that_lead_up_and_down_do_not_take_for_ever(deep: Path) -> None:
    """Only the walk could: it goes down again from the top after each way up."""
    names = "/".join(["d"] * 300)
    (deep / names).mkdir(parents=True)
    (deep / "link").symlink_to(f"{names}{'/../d' * 690}")
    with held(os.open(deep, os.O_PATH)) as deep_top:
        assert outcome(deep_top, b"link", "walk") == ("raises", "ELOOP")


def test_no_descriptor_is_left_open(top: Path, outside: Path, held_top: int, way: Way) -> None:
    build(top)
    before = sorted(Path("/proc/self/fd").iterdir())
    for path in [*INSIDE, *NOWHERE]:
        outcome(held_top, path, way)
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_the_system_here_has_its_own_way() -> None:
    """Otherwise the tests for it would not be about it."""
    assert beneath.best_way() == "openat2"


NAMES = some.sampled_from(["a", "b", "c", "..", ".", ""])
TEXTS = some.lists(NAMES, min_size=1, max_size=6).map("/".join)


@settings(max_examples=100, deadline=None)
@given(
    directories=some.lists(some.lists(some.sampled_from("abc"), min_size=1, max_size=3), max_size=5),
    links=some.dictionaries(some.lists(some.sampled_from("abc"), min_size=1, max_size=3).map("/".join), TEXTS),
    paths=some.lists(TEXTS, min_size=1, max_size=20),
)
def test_both_ways_agree_on_every_tree(directories: list[list[str]], links: dict[str, str], paths: list[str]) -> None:
    with tempfile.TemporaryDirectory() as base:
        top = Path(base, "top")
        top.mkdir()
        for names in directories:
            top.joinpath(*names).mkdir(parents=True, exist_ok=True)
        for place, text in links.items():
            path = top / place
            if text and path.parent.is_dir() and not os.path.lexists(path):
                path.symlink_to(text)
        with held(os.open(top, os.O_PATH)) as fd:
            for wanted in paths:
                for follow in (True, False):
                    own = outcome(fd, wanted.encode(), "openat2", follow=follow)
                    assert outcome(fd, wanted.encode(), "walk", follow=follow) == own
