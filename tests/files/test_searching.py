"""Looking for names and lines: what is found, where, and how much is looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from webterm.errors import InvalidRequest, NoSuchFile, NotADirectory
from webterm.files.root import Root
from webterm.files.searching import (
    BLOCK,
    LARGEST_FILE,
    LONGEST_TEXT,
    OVERLAP,
    PER_FILE,
    SECONDS,
    SMALL_BLOCK,
    Finder,
    Match,
    Search,
    search,
)


def paths(root: Root, text: str, **fields: object) -> set[bytes]:
    return {match.path for match in search(root, Search(text=text, **fields)).items}  # type: ignore[arg-type] # as they are


def lines(root: Root, text: str, **fields: object) -> list[tuple[int | None, int | None, str | None]]:
    found = search(root, Search(text=text, content=True, **fields))  # type: ignore[arg-type] # as they are
    return [(match.line, match.column, match.text) for match in found.items]


def test_names(root: Root, top: Path) -> None:
    (top / "Docs/.git").mkdir(parents=True)
    for name in ("Docs/Readme.md", "docs.txt", "Docs/.git/readme", ".readme", "other"):
        (top / name).touch()
    assert paths(root, "readme") == {b"Docs/Readme.md"}
    assert paths(root, "readme", hidden=True) == {b"Docs/Readme.md", b".readme", b"Docs/.git/readme"}
    assert paths(root, "Docs", case=True) == {b"Docs"}
    assert paths(root, "docs") == {b"Docs", b"docs.txt"}
    assert paths(root, "ocs/read") == {b"Docs/Readme.md"}
    assert paths(root, "readme", path=b"Docs") == {b"Docs/Readme.md"}
    assert paths(root, "nothing") == set()
    for path, error in ((b"gone", NoSuchFile), (b"other", NotADirectory)):
        with pytest.raises(error):
            paths(root, "a", path=path)


def test_lines(root: Root, top: Path) -> None:
    (top / "a").write_bytes("first\r\nzweite Größe: größe\r\n\nlast größe".encode())
    assert lines(root, "gRÖßE") == [(2, 8, "zweite Größe: größe"), (4, 6, "last größe")]
    assert lines(root, "größe", case=True) == [(2, 15, "zweite Größe: größe"), (4, 6, "last größe")]
    assert lines(root, "FIRST") == [(1, 1, "first")]
    assert lines(root, "absent") == []


def test_what_is_no_text_is_passed_over(root: Root, top: Path, outside: Path) -> None:
    (top / "binary").write_bytes(b"\x7fELF\0needle")
    (top / "latin").write_bytes(b"caf\xe9 needle\n")
    (top / "link").symlink_to(outside / "secret")
    os.mkfifo(top / "pipe")
    assert lines(root, "needle") == [(1, 6, "caf\ufffd needle")]
    assert lines(root, "nobody") == []


def test_long_lines(root: Root, top: Path) -> None:
    """A match is found wherever blocks begin and end, once, and with its place."""
    for size in (BLOCK, SMALL_BLOCK):
        text = "needle" if size == BLOCK else "nädel"
        for place in range(size - 12, size + 3):
            (top / "a").write_bytes(b"\n" + b"x" * place + text.encode() + b"x" * 3 * size + text.encode() + b"\n")
            assert [found[:2] for found in lines(root, text)] == [(2, place + 1)]
    (top / "a").write_bytes(b"x" * (5 * BLOCK + 7) + b"needle" + b"y" * 1000)
    (found,) = lines(root, "needle")
    assert found[:2] == (1, 5 * BLOCK + 8)
    assert found[2] == "x" * 120 + "needle" + "y" * 120


def test_numbers_of_lines_over_many_blocks(root: Root, top: Path) -> None:
    text = b"".join(
        b"%d %s\n" % (number, b"needle" if number % 10_000 == 0 else b"hay" * 5) for number in range(1, 60_001)
    )
    (top / "a").write_bytes(text)
    assert [found[0] for found in lines(root, "NEEDLE")] == [10_000, 20_000, 30_000, 40_000, 50_000, 60_000]


def test_it_is_bounded(root: Root, top: Path) -> None:
    (top / "many").write_bytes(b"needle\n" * 1000)
    for number in range(300):
        (top / f"needle{number}").touch()
    found = search(root, Search(text="needle", limit=10))
    assert (len(found.items), found.complete) == (10, False)
    found = search(root, Search(text="needle", limit=300))
    assert (len(found.items), found.complete) == (300, True)
    found = search(root, Search(text="needle", content=True, limit=1000))
    assert (len(found.items), found.complete) == (PER_FILE, False)
    (top / "many").unlink()
    (top / "huge").touch()
    os.truncate(top / "huge", LARGEST_FILE + 1)
    found = search(root, Search(text="needle", content=True))
    assert (found.items, found.complete) == ([], False)
    for text in ("", "x" * (LONGEST_TEXT + 1)):
        with pytest.raises(InvalidRequest):
            search(root, Search(text=text))


def test_it_ends_when_time_is_up(root: Root, top: Path) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 0.1
        return now

    for number in range(300):
        (top / str(number)).touch()
    found = search(root, Search(text="needle"), clock=clock)
    assert not found.complete
    assert SECONDS <= now < SECONDS + 1


class Unwanted(Exception):
    """Nobody wants it any more."""


def test_it_stops_when_nobody_wants_it(root: Root, top: Path) -> None:
    (top / "a").write_bytes(b"hay\n" * 1_000_000)
    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise Unwanted

    with pytest.raises(Unwanted):
        search(root, Search(text="needle", content=True), check=check)


@pytest.mark.parametrize("text", ["ß" * 40, "ss" * 40, "İ" * 60, "ﬃ" * 60, "Ω" * LONGEST_TEXT])
def test_nothing_takes_for_ever(text: str) -> None:
    """Letters with many forms, in text in which they nearly are."""
    finder = Finder(text, case=False)
    for data in (text.casefold()[:-1].encode(), b"s" * finder.block, "Ω".encode() * (finder.block // 2)):
        finder.within((data * (finder.block // len(data) + 1))[: finder.block])(0)
    assert len(text.upper().encode()) <= OVERLAP


def test_one_match_for_one_line() -> None:
    assert Match(path=b"a", line=1) == Match(path=b"a", line=1)


def test_results_have_a_bound_in_bytes(root: Root, top: Path) -> None:
    deep = top.joinpath(*["d" * 250] * 8)
    deep.mkdir(parents=True)
    here = os.open(deep, os.O_RDONLY)
    for number in range(300):
        os.mknod(f"found{number}", dir_fd=here)
    os.close(here)
    found = search(root, Search(text="found", limit=2000))
    assert not found.complete
    assert 200 < len(found.items) < 300
