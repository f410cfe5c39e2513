"""Removing files, and directories with all that is in them, however deep."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from typing import Final

from webterm.files.beneath import set_mode
from webterm.files.entries import Report, Usage
from webterm.files.tree import REPORT_EVERY, Descent, listed

MOST_RETURNS: Final = 100
"""How often a directory is emptied again because somebody keeps making files in it."""


def remove(parent: int, name: bytes, *, recursive: bool, report: Report | None = None) -> None:
    """Remove what has this name in the directory that is held. Raises OSError, ENOTEMPTY among others."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=parent)
        return
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        if not recursive or error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if not os.access(b".", os.W_OK | os.X_OK, dir_fd=parent, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from error  # before anything is gone
        with _Removal(parent, report) as removal:
            removal.run(name)


class _Removal:
    def __init__(self, parent: int, report: Report | None) -> None:
        self._descent = Descent(parent)
        self._report = report
        self._removed = 0
        self._returns = 0
        self._waiting: list[list[bytes]] = []  # directories to go into, for each level below the parent

    def __enter__(self) -> _Removal:
        return self

    def __exit__(self, *error: object) -> None:
        self._descent.__exit__()

    def run(self, name: bytes) -> None:
        self._enter(name)
        while self._waiting:
            if self._waiting[-1]:
                self._enter(self._waiting[-1].pop())
            else:
                self._leave()

    def _enter(self, name: bytes) -> None:
        """Into a directory, and remove all files in it."""
        try:
            self._allowed(lambda: self._descent.down(name))
        except FileNotFoundError:
            return
        except NotADirectoryError:  # somebody has put something else in its place
            self._unlink(name)
            return
        self._waiting.append([])
        self._allowed(self._clear)

    def _clear(self) -> None:
        directories = self._waiting[-1]
        directories.clear()
        with listed(self._descent.here) as entries:
            for entry in entries:
                name = os.fsencode(entry.name)
                if entry.is_dir(follow_symlinks=False):
                    directories.append(name)
                else:
                    self._unlink(name)

    def _unlink(self, name: bytes) -> None:
        try:
            os.unlink(name, dir_fd=self._descent.here)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            if not self._waiting:
                raise
            self._waiting[-1].append(name)
            return
        self._count()

    def _leave(self) -> None:
        """Up, and remove the directory that has been emptied."""
        self._waiting.pop()
        name = self._descent.up()
        try:
            self._allowed(lambda: os.rmdir(name, dir_fd=self._descent.here))
        except (FileNotFoundError, NotADirectoryError):
            self._again(name)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            self._again(name)
        else:
            self._count()

    def _again(self, name: bytes) -> None:
        """Somebody has made something in the directory, or put something else in its place."""
        self._returns += 1
        if self._returns > MOST_RETURNS:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        self._enter(name)

    def _allowed(self, act: Callable[[], None]) -> None:
        """Do something in the lowest directory. Where its permissions are in the way of its owner, they are changed."""
        try:
            act()
        except PermissionError:
            if not self._waiting:  # this one is not to be removed
                raise
            with contextlib.suppress(PermissionError):
                set_mode(self._descent.here, 0o700)
            act()

    def _count(self) -> None:
        self._removed += 1
        if self._report is not None and self._removed % REPORT_EVERY == 0:
            self._report(Usage(bytes=0, entries=self._removed))
