"""The place that a path names, whether or not something is there: a directory that is held, and a name in it."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Final, Self

from webterm.files.beneath import MOST_LINKS, Way, give, open_path, set_mode
from webterm.files.names import split
from webterm.files.tree import Descent

DIRECTORY_MODE: Final = 0o755
FILE_MODE: Final = 0o644
PERMISSIONS: Final = 0o777
"""What is kept of a mode: no set-user-id bit and its like."""


class Place:
    """Where something is or may come to be. ``directory`` is held (O_PATH) until `close`.

    All methods raise OSError.
    """

    def __init__(self, directory: int, name: bytes) -> None:
        self.directory = directory
        self.name = name
        self._above = -1  # the directory in which others were made on the way here, each in the one before
        self._made: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def status(self) -> os.stat_result | None:
        """Of what is there, links not followed; None when there is nothing."""
        try:
            return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def go(self, below: int) -> None:
        """On into a directory that is held; it is taken over."""
        os.close(self.directory)
        self.directory = below

    def enter(self, top: int, path: bytes, *, way: Way, account: int | None) -> None:
        """On into the directory with this path, the next one down, which is made."""
        below = self._make(path.rpartition(b"/")[2], account)
        if below < 0:  # somebody else has made it at the same moment, and what is above is theirs as well
            self.keep()
            below = open_path(top, path, way=way)
        self.go(below)

    def _make(self, name: bytes, account: int | None) -> int:
        try:
            below = make_directory(self.directory, name, account=account)
        except FileExistsError:
            return -1
        if self._above < 0:
            self._above = os.dup(self.directory)
        self._made.append(name)
        return below

    def keep(self) -> None:
        """The directories made on the way stay."""
        self._made.clear()
        if self._above >= 0:
            fd, self._above = self._above, -1
            os.close(fd)

    def close(self) -> None:
        """Let go, and remove the directories that were made on the way, unless `keep` was called. Twice is harmless."""
        if self._made:
            with contextlib.suppress(OSError), Descent(self._above) as descent:
                for name in self._made[:-1]:
                    descent.down(name)
                os.rmdir(self._made[-1], dir_fd=descent.here)
                for _ in self._made[:-1]:
                    name = descent.up()
                    os.rmdir(name, dir_fd=descent.here)
        self.keep()
        if self.directory >= 0:
            fd, self.directory = self.directory, -1
            os.close(fd)


def place_of(top: int, path: bytes, *, way: Way, parents: bool = False, account: int | None = None) -> Place:
    """The place with this path, a link in the last name not followed; ``parents`` makes missing directories.

    Raises OSError, and as `webterm.files.names.split` does.
    """
    directory, name = split(path)
    try:
        return Place(open_path(top, directory, way=way), name)
    except FileNotFoundError:
        if not parents:
            raise
    return _make_parents(top, directory, name, way=way, account=account)


def _make_parents(top: int, directory: bytes, name: bytes, *, way: Way, account: int | None) -> Place:
    ends = [end for end, byte in enumerate(directory) if byte == ord("/")] + [len(directory)]
    there, missing = 0, len(ends)  # so many names lead to a directory, and so many do not
    place = Place(os.dup(top), name)
    try:
        while missing - there > 1:
            middle = (there + missing) // 2
            try:
                place.go(open_path(top, directory[: ends[middle - 1]], way=way))
                there = middle
            except FileNotFoundError:
                missing = middle
        for end in ends[there:]:
            place.enter(top, directory[:end], way=way, account=account)
    except BaseException:
        place.close()
        raise
    return place


def target_of(top: int, path: bytes, *, way: Way, parents: bool = False, account: int | None = None) -> Place:
    """The place that this path leads to, links followed, also where nothing is there yet."""
    place = place_of(top, path, way=way, parents=parents, account=account)
    for _ in range(MOST_LINKS):
        try:
            text = os.readlink(place.name, dir_fd=place.directory)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):  # no link
                return place
            place.close()
            raise
        place.close()
        path = _joined(path, text)
        directory, _, name = path.rpartition(b"/")
        place = Place(open_path(top, directory, way=way), name)
    place.close()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _joined(path: bytes, text: bytes) -> bytes:
    """The path that a link with this path and text leads to."""
    if text.startswith(b"/"):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    if text.rpartition(b"/")[2] in (b"", b".", b".."):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    directory, slash, _ = path.rpartition(b"/")
    return directory + slash + text


def make_directory(parent: int, name: bytes, *, account: int | None, mode: int = DIRECTORY_MODE) -> int:
    """A new directory, held (O_PATH). Leaves nothing when it raises."""
    os.mkdir(name, 0o700, dir_fd=parent)
    try:
        fd = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        try:
            if os.fstat(fd).st_uid == os.geteuid():  # ours, and not what somebody has just put in its place
                settle(fd, mode, account)
        except BaseException:
            os.close(fd)
            raise
    except BaseException:
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=parent)
        raise
    return fd


def settle(fd: int, mode: int, account: int | None) -> None:
    """Give what is held (O_PATH or open; no link) these permissions, whatever the umask, and this owner."""
    if account is not None and os.geteuid() == 0:
        give(fd, account)
    set_mode(fd, mode & PERMISSIONS)


def mode_of(there: os.stat_result | None, executable: bool | None) -> int:
    """The permissions of a file that takes the place of ``there``."""
    mode = FILE_MODE if there is None or not stat.S_ISREG(there.st_mode) else there.st_mode & PERMISSIONS
    if executable is None:
        return mode
    return mode | (mode & 0o444) >> 2 if executable else mode & ~0o111
