"""Directories page by page, and trees as one walks through them."""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests.files.conftest import in_memory, put
from webterm.files import listing
from webterm.files.beneath import held
from webterm.files.entries import Kind
from webterm.files.root import Entry, Root

MANY = 100_000


def all_pages(root: Root, path: bytes = b"", *, limit: int, depth: int = 1, hidden: bool = False) -> list[Entry]:
    found: list[Entry] = []
    after: bytes | None = None
    while True:
        page = root.listing(path, depth=depth, hidden=hidden, after=after, limit=limit)
        assert len(page.items) <= limit
        found += page.items
        after = page.next
        if after is None:
            return found
        assert len(page.items) == limit


def test_a_directory_is_listed_by_the_bytes_of_its_names(root: Root, top: Path) -> None:
    for name in (b"b", b"B", b"a", b"\xff", b"\xc3\xa4", b"10", b"9", b".hidden", b"a\nb"):
        put(root, b"dir/" + name, b"")
    page = root.listing(b"dir")
    assert [entry.name for entry in page.items] == [b"10", b"9", b"B", b"a", b"a\nb", b"b", b"\xc3\xa4", b"\xff"]
    assert page.items[0].path == b"dir/10"
    assert (page.next, page.tag) == (None, root.stat(b"dir").tag)
    assert root.listing(b"dir", hidden=True).items[0].name == b".hidden"
    put(root, b"dir/new", b"")
    assert root.listing(b"dir").tag != page.tag


def test_an_empty_directory_has_one_empty_page(root: Root) -> None:
    assert root.listing(limit=1).items == []
    assert root.listing(after=b"x/y", depth=3).next is None


def test_links_tell_what_they_lead_to(root: Root, top: Path, outside: Path) -> None:
    put(root, b"dir/file", b"12345", executable=True)
    for name, text in {
        "a": "dir", "b": "dir/file", "c": "../outside/secret", "d": "nowhere", "e": "/etc", "dir/up": "../dir",
    }.items():  # fmt: skip
        (top / name).symlink_to(text)
    found = {entry.path: entry for entry in root.listing(depth=2).items}
    assert {path: entry.target_kind for path, entry in found.items() if entry.kind == "link"} == {
        b"a": "directory", b"b": "file", b"c": None, b"d": None, b"e": None, b"dir/up": "directory",
    }  # fmt: skip
    assert (found[b"b"].size, found[b"b"].executable, found[b"b"].tag) == (5, True, found[b"dir/file"].tag)
    assert found[b"c"].size == len("../outside/secret")
    for entry in found.values():
        assert root.stat(entry.path) == entry


def test_a_listing_goes_as_deep_as_asked(root: Root) -> None:
    for path in (b"a/b/c/d", b"a/x", b"a-/y", b"b"):
        put(root, path, b"")
    paths = [b"a", b"a/b", b"a/b/c", b"a/b/c/d", b"a/x", b"a-", b"a-/y", b"b"]
    for depth in range(1, 6):
        wanted = [path for path in paths if path.count(b"/") < depth]
        assert [entry.path for entry in root.listing(depth=depth).items] == wanted
        for limit in (1, 2, 3, 100):
            assert [entry.path for entry in all_pages(root, limit=limit, depth=depth)] == wanted


def test_a_page_goes_on_behind_what_is_gone_or_came(root: Root) -> None:
    for name in (b"a/1", b"a/2", b"c/1"):
        put(root, name, b"")
    page = root.listing(depth=2, limit=2)
    assert page.next == b"a/1"
    root.remove(b"a", recursive=True)
    put(root, b"b", b"")
    assert [entry.path for entry in root.listing(depth=2, after=page.next).items] == [b"b", b"c", b"c/1"]
    assert [entry.path for entry in root.listing(depth=2, after=b"b/not/a/directory").items] == [b"c", b"c/1"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    paths=some.sets(some.lists(some.sampled_from(["a", "b", "a.", "-"]), min_size=1, max_size=4).map("/".join)),
    limit=some.integers(1, 7),
    depth=some.integers(1, 5),
)
def test_pages_put_together_are_the_whole(
    tmp_path_factory: pytest.TempPathFactory, paths: set[str], limit: int, depth: int
) -> None:
    top = tmp_path_factory.mktemp("pages")
    for path in paths:
        (top / path).mkdir(parents=True, exist_ok=True)
    below = (path.relative_to(top).parts for path in top.rglob("*"))
    wanted = sorted(parts for parts in below if len(parts) <= depth)
    with Root(top) as root:
        found = [tuple(os.fsdecode(entry.path).split("/")) for entry in all_pages(root, limit=limit, depth=depth)]
    assert found == wanted


