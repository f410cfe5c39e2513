"""From a program's descriptor into its log, so that being killed between two instructions loses nothing.

A plain read takes bytes out of the kernel before anybody has counted them: a server killed right then loses them. So
bytes go through a pipe that the keeper holds too. `splice(2)` moves them there; their number is written down; they are
read from the pipe straight into the ring; the log's head moves. What a killed server left can be told from the page
and from how many bytes the pipe still holds, and `recover` finishes it.
"""

from __future__ import annotations

import errno
import fcntl
import math
import mmap
import os
import struct
import termios
from collections.abc import Callable

from webterm.hub.log import Log
from webterm.session import Staging

_IDLE, _FILLING, _MOVING = 0, 1, 2
_STATE, _BASE, _COUNT = 0, 1, 2
_KEY = slice(64, 128)
_STEP = 4096
_FULL = 4095  # what a terminal gives at a time while it has more


class Intake:
    """Reads descriptors into logs, one at a time. Without a `Staging` it reads plainly."""

    def __init__(self, staging: Staging | None) -> None:
        self.typed = -math.inf
        """When somebody last typed into one of the terminals read here, in the event loop's time."""
        self.staging = staging
        self._staging = staging  # until it turns out to be of no use here
        self._owner = ""
        if staging is not None:
            self._page = memoryview(mmap.mmap(staging.page, 4096))
            self._words = self._page[:64].cast("Q")

    def pull(self, key: str, fd: int, log: Log, budget: int) -> tuple[int, bool]:
        """Read what is there, at most ``budget`` bytes. Returns their number, and whether this was the end.

        ``key`` names the log for `recover`: at most 64 ASCII characters. Never waits.
        """
        staging = self._staging
        if staging is None:
            return self._read_plainly(fd, log, budget)
        self._begin(key, log.head)
        try:
            count, ended = _fill(staging.pipe_in, fd, budget)
        except _CannotSplice:
            self._words[_STATE] = _IDLE
            self._staging = None
            return self._read_plainly(fd, log, budget)
        self._words[_COUNT] = count
        self._words[_STATE] = _MOVING
        _empty(staging.pipe_out, log, count)
        self._words[_STATE] = _IDLE
        return count, ended

    def recover(self, find: Callable[[str], Log | None]) -> None:
        """Finish what a killed server left half done; ``find`` gives the log for a key, or None when it is gone."""
        if self._staging is None:
            return
        pipe = self._staging.pipe_out
        waiting = _waiting(pipe)
        key = self._page[_KEY].tobytes().rstrip(b"\0").decode("ascii", "replace")
        log = find(key) if self._words[_STATE] != _IDLE else None
        if log is None:
            _discard(pipe, waiting)
        else:
            if self._words[_STATE] == _MOVING:
                moved = self._words[_COUNT] - waiting
                log.advance(self._words[_BASE] + moved - log.head)
            _empty(pipe, log, waiting)
        self._words[_STATE] = _IDLE

    def _begin(self, key: str, head: int) -> None:
        if key != self._owner:
            self._page[_KEY] = key.encode("ascii").ljust(64, b"\0")
            self._owner = key
        self._words[_BASE] = head
        self._words[_STATE] = _FILLING

    @staticmethod
    def _read_plainly(fd: int, log: Log, budget: int) -> tuple[int, bool]:
        total = 0
        while total < budget:
            try:
                count = os.readv(fd, log.room(budget - total))
            except BlockingIOError:
                break
            except OSError:  # EIO, as above
                return total, True
            if count == 0:
                return total, True
            log.advance(count)
            total += count
        return total, False


def _fill(pipe_in: int, fd: int, budget: int) -> tuple[int, bool]:
    total = 0
    while budget - total > _STEP // 2 or total == 0:  # fetching a small rest costs as much as a whole step
        try:
            count = os.splice(fd, pipe_in, min(_STEP, budget - total))
        except BlockingIOError:
            break
        except OSError as error:
            if total == 0 and error.errno in _CannotSplice.ERRNOS:
                raise _CannotSplice from error
            return total, True  # EIO: the last process of a PTY has gone
        if count == 0:
            return total, True
        total += count
        if count < _FULL:
            break  # that was all, for now
    return total, False


def _empty(pipe_out: int, log: Log, count: int) -> None:
    if count:
        # A pipe hands over all that was asked for and is there in one call, also into two pieces.
        log.advance(os.readv(pipe_out, log.room(count)))


class _CannotSplice(Exception):
    """This kernel does not splice from terminals (before Linux 5.11), or a filter forbids it."""

    ERRNOS = (errno.EINVAL, errno.ENOSYS, errno.EPERM)


def _waiting(pipe: int) -> int:
    packed = fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4)
    return int(struct.unpack("=i", packed)[0])


def _discard(pipe: int, count: int) -> None:
    while count > 0:
        count -= len(os.read(pipe, count))
