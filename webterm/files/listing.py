"""Directories page by page, sorted, without ever holding more names than a page has."""

from __future__ import annotations

import contextlib
import heapq
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from webterm.files.tree import listed

DEEPEST: Final = 64
"""Levels of one listing; each holds a descriptor."""
LARGEST: Final = 10_000
"""Entries of one page."""
LARGEST_BYTES: Final = 512 * 1024
"""Bytes of all paths of one page: where directories lie deep in each other, or names are long, it has fewer entries."""


@dataclass(slots=True)
class _Level:
    """One directory: its descriptor, its path with a slash behind, and the next names, the first one last."""

    fd: int
    prefix: bytes
    names: list[bytes] = field(default_factory=list)
    is_all: bool = False
    last: bytes | None = None


class Page:
    """The entries below a directory, those after the path ``after``, for a page of ``limit``. To be closed.

    ``limit`` is also an attribute, as it holds.
    """

    def __init__(self, top: int, *, depth: int, hidden: bool, after: bytes | None, limit: int) -> None:
        self._depth = min(max(depth, 1), DEEPEST)
        self._hidden = hidden
        self.limit = min(max(limit, 1), LARGEST)
        self._levels = [_Level(os.dup(top), b"")]
        self._resume(after.split(b"/") if after else [])

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *error: object) -> None:
        while self._levels:
            os.close(self._levels.pop().fd)

    def entries(self) -> Iterator[tuple[bytes, os.stat_result]]:
        """Path and status of one entry after the other; links are not followed. Raises OSError.

        A directory's content comes behind it. The caller stops when it has enough.
        """
        while self._levels:
            level = self._levels[-1]
            if not level.names and not self._fill(level):
                os.close(self._levels.pop().fd)
                continue
            name = level.last = level.names.pop()
            try:
                status = os.stat(name, dir_fd=level.fd, follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield level.prefix + name, status
            if stat.S_ISDIR(status.st_mode):
                self._descend(level, name)

    def _resume(self, after: list[bytes]) -> None:
        """Go to where the page before ended: only names behind those of ``after`` come, on each level."""
        for number, name in enumerate(after):
            level = self._levels[-1]
            level.last = name
            if number + 1 >= self._depth or not self._descend(level, name):
                return

    def _descend(self, level: _Level, name: bytes) -> bool:
        if len(self._levels) >= self._depth:
            return False
        try:
            fd = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=level.fd)
        except OSError:
            return False  # no directory, or none any more
        self._levels.append(_Level(fd, level.prefix + name + b"/"))
        return True

    def _fill(self, level: _Level) -> bool:
        """Get the next names of a directory. False when there are none, or it may not be listed."""
        if level.is_all:
            return False
        most = self.limit + 1
        with contextlib.ExitStack() as stack:
            try:
                entries = stack.enter_context(listed(level.fd))
            except OSError:  # it may not be listed, or has just been removed
                if len(self._levels) == 1:
                    raise
                return False
            names = (os.fsencode(entry.name) for entry in entries)
            level.names = heapq.nsmallest(most, (name for name in names if self._is_wanted(name, level.last)))
        level.is_all = len(level.names) < most
        level.names.reverse()
        return bool(level.names)

    def _is_wanted(self, name: bytes, last: bytes | None) -> bool:
        return (last is None or name > last) and (self._hidden or not name.startswith(b"."))
