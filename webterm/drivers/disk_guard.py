"""Looks after disks that sandboxes write to: whose workspace outgrows its limit has its programs ended.

No kernel limits the bytes of a directory everywhere, so they are counted. Counting all files each second would cost
more than most programs do; but nobody can write more than has become less on the disk, and asking for that is cheap.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from webterm.ids import WorkspaceId

_log = logging.getLogger("webterm.drivers")

INTERVAL = 1.0
"""Seconds between two looks."""
RESERVE = 256 * 1024 * 1024
RESERVE_SHARE = 0.02
"""Of a disk's size: when less than this, or `RESERVE`, is free, whoever has written most has to stop."""
SLACK = 16 * 1024 * 1024
"""Bytes that a workspace may grow that was too large before: somebody has to tidy it up."""
_BLOCK = 512
_DEEPEST = 128
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WORTH_ENDING = 1024 * 1024

End = Callable[[WorkspaceId, str], Awaitable[None]]
"""Ends the programs of a workspace, and tells them why."""


@dataclass(slots=True)
class _Watched:
    """A directory: what it held when last counted (None: never), and how much was free on its disk then."""

    files: Path
    limit: int
    first: int = 0
    held: int | None = None
    free: int = 0

    def count(self) -> int:
        """Count what it holds. Where that cannot be counted, everything new on the disk is its. Blocks."""
        free = _room(self.files)[0]
        try:
            self.held = held_bytes(self.files)
        except OSError:
            self.held = (self.held or 0) + (max(0, self.free - free) if self.free else 0)
        self.free = free
        return self.held

    def may_exceed(self, free: int) -> bool:
        return self.held is None or bool(self.limit and self.held + max(0, self.free - free) > self.limit)


class DiskGuard:
    """Watches workspaces in a task of its own as long as there are any."""

    def __init__(self, end: End, interval: float = INTERVAL) -> None:
        self._end = end
        self._interval = interval
        self._watched: dict[WorkspaceId, _Watched] = {}
        self._task: asyncio.Task[None] | None = None

    def watch(self, workspace: WorkspaceId, files: Path, limit: int) -> None:
        """Look after a workspace: ``limit`` in bytes, 0 for as much as the disk has."""
        self._watched[workspace] = _Watched(files, limit)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def forget(self, workspace: WorkspaceId) -> None:
        """No longer. Harmless where it is not watched."""
        self._watched.pop(workspace, None)

    async def aclose(self) -> None:
        """Look after nothing any more. Twice is harmless."""
        self._watched.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while self._watched:
            await asyncio.sleep(self._interval)
            offenders = await asyncio.to_thread(find_offenders, dict(self._watched))
            for workspace, reason in offenders.items():
                if workspace in self._watched:
                    _log.warning("programs of workspace %s are ended: %s", workspace, reason)
                    try:
                        await self._end(workspace, reason)
                    except Exception:
                        _log.exception("they could not be ended")


def find_offenders(watched: dict[WorkspaceId, _Watched]) -> dict[WorkspaceId, str]:
    """Whose programs have to end, and why. Blocks."""
    found: dict[WorkspaceId, str] = {}
    crowded: dict[int, list[WorkspaceId]] = {}
    for workspace, one in watched.items():
        with contextlib.suppress(OSError):  # it is just being deleted
            free, size = _room(one.files)
            if one.may_exceed(free) and _outgrown(one):
                found[workspace] = f"the workspace holds more than its {_shown(one.limit)}"
            elif free < min(RESERVE, RESERVE_SHARE * size):
                crowded.setdefault(one.files.stat().st_dev, []).append(workspace)
    for workspaces in crowded.values():
        grown = {workspace: _growth(watched[workspace]) for workspace in workspaces}
        worst = max(grown, key=lambda workspace: grown[workspace])
        if grown[worst] >= _WORTH_ENDING and not found.keys() & grown.keys():
            found[worst] = "the server's disk is almost full, and nobody has written as much to it of late"
    return found


def _outgrown(one: _Watched) -> bool:
    fresh = one.held is None
    held = one.count()
    if fresh:
        one.first = held
        if one.limit and held > one.limit:
            one.limit = held + SLACK
    return bool(one.limit and held > one.limit)


def _growth(one: _Watched) -> int:
    try:
        return one.count() - one.first
    except OSError:
        return 0


def held_bytes(files: Path) -> int:
    """The room that a directory and everything in it takes on its disk. Blocks; links are not followed.

    Raises OSError, also for directories that lie too deep in each other to be worth a count.
    """
    fd = os.open(files, _DIRECTORY)
    return _held(fd, os.fstat(fd).st_dev, set(), _DEEPEST)


def _held(fd: int, device: int, seen: set[int], depth: int) -> int:
    """Of a directory, whose descriptor is closed then."""
    try:
        if depth == 0:
            raise OSError(errno.ELOOP, "directories lie too deep in each other")
        total = os.fstat(fd).st_blocks * _BLOCK
        inner = []
        with os.scandir(fd) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                    status = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        inner.append(entry.name)
                    elif status.st_nlink == 1 or status.st_ino not in seen:
                        total += status.st_blocks * _BLOCK
                        if status.st_nlink > 1:
                            seen.add(status.st_ino)
        for name in inner:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                child = os.open(name, _DIRECTORY, dir_fd=fd)
                total += _held(child, device, seen, depth - 1)
        return total if os.fstat(fd).st_dev == device else 0
    finally:
        os.close(fd)


def _room(files: Path) -> tuple[int, int]:
    """Bytes free for everybody, and all bytes, of a directory's disk."""
    disk = os.statvfs(files)
    return disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize


def _shown(size: int) -> str:
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size >= factor:
            return f"{size / factor:.4g} {unit}"
    return f"{size} bytes"
