"""Copying files, and directories with all that is in them: the copy is complete when it gets its name."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Final

from webterm.errors import InvalidPath
from webterm.files.beneath import held
from webterm.files.entries import Kind, Report, Usage, kind_of
from webterm.files.placing import make_directory, settle
from webterm.files.tree import REPORT_EVERY, Descent, link_text, listed, open_regular, reopen_regular

PIECE: Final = 8 * 1024 * 1024
_NO_RANGES: Final = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}


class Copying:
    """Counts what is copied, and tells. All methods raise OSError and what ``report`` raises."""

    def __init__(self, account: int | None, report: Report | None) -> None:
        self._account = account
        self._report = report
        self._bytes = 0
        self._entries = 0

    def whole(self, source: int, parent: int, name: bytes) -> None:
        """A file or directory that is held, to this name in another directory."""
        if stat.S_ISDIR(os.fstat(source).st_mode):
            self.tree(source, parent, name)
        else:
            with held(reopen_regular(source)) as read:
                self._write(read, parent, name)

    def content(self, source: int, target: int) -> None:
        """The content of one open file into another that is empty. Holes stay holes."""
        size, at = os.fstat(source).st_size, 0
        while at < size:
            try:
                start = os.lseek(source, at, os.SEEK_DATA)
                end = os.lseek(source, start, os.SEEK_HOLE)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                break  # nothing but a hole is left
            at = self._range(source, target, start, end)
            if at < end:
                return  # it has become shorter
        if os.fstat(target).st_size < size:
            os.ftruncate(target, size)

    def _range(self, source: int, target: int, at: int, end: int) -> int:
        """Copy from ``at`` to ``end``; where it came to an end."""
        while at < end:
            count = min(PIECE, end - at)
            try:
                done = os.copy_file_range(source, target, count, at, at)
            except OSError as error:
                if error.errno not in _NO_RANGES:
                    raise
                done = _copied(source, target, count, at)
            if not done:
                break
            at += done
            self._bytes += done
            self._tell()
        return at

    def tree(self, source: int, parent: int, name: bytes) -> None:
        """The content of a directory that is held into a new one of this name."""
        with Descent(source) as here, Descent(parent) as there:
            top = self._directory(there, name)
            waiting = [self._content(here, there)]
            while waiting:
                if waiting[-1]:
                    self._down(here, there, waiting, top)
                    continue
                waiting.pop()
                settle(there.here, os.fstat(here.here).st_mode, self._account)
                there.up()
                if waiting:
                    here.up()

    def _down(self, here: Descent, there: Descent, waiting: list[list[bytes]], top: tuple[int, int]) -> None:
        name = waiting[-1].pop()
        try:
            here.down(name)
        except (FileNotFoundError, NotADirectoryError):
            return  # it has just been removed or replaced
        if here.identity == top:
            raise InvalidPath("a directory cannot be copied into itself")
        self._directory(there, name)
        waiting.append(self._content(here, there))

    def _directory(self, there: Descent, name: bytes) -> tuple[int, int]:
        """Make a directory and go into it; its device and number. Its permissions come when it is full."""
        os.close(make_directory(there.here, name, account=None, mode=0o700))
        there.down(name)
        self._count()
        return there.identity

    def _content(self, here: Descent, there: Descent) -> list[bytes]:
        """Copy the files and links of a directory; the names of the directories in it."""
        directories: list[bytes] = []
        with listed(here.here) as entries:
            for entry in entries:
                name = os.fsencode(entry.name)
                with contextlib.suppress(FileNotFoundError):  # it has just been removed
                    kind: Kind = kind_of(entry.stat(follow_symlinks=False))
                    if kind == "directory":
                        directories.append(name)
                    elif kind == "file":
                        self._file(here.here, there.here, name)
                    elif kind == "link":
                        self._link(here.here, there.here, name)
        return directories

    def _file(self, source: int, target: int, name: bytes) -> None:
        with held(open_regular(source, name)) as read:
            self._write(read, target, name)

    def _write(self, read: int, target: int, name: bytes) -> None:
        flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY
        with held(os.open(name, flags, 0o600, dir_fd=target)) as written:
            self.content(read, written)
            settle(written, os.fstat(read).st_mode, self._account)
        self._count()

    def _link(self, source: int, target: int, name: bytes) -> None:
        os.symlink(link_text(source, name), name, dir_fd=target)
        if self._account is not None and os.geteuid() == 0:
            os.chown(name, self._account, self._account, dir_fd=target, follow_symlinks=False)
        self._count()

    def _count(self) -> None:
        self._entries += 1
        if self._entries % REPORT_EVERY == 0:
            self._tell()

    def _tell(self) -> None:
        if self._report is not None:
            self._report(Usage(bytes=self._bytes, entries=self._entries))


def _copied(source: int, target: int, count: int, at: int) -> int:
    data = os.pread(source, min(count, 1024 * 1024), at)
    done = 0
    while done < len(data):
        done += os.pwrite(target, data[done:], at + done)
    return done
