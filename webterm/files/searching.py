"""Looking for files by their names, and for lines in files. Bounded in time, in bytes read and in results."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from webterm.errors import InvalidRequest, NoSuchFile, NotAFile, PermissionDenied
from webterm.files.names import is_temporary
from webterm.files.root import Root
from webterm.files.tree import Found as Met

MOST_PATHS = 512 * 1024
"""Bytes of the paths of all results."""
LONGEST_TEXT = 256
"""Characters to look for."""
MOST_RESULTS = 2000
SECONDS = 10.0
"""For one search, of a clock on the wall."""
MOST_BYTES = 512 * 1024 * 1024
"""Read in one search."""
LARGEST_FILE = 64 * 1024 * 1024
"""Of larger files the content is passed over."""
PER_FILE = 100
"""Most lines of one file."""
BLOCK = 256 * 1024
"""Bytes read at once. While a block is looked through, nothing else runs in this process: well under a millisecond."""
SMALL_BLOCK = 8 * 1024
"""The same for what only a pattern finds: in the worst case every character of it is compared at every byte."""
OVERLAP = 12 * LONGEST_TEXT
"""Bytes that a match has at most."""
BEGINNING = 8000
"""Bytes at a file's beginning; with a NUL among them it is no text."""
AROUND = 120
"""Bytes of a line that are shown before and after a match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for below the directory ``path``: ``text`` in names, or, with ``content``, in lines of files.

    With a slash in it, ``text`` is looked for in paths instead of names. Without ``case``, large and small letters are
    the same. ``hidden``: also in files and directories whose names begin with a dot. At most ``limit`` results.
    """

    text: str
    path: bytes = b""
    content: bool = False
    case: bool = False
    hidden: bool = False
    limit: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Something found. Of a line in a file: its number and the character in it, both from 1 on, and its text.

    ``text`` is cut around the match where the line is long, and has U+FFFD for what is not UTF-8. Only the first match
    in a line is told.
    """

    path: bytes
    line: int | None = None
    column: int | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """``complete``: everything was looked at; otherwise there may be more."""

    items: list[Match]
    complete: bool


def search(
    root: Root,
    wanted: Search,
    *,
    check: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Look through a directory; links are not followed, and files that may not be read are passed over.

    ``check`` is called again and again, and what it raises is raised here. Raises `webterm.errors.InvalidRequest` for
    an empty or too long text, and what ``root.walk`` raises for the directory.
    """
    if not 1 <= len(wanted.text) <= LONGEST_TEXT:
        raise InvalidRequest(f"what to look for has 1 to {LONGEST_TEXT} characters")
    looking = _Looking(wanted, check, clock)
    items: list[Match] = []
    limit = min(max(wanted.limit, 1), MOST_RESULTS)
    room = MOST_PATHS
    for match in looking.through(root):
        room -= len(match.path)
        if len(items) == limit or room < 0:
            return Found(items, False)
        items.append(match)
    return Found(items, looking.complete)


class _Looking:
    def __init__(self, wanted: Search, check: Callable[[], None], clock: Callable[[], float]) -> None:
        self._wanted = wanted
        self._finder = Finder(wanted.text, case=wanted.case)
        self._check = check
        self._clock = clock
        self._end = clock() + SECONDS
        self._bytes = MOST_BYTES
        self.complete = True

    def through(self, root: Root) -> Iterator[Match]:
        before = self._wanted.path + b"/" if self._wanted.path else b""
        for met in root.walk(self._wanted.path, hidden=self._wanted.hidden):
            self._check()
            if self._clock() >= self._end or self._bytes <= 0:
                self.complete = False
                return
            if any(map(is_temporary, met.path.split(b"/"))):
                continue
            path = before + met.path
            if not self._wanted.content:
                yield from self._name(met, path)
            elif met.kind == "file":
                yield from self._content(met, path)

    def _name(self, met: Met, path: bytes) -> Iterator[Match]:
        whole = "/" in self._wanted.text
        if self._finder.within(met.path if whole else met.path.rpartition(b"/")[2])(0):
            yield Match(path=path)

    def _content(self, met: Met, path: bytes) -> Iterator[Match]:
        if met.status.st_size > LARGEST_FILE:
            self.complete = False
            return
        try:
            descriptor = met.open()
        except (NoSuchFile, NotAFile, PermissionDenied):
            return
        try:
            lines = _Lines(descriptor, self._finder, path)
            for told, match in enumerate(lines.matches(self._paid)):
                if told == PER_FILE:
                    self.complete = False
                    return
                yield match
        finally:
            os.close(descriptor)

    def _paid(self, count: int) -> bool:
        """Whether there is time, and room for so many bytes more."""
        self._check()
        self._bytes -= count
        if self._bytes < 0 or self._clock() >= self._end:
            self.complete = False
        return self.complete


