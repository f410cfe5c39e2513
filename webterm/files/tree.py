"""Walking through all that is below a directory, however deep, on few descriptors."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from webterm.files.beneath import held, open_listed, reopen
from webterm.files.entries import Kind, Report, Usage, bytes_of, kind_of
from webterm.files.faults import translated

MOST_HELD: Final = 64
"""How many directories of one path down are held open."""
REPORT_EVERY: Final = 256

_DIRECTORY: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something below the directory that is walked through. ``path`` is from that directory on."""

    path: bytes
    kind: Kind
    status: os.stat_result
    directory: int

    def open(self) -> int:
        """A descriptor to read this regular file; whoever calls closes it.

        Raises `webterm.errors.NotAFile`, `webterm.errors.NoSuchFile` and `webterm.errors.PermissionDenied`.
        """
        with translated(self.path):
            return open_regular(self.directory, self.path.rpartition(b"/")[2])

    def link_text(self) -> bytes:
        """What this link says. Raises `webterm.errors.NoSuchFile`, also when it is no link any more."""
        with translated(self.path):
            return link_text(self.directory, self.path.rpartition(b"/")[2])


def link_text(directory: int, name: bytes) -> bytes:
    """What the link of this name says. Raises OSError, ENOENT also when it is no link any more."""
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from error


def open_regular(directory: int, name: bytes) -> int:
    """A descriptor to read the regular file of this name; a link is none. Raises OSError, ENXIO for all else."""
    with held(os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=directory)) as fd:
        return reopen_regular(fd)


def reopen_regular(fd: int) -> int:
    """A descriptor to read the regular file that is held. Raises OSError, also as `check_regular`."""
    check_regular(fd)
    return reopen(fd, os.O_RDONLY)


def check_regular(fd: int) -> os.stat_result:
    """The status of the regular file that is held. Raises OSError, EISDIR or ENXIO when it is none."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        number = errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.ENXIO
        raise OSError(number, os.strerror(number))
    return status


@dataclass(slots=True)
class _Level:
    name: bytes
    identity: tuple[int, int]
    fd: int | None


class Descent:
    """A way down from a directory. All methods raise OSError; links are never followed.

    ``here`` is the descriptor (O_PATH) of the lowest directory, ``path`` its path from the top on, as it was walked.
    """

    def __init__(self, top: int) -> None:
        self.here = os.dup(top)
        self.path = b""
        self._levels = [_Level(b"", _identity(self.here), self.here)]

    def __enter__(self) -> Descent:
        return self

    def __exit__(self, *error: object) -> None:
        for level in self._levels:
            if level.fd is not None:
                os.close(level.fd)
        self._levels.clear()

    @property
    def identity(self) -> tuple[int, int]:
        """Device and number of the lowest directory."""
        return self._levels[-1].identity

    def down(self, name: bytes) -> None:
        """Into a directory. Raises ENOTDIR also for a link."""
        fd = os.open(name, _DIRECTORY, dir_fd=self.here)
        self._levels.append(_Level(name, _identity(fd), fd))
        self.here = fd
        self.path = self.path + b"/" + name if self.path else name
        if len(self._levels) > MOST_HELD:
            self._let_go(self._levels[-1 - MOST_HELD])

    def up(self) -> bytes:
        """Back to the directory above, which must be the one we came through (else EAGAIN); the name we were in."""
        left, above = self._levels[-1], self._levels[-2]
        if above.fd is None:
            fd = os.open(b"..", _DIRECTORY, dir_fd=left.fd)
            if _identity(fd) != above.identity:
                os.close(fd)
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            above.fd = fd
        self._levels.pop()
        self._let_go(left)
        self.here = above.fd
        self.path = self.path.rpartition(b"/")[0]
        return left.name

    @staticmethod
    def _let_go(level: _Level) -> None:
        if level.fd is not None:
            fd, level.fd = level.fd, None
            os.close(fd)


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


@contextlib.contextmanager
def listed(directory: int) -> Iterator[Iterator[os.DirEntry[str]]]:
    """The names in the directory that is held, as they come."""
    with held(open_listed(directory)) as fd, os.scandir(fd) as entries:
        yield entries


def walk(top: int, *, hidden: bool = True) -> Iterator[Found]:
    """Everything below the directory that is held. What vanishes meanwhile, or may not be listed, is left out."""
    with Descent(top) as descent:
        waiting: list[list[bytes]] = [[]]  # directories to go into, for each level
        try:
            yield from _content(descent, waiting[-1], hidden=hidden)
            while waiting:
                if not waiting[-1]:
                    waiting.pop()
                    if waiting:
                        descent.up()
                    continue
                with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                    descent.down(waiting[-1].pop())
                    waiting.append([])
                    yield from _content(descent, waiting[-1], hidden=hidden)
        except OSError as error:
            with translated(descent.path):
                raise error


def _content(descent: Descent, directories: list[bytes], *, hidden: bool) -> Iterator[Found]:
    path, here = descent.path, descent.here
    prefix = path + b"/" if path else b""
    with listed(here) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            if not hidden and name.startswith(b"."):
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            kind = kind_of(status)
            if kind == "directory":
                directories.append(name)
            yield Found(path=prefix + name, kind=kind, status=status, directory=here)


def usage(top: int, report: Report | None = None) -> Usage:
    """How much is below the directory that is held. Raises our errors."""
    taken, entries = 0, 0
    seen: set[tuple[int, int]] = set()  # files with several names
    for found in walk(top):
        entries += 1
        status = found.status
        if found.kind == "file" and status.st_nlink > 1:
            identity = status.st_dev, status.st_ino
            if identity not in seen:
                seen.add(identity)
                taken += bytes_of(status)
        else:
            taken += bytes_of(status)
        if report is not None and entries % REPORT_EVERY == 0:
            report(Usage(bytes=taken, entries=entries))
    return Usage(bytes=taken, entries=entries)
