"""Files, and what searches find, as messages and answers show them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from webterm.protocol.file_paths import percent, shown
from webterm.work.files import Entry, Listing, Match

KindName = Literal["file", "directory", "link", "other"]


class FileEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file, directory or whatever else has a name.

    ``path`` is relative to the workspace; ``size`` in bytes, ``modified`` in seconds since 1970. ``tag`` is another one
    after each change; it is the file's ETag without the quotes. ``encoded`` is the path percent-encoded, where it is
    not UTF-8: ``path`` and ``name`` have U+FFFD then and are good for showing only. A link says what it leads to
    (``target``; without it, to nothing in the workspace), and where that is a file its size, time and tag.
    """

    path: str
    name: str
    kind: KindName
    size: int
    modified: float
    tag: str
    executable: bool
    target: KindName | None = None
    encoded: str | None = None


class FoundEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A name, or a line of a file, that a search has found. ``line`` and ``column`` count from 1, in characters.

    ``text`` is the line, or the part of it around what was found.
    """

    path: str
    encoded: str | None = None
    line: int | None = None
    column: int | None = None
    text: str | None = None


def file_entry(entry: Entry) -> FileEntry:
    """An entry, as it is shown."""
    path, encoded = shown(entry.path)
    return FileEntry(
        path=path,
        name=shown(entry.name)[0],
        kind=entry.kind,
        size=entry.size,
        modified=entry.modified,
        tag=entry.tag,
        executable=entry.executable,
        target=entry.target_kind,
        encoded=encoded,
    )


def file_entries(entries: Iterable[Entry]) -> list[FileEntry]:
    """Several."""
    return [file_entry(entry) for entry in entries]


def next_page(listing: Listing) -> str | None:
    """What the next call of a listing names as ``after``."""
    return None if listing.next is None else percent(listing.next)


def found_entry(match: Match) -> FoundEntry:
    """What a search has found, as it is shown."""
    path, encoded = shown(match.path)
    return FoundEntry(path=path, encoded=encoded, line=match.line, column=match.column, text=match.text)
