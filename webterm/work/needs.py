"""How much room something takes. All of it blocks, and belongs into threads."""

from __future__ import annotations

import os
from dataclasses import dataclass

from webterm.errors import NoSuchFile, NotADirectory, WebtermError
from webterm.files.entries import Report, Usage, bytes_of
from webterm.files.root import Root


@dataclass(frozen=True, slots=True)
class Before:
    """What is where a file or directory is to be written.

    ``bytes`` become free when it is replaced; ``entries`` are added: itself, if it is not ``found``, and the
    directories that are missing on the way.
    """

    found: bool
    bytes: int
    entries: int


def look(root: Root, path: bytes, *, parents: bool) -> Before:
    """What is at a path. Raises what ``root.stat`` raises, save that nothing need be there."""
    try:
        root.stat(path)
    except NoSuchFile:
        return Before(False, 0, 1 + (_missing(root, path) if parents else 0))
    except NotADirectory:
        return Before(False, 0, 1)  # what is done next says it better
    return Before(True, _freed(root, path), 0)


def size_of(root: Root, path: bytes, report: Report) -> Usage:
    """What a copy of a file or directory takes. Raises what ``root.stat`` raises."""
    entry = root.stat(path)
    if entry.kind == "directory":
        usage = root.usage(path, report=report)
        return Usage(bytes=usage.bytes, entries=usage.entries + 1)
    return Usage(bytes=entry.size if "file" in (entry.kind, entry.target_kind) else 0, entries=1)


def _missing(root: Root, path: bytes) -> int:
    count = 0
    while path := path.rpartition(b"/")[0]:
        try:
            root.stat(path)
        except NoSuchFile:
            count += 1
        else:
            break
    return count


def _freed(root: Root, path: bytes) -> int:
    """What a file really takes, which is less than its size where it has holes; and nothing if it has more names."""
    try:
        descriptor, _ = root.open_file(path)
    except WebtermError:
        return 0
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return bytes_of(status) if status.st_nlink == 1 else 0
