"""What is said of files and directories.

Paths are bytes: names parted by slashes, from the workspace's top on, as the system has them; ``b""`` is the top.
"""

from __future__ import annotations

import enum
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["file", "directory", "link", "other"]
"""``other`` is a pipe, a socket or a device: it can be renamed and removed, and is never opened."""


class Anything(enum.Enum):
    """The type of `ANY`."""

    ANY = "any"


ANY: Final = Anything.ANY
"""Where a tag could be expected: whatever is there, or nothing."""

Expected = str | None | Literal[Anything.ANY]
"""What has to be there for a write to happen: the file with this tag, nothing (None), or `ANY`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file, directory or whatever else has a name.

    ``size`` is in bytes, ``modified`` in seconds since 1970. ``tag`` changes whenever content or permissions do;
    it is good as a strong entity tag, without quotes and made of ``[0-9a-f-]``. A link says of what it leads to the
    kind (``target_kind``; None: to nothing, or out of the workspace), and where that is a file also the size, time, tag
    and ``executable``, so that they are those of the content that is read through it.
    """

    path: bytes
    name: bytes
    kind: Kind
    size: int
    modified: float
    tag: str
    executable: bool
    target_kind: Kind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One page of a directory. ``next`` is the next page's ``after``, None at the end; ``tag`` is the directory's."""

    items: list[Entry]
    next: bytes | None
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How many names there are below a directory, and how many bytes their files take.

    A file with several names counts its bytes once; one with holes counts what it takes on the disk.
    """

    bytes: int
    entries: int


Report = Callable[[Usage], None]
"""Called now and then, in the thread that works, with how much has been done. What it raises ends the work."""


def kind_of(status: os.stat_result) -> Kind:
    """The kind that a mode says."""
    if stat.S_ISREG(status.st_mode):
        return "file"
    if stat.S_ISDIR(status.st_mode):
        return "directory"
    return "link" if stat.S_ISLNK(status.st_mode) else "other"


def tag_of(status: os.stat_result) -> str:
    """A text that is another one after each change of content or permissions."""
    return f"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}-{status.st_ctime_ns:x}"


def entry_of(path: bytes, status: os.stat_result, target: os.stat_result | None = None) -> Entry:
    """The entry with this path. ``target`` is what a link leads to, if anything inside the workspace."""
    kind = kind_of(status)
    target_kind = kind_of(target) if kind == "link" and target is not None else None
    seen = target if target is not None and target_kind == "file" else status
    return Entry(
        path=path,
        name=path.rpartition(b"/")[2],
        kind=kind,
        size=seen.st_size,
        modified=seen.st_mtime,
        tag=tag_of(seen),
        executable=stat.S_ISREG(seen.st_mode) and bool(seen.st_mode & 0o111),
        target_kind=target_kind,
    )


def bytes_of(status: os.stat_result) -> int:
    """What a file takes: its length, or what it has on the disk where that is less (holes, compression)."""
    return min(status.st_size, status.st_blocks * 512) if stat.S_ISREG(status.st_mode) else 0