@pytest.fixture(scope="module")
def crowd() -> Iterator[Path]:
    """A workspace with a directory ``d`` with very many files."""
    with in_memory() as top:
        (top / "d").mkdir()
        with held(os.open(top / "d", os.O_PATH)) as fd:
            for number in range(MANY):
                os.mknod(b"%06d" % number, dir_fd=fd)
        yield top
        with Root(top) as root:
            root.remove(b"d", recursive=True)
        assert not list(top.iterdir())


def test_very_many_entries_stay_usable(crowd: Path) -> None:
    with Root(crowd) as root:
        start = time.perf_counter()
        page = root.listing(b"d", limit=1000)
        middle = root.listing(b"d", limit=1000, after=b"050000")
        took = (time.perf_counter() - start) / 2
        assert [entry.name for entry in page.items] == [b"%06d" % number for number in range(1000)]
        assert middle.items[-1].name == b"051000"
        assert took < 3, "a page of 100,000 entries takes about 0.1 s on an idle machine"
        assert root.usage(b"d").entries == MANY


def test_a_page_has_a_bound(crowd: Path) -> None:
    with Root(crowd) as root:
        page = root.listing(limit=10**9, depth=10**9)
        assert len(page.items) == listing.LARGEST
        assert root.listing(after=page.next, depth=2, limit=1).items[0].path == b"d/%06d" % (listing.LARGEST - 1)


def test_long_paths_make_short_pages(root: Root, top: Path) -> None:
    deep = b"/".join([b"\xff" * 250] * 8)
    put(root, deep + b"/0", b"")
    here = os.open(os.fsencode(top) + b"/" + deep, os.O_RDONLY)
    for number in range(1, 1000):
        os.mknod(str(number), dir_fd=here)
    os.close(here)
    found, after, pages = 0, None, 0
    while pages == 0 or after is not None:
        page = root.listing(depth=32, limit=5000, after=after)
        assert sum(len(entry.path) for entry in page.items) < listing.LARGEST_BYTES + 4096
        found, after, pages = found + len(page.items), page.next, pages + 1
    assert (found, pages) == (1008, 4)


def test_a_page_takes_no_more_memory_in_a_large_directory(crowd: Path) -> None:
    with Root(crowd) as root:
        tracemalloc.start()
        root.listing(b"d", limit=100)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1024 * 1024


def test_walking_through_a_tree(root: Root, top: Path, outside: Path) -> None:
    put(root, b"a/b/file", b"content")
    put(root, b"a/.hidden/file", b"")
    (top / "a/out").symlink_to("../../outside")
    os.mkfifo(top / "a/pipe")
    found: dict[bytes, Kind] = {}
    for item in root.walk(b"a"):
        assert item.path.rpartition(b"/")[0] in (b"", *found)
        found[item.path] = item.kind
        if item.path == b"b/file":
            with open(item.open(), "rb") as file:
                assert file.read() == b"content"
        if item.kind == "link":
            assert item.link_text() == b"../../outside"
    assert found == {
        b"b": "directory", b"b/file": "file", b".hidden": "directory", b".hidden/file": "file",
        b"out": "link", b"pipe": "other",
    }  # fmt: skip
    assert {item.path for item in root.walk(b"a", hidden=False)} == {b"b", b"b/file", b"out", b"pipe"}