class _Lines:
    """One file's lines with what is looked for."""

    def __init__(self, descriptor: int, finder: Finder, path: bytes) -> None:
        self._descriptor = descriptor
        self._finder = finder
        self._path = path
        self._number = 1
        """Of the first line in the block."""
        self._passed = 0
        """Characters of that line in blocks before."""
        self._told = 0
        """The last line of which a match was told."""

    def matches(self, paid: Callable[[int], bool]) -> Iterator[Match]:
        block, size, first = b"", self._finder.block, True
        while True:
            more = os.read(self._descriptor, size)
            if not more or (first and b"\0" in more[:BEGINNING]) or not paid(len(more)):
                yield from self._within(block)
                return
            first = False
            block += more
            end = block.rfind(b"\n") + 1
            if end:
                yield from self._within(block[:end])
            elif len(block) > size:  # one long line; what may be the beginning of a match is looked at again
                yield from self._within(block)
                end = len(block) - OVERLAP
            self._pass(block[:end])
            block = block[end:]

    def _within(self, block: bytes) -> Iterator[Match]:
        next_after = self._finder.within(block)
        counted, number, place = 0, self._number, 0
        while span := next_after(place):
            number += block.count(b"\n", counted, span[0])
            counted = span[0]
            begin = block.rfind(b"\n", 0, span[0]) + 1
            end = block.find(b"\n", span[1])
            end = len(block) if end < 0 else end
            if number > self._told:
                self._told = number
                yield self._match(block, begin, end, span, number)
            place = end

    def _match(self, block: bytes, begin: int, end: int, span: tuple[int, int], number: int) -> Match:
        before = len(_text(block[begin : span[0]])) + (self._passed if number == self._number else 0)
        shown = _text(block[max(begin, span[0] - AROUND) : min(end, span[1] + AROUND)])
        return Match(path=self._path, line=number, column=before + 1, text=shown.removesuffix("\r"))

    def _pass(self, block: bytes) -> None:
        lines = block.count(b"\n")
        self._number += lines
        rest = block[block.rfind(b"\n") + 1 :]
        self._passed = len(_text(rest)) + (0 if lines else self._passed)


class Finder:
    """Finds a text in bytes that may be UTF-8. Without ``case``, each letter in any of its forms.

    ``block``: how many bytes should be given to it at a time, so that it never takes long.
    """

    def __init__(self, text: str, *, case: bool) -> None:
        written = text.encode("utf-8", "surrogateescape")
        self._lower = not case
        self._literal = written if case else written.lower()
        self._pattern: re.Pattern[bytes] | None = None
        if not case and not written.isascii():
            self._pattern = re.compile(b"".join(_any_form(letter) for letter in text), re.IGNORECASE)
        self.block = BLOCK if self._pattern is None else SMALL_BLOCK

    def within(self, data: bytes) -> Callable[[int], tuple[int, int] | None]:
        """What tells begin and end of the first place in ``data`` that begins at an index or later."""
        if self._pattern is not None:
            pattern = self._pattern

            def matched(place: int) -> tuple[int, int] | None:
                found = pattern.search(data, place)
                return found and found.span()

            return matched
        told = data.lower() if self._lower else data

        def literal(place: int) -> tuple[int, int] | None:
            begin = told.find(self._literal, place)
            return None if begin < 0 else (begin, begin + len(self._literal))

        return literal


def _any_form(letter: str) -> bytes:
    """A pattern for one letter. Bytes know the forms of ASCII letters by themselves.

    No two of the forms in it may fit the same bytes: trying both again and again would take for ever.
    """
    folded = letter.casefold()
    forms = {letter, letter.lower(), letter.upper(), letter.title(), folded, folded.upper()}
    written = sorted({form.encode("utf-8", "surrogateescape").lower() for form in forms})
    return b"(?:" + b"|".join(map(re.escape, written)) + b")"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
