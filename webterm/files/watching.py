"""Directories that are watched for changes, by one inotify(7) instance for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from asyncinotify import Event, InitFlags, Inotify, Mask
from asyncinotify import Watch as KernelWatch

from webterm.errors import TooManyWatches
from webterm.files.faults import ours
from webterm.files.names import is_temporary

log = logging.getLogger("webterm.files")

PAUSE = 0.03
"""Seconds in which changes gather before they are told."""
INTERVAL = 0.1
"""Seconds between two tellings about one directory."""
MOST = 200
"""Names that are told at a time. When there are more, it is only told that there are."""
QUIET = 0.1
"""Seconds without a change after which a flood of them counts as over."""
LONGEST = 1.0
"""Seconds after which it is told about a flood that is not over."""
AT_ONCE = 256
"""Events that are looked at before others get their turn in the loop; about 3 ms."""

WATCHED = (
    Mask.CREATE
    | Mask.DELETE
    | Mask.MODIFY
    | Mask.ATTRIB
    | Mask.MOVED_FROM
    | Mask.MOVED_TO
    | Mask.DELETE_SELF
    | Mask.MOVE_SELF
    | Mask.ONLYDIR
    | Mask.EXCL_UNLINK
)
OVER = Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.UNMOUNT | Mask.IGNORED

NAMELESS = re.compile(rb"#\d+")
"""What the system calls files that have no name (O_TMPFILE) when their permissions change."""

Kind = Literal["created", "changed", "removed", "moved"]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a name in a directory.

    ``created``: it is there now, and was not before, or it replaced another file (as most editors save). ``changed``:
    its content or its permissions did. ``removed``: it is gone. ``moved``: it is gone, to another name or directory.
    Several changes in a short time are told as one; what came and went in it is not told at all.
    """

    name: bytes
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """``refresh``: more than can be told. ``ended``: the directory is gone or elsewhere; nothing more is told."""

    changes: tuple[Change, ...] = ()
    refresh: bool = False
    ended: bool = False


Tell = Callable[[Happened], None]
"""Called in the loop. It may not wait; what it raises is logged."""


class Watching:
    """One inotify instance, made when it is first needed, in the loop that runs then."""

    def __init__(self) -> None:
        self._inotify: Inotify | None = None
        self._directories: dict[int, _Directory] = {}

    def watch(self, directory: int, tell: Tell) -> Watched:
        """Have changes in the directory of this descriptor told; it may be closed afterwards.

        The kernel watches a directory once, whoever asks and by whatever path. Raises
        `webterm.errors.TooManyWatches` when the system's limits are reached, `webterm.errors.PermissionDenied` and
        `webterm.errors.NotADirectory`. This does not block: the directory is known to the kernel already.
        """
        inotify = self._ready()
        try:
            kernel = inotify.add_watch(f"/proc/self/fd/{directory}", WATCHED)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.ENOMEM):
                raise TooManyWatches(
                    "this machine watches as many directories as it can (fs.inotify.max_user_watches)"
                ) from None
            raise ours(error, b"") from error
        found = self._directories.get(kernel.wd)
        if found is None:
            found = self._directories[kernel.wd] = _Directory(kernel)
        watched = Watched(self, kernel.wd, tell)
        found.watched.add(watched)
        return watched

    @property
    def count(self) -> int:
        """How many directories the kernel watches."""
        return len(self._directories)

    def close(self) -> None:
        """Nothing is told any more. Twice is harmless."""
        for directory in self._directories.values():
            directory.cancel()
        self._directories.clear()
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fd)
            self._inotify.close()
            self._inotify = None

    def _ready(self) -> Inotify:
        if self._inotify is None:
            try:
                self._inotify = Inotify(InitFlags.CLOEXEC, cache_size=64, sync_timeout=0)
            except OSError as error:
                raise TooManyWatches(
                    f"this machine watches no directories for us: {os.strerror(error.errno or 0)}"
                    " (fs.inotify.max_user_instances)"
                ) from None
            os.set_blocking(self._inotify.fd, False)
            asyncio.get_running_loop().add_reader(self._inotify.fd, self._read)
        return self._inotify

    def _read(self) -> None:
        if self._inotify is None:
            return
        for _ in range(AT_ONCE):
            event = self._inotify.sync_get()
            if event is None:
                return
            self._take(event)
        # Those that have been read already make the descriptor readable no more.
        asyncio.get_running_loop().call_soon(self._read)

    def _take(self, event: Event) -> None:
        if Mask.Q_OVERFLOW in event.mask:
            for directory in self._directories.values():
                directory.flood()
            return
        kernel = event.watch
        found = None if kernel is None else self._directories.get(kernel.wd)
        if found is None:
            return
        if event.mask & OVER:
            self._end(found)
        elif event.name is not None:
            found.note(os.fsencode(event.name), event.mask)

    def _end(self, directory: _Directory) -> None:
        del self._directories[directory.kernel.wd]
        self._forget(directory.kernel)
        directory.end()

    def _leave(self, wd: int, watched: Watched) -> None:
        found = self._directories.get(wd)
        if found is None:
            return
        found.watched.discard(watched)
        if not found.watched:
            found.cancel()
            del self._directories[wd]
            self._forget(found.kernel)

    def _forget(self, kernel: KernelWatch) -> None:
        if self._inotify is not None:
            with contextlib.suppress(OSError):  # the kernel may have ended it by itself
                self._inotify.rm_watch(kernel)


