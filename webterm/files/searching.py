"""Looking for files by their names, and for lines in files."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for below the directory ``path``: ``text`` in names, or, with ``content``, in lines of files.

    Without ``case`` large and small letters are the same. At most ``limit`` results.
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

    ``text`` is cut around the match where the line is long, and has U+FFFD for what is not UTF-8.
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
