"""Writing a file so that it is seen whole or not at all.

The content grows in a file without a name, which the system drops by itself if the server ends. It gets its name in one
step. Whatever had the name before is replaced, not written to: another name of it (a hard link) keeps the old content,
and a program that has it open goes on with the old file. A file that replaces another is on the disk before it does.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from types import TracebackType
from typing import Final, Self

from webterm.errors import EditConflict
from webterm.files.beneath import held, rename_new, reopen
from webterm.files.entries import ANY, Entry, Expected, entry_of, tag_of
from webterm.files.faults import translated
from webterm.files.names import shown, temporary
from webterm.files.placing import Place, mode_of, settle
from webterm.files.tree import check_regular

MOST_TRIES: Final = 16

AT_ONCE: Final = 64 * 1024
"""Bytes for one call of the system, as many as `cp` takes. For more the page cache takes larger blocks of memory, which
a virtual machine has often given back to its host: writing into those takes several times as long.
"""

_LOCKS: Final = tuple(threading.Lock() for _ in range(64))
"""Between the look at what is there and the renaming over it nothing else of this server gets at the same name."""


class Writing:
    """New content on its way. Leaving the context without `finish` drops it.

    Only one thread may use it at a time. Made by `webterm.files.root.Root.write`; takes the place over.
    """

    def __init__(
        self,
        place: Place,
        path: bytes,
        *,
        expected: Expected,
        executable: bool | None,
        account: int | None,
        nameless: bool = True,
    ) -> None:
        self._place = place
        self._path = path
        self._expected = expected
        self._executable = executable
        self._account = account
        self._fd = -1
        self._name: bytes | None = None  # of the unfinished file, where the file system has none without a name
        try:
            with translated(path):
                check(place, path, expected)
                self._open(nameless=nameless)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Add bytes at the end. Raises `webterm.errors.DiskFull`."""
        with translated(self._path), memoryview(chunk) as rest:
            done = 0
            while done < len(rest):
                done += os.write(self._fd, rest[done : done + AT_ONCE])

    def finish(self) -> Entry:
        """Put the content where it belongs.

        Raises `webterm.errors.EditConflict`, `webterm.errors.NotAFile` when something else has come there meanwhile.
        """
        with translated(self._path):
            there = check(self._place, self._path, self._expected)
            settle(self._fd, mode_of(there, self._executable), self._account)
            if there is not None:
                os.fsync(self._fd)
            self._name = self._name or self._link()
            put(self._place, self._path, self._place.directory, self._name, self._expected)
            self._name = None
            self._place.keep()
            entry = entry_of(self._path, os.fstat(self._fd))
        self.close()
        return entry

    def close(self) -> None:
        """Drop what is not finished. Twice is harmless."""
        if self._name is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._name, dir_fd=self._place.directory)
            self._name = None
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)
        self._place.close()

    def _open(self, *, nameless: bool) -> None:
        directory = self._place.directory
        if nameless:
            try:
                self._fd = os.open(b".", os.O_TMPFILE | os.O_RDWR, 0o600, dir_fd=directory)
                return
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR):  # the file system or the system cannot do it
                    raise
        name = temporary()
        self._fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_RDWR, 0o600, dir_fd=directory)
        self._name = name

    def _link(self) -> bytes:
        """Give the file without a name a name that is soon renamed."""
        name = temporary()
        os.link(f"/proc/self/fd/{self._fd}", name, dst_dir_fd=self._place.directory, follow_symlinks=True)
        return name


def check(place: Place, path: bytes, expected: Expected) -> os.stat_result | None:
    """What is there, when it is as expected and a file can take its place.

    Raises `webterm.errors.EditConflict`, and OSError: EISDIR or ENXIO for what is no file, EACCES for a file that
    nobody may write to.
    """
    there = place.status()
    if there is not None and (number := _hindrance(there.st_mode)):
        raise OSError(number, os.strerror(number))
    current = None if there is None else tag_of(there)
    if expected is not ANY and current != expected:
        text = "has changed meanwhile" if current is not None and expected is not None else "has come meanwhile"
        text = "is gone" if current is None else text
        raise EditConflict(f"{shown(path)} {text}", current=current, expected=expected)
    return there


def _hindrance(mode: int) -> int:
    """Why what has this mode cannot be written over; 0 when it can."""
    if stat.S_ISREG(mode):
        return 0 if mode & 0o222 else errno.EACCES
    if stat.S_ISDIR(mode):
        return errno.EISDIR
    return 0 if stat.S_ISLNK(mode) else errno.ENXIO


def put(place: Place, path: bytes, directory: int, name: bytes, expected: Expected) -> None:
    """Rename a finished file (in the directory that is held) to its place, if what is there is as expected.

    Raises as `check`, and OSError.
    """
    identity = os.fstat(place.directory)
    with _LOCKS[hash((identity.st_dev, identity.st_ino, place.name)) % len(_LOCKS)]:
        for _ in range(MOST_TRIES):
            if check(place, path, expected) is not None:
                os.rename(name, place.name, src_dir_fd=directory, dst_dir_fd=place.directory)
                return
            with contextlib.suppress(FileExistsError):  # it has come just now: look again
                rename_new(directory, name, place.directory, place.name)
                return
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def take_in(
    place: Place,
    path: bytes,
    directory: int,
    name: bytes,
    *,
    expected: Expected,
    executable: bool | None,
    account: int | None,
    modified: float | None,
) -> Entry:
    """Rename a finished file of another directory (that is held) to its place. Raises as `put`."""
    with held(os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=directory)) as fd:
        check_regular(fd)
        there = check(place, path, expected)
        if there is not None:
            with held(reopen(fd, os.O_RDONLY)) as opened:
                os.fsync(opened)
        settle(fd, mode_of(there, executable), account)
        if modified is not None:
            os.utime(f"/proc/self/fd/{fd}", (modified, modified))
        put(place, path, directory, name, expected)
        place.keep()
        return entry_of(path, os.fstat(fd))