class Watched:
    """One who is told about a directory."""

    def __init__(self, watching: Watching, wd: int, tell: Tell) -> None:
        self._watching = watching
        self._wd = wd
        self.tell = tell

    def close(self) -> None:
        """Nothing is told any more. Twice is harmless."""
        self._watching._leave(self._wd, self)


class _Directory:
    """What happened in one directory and has not been told yet."""

    def __init__(self, kernel: KernelWatch) -> None:
        self.kernel = kernel
        self.watched: set[Watched] = set()
        self._loop = asyncio.get_running_loop()
        self._names: dict[bytes, tuple[bool | None, Kind]] = {}
        """Whether a name was there before (None: nobody knows), and what happened to it last."""
        self._flooded = False
        self._begun = 0.0
        self._latest = 0.0
        self._told = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def note(self, name: bytes, mask: Mask) -> None:
        if is_temporary(name) or (Mask.ATTRIB in mask and NAMELESS.fullmatch(name)):
            return
        self._latest = self._loop.time()
        if not self._flooded:
            before, kind = _meaning(mask)
            if name in self._names:
                before = self._names[name][0]
            self._names[name] = before, kind
            if len(self._names) > MOST:
                self.flood()
        self._set_out()

    def flood(self) -> None:
        """More happened than can be told."""
        self._flooded = True
        self._names.clear()
        self._latest = self._loop.time()
        self._set_out()

    def end(self) -> None:
        self.cancel()
        self._tell(Happened(changes=_told(self._names), refresh=self._flooded, ended=True))
        self.watched.clear()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_out(self) -> None:
        if self._timer is None:
            self._begun = self._loop.time()
            self._timer = self._loop.call_at(max(self._begun + PAUSE, self._told + INTERVAL), self._due)

    def _due(self) -> None:
        now = self._loop.time()
        if self._flooded and now < min(self._latest + QUIET, self._begun + LONGEST):
            self._timer = self._loop.call_at(min(self._latest + QUIET, self._begun + LONGEST), self._due)
            return
        self._timer = None
        self._told = now
        happened = Happened(changes=_told(self._names), refresh=self._flooded)
        self._names, self._flooded = {}, False
        if happened.changes or happened.refresh:
            self._tell(happened)

    def _tell(self, happened: Happened) -> None:
        for watched in tuple(self.watched):
            try:
                watched.tell(happened)
            except Exception:
                log.exception("a change of files was not told")


def _meaning(mask: Mask) -> tuple[bool | None, Kind]:
    """Whether a name must have been there before this event, and what the event is."""
    if Mask.CREATE in mask:
        return False, "created"
    if Mask.MOVED_TO in mask:
        return None, "created"
    if Mask.DELETE in mask:
        return True, "removed"
    if Mask.MOVED_FROM in mask:
        return True, "moved"
    return True, "changed"


def _told(names: dict[bytes, tuple[bool | None, Kind]]) -> tuple[Change, ...]:
    changes = []
    for name, (before, last) in names.items():
        if last in ("removed", "moved"):
            if before is not False:
                changes.append(Change(name, last))
        else:
            changes.append(Change(name, "changed" if before else "created"))
    return tuple(changes)
