"""Looks after disks that sandboxes write to: whose workspace outgrows its limit has its programs ended.

No kernel limits the bytes of a directory everywhere, so they are counted. Counting all files each second would cost
more than most programs do; but nobody can write more than has become less on the disk, and asking for that is cheap.
Where others free room meanwhile that says too little, so that a count is good only for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path

from webterm.drivers.guarding import EASE, End, Guard
from webterm.drivers.nameless import nameless_bytes
from webterm.ids import WorkspaceId

INTERVAL = 1.0
"""Seconds between two looks."""
RECOUNT = 15.0
"""Seconds after which a workspace is counted again though its disk is no fuller: others may have freed room."""
RESERVE = 256 * 1024 * 1024
RESERVE_SHARE = 0.02
"""Of a disk's size: when less than this, or `RESERVE`, is free, whoever has written most has to stop.

The same share of the files that a disk can hold: then it is whoever has made most."""
SLACK = 16 * 1024 * 1024
"""Bytes that a workspace may grow that was too large before: somebody has to tidy it up."""
_BLOCK = 512
_DEEPEST = 128
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WORTH_ENDING = 1024 * 1024
_ENTRIES_WORTH_ENDING = 1000


@dataclass(slots=True)
class _Watched:
    """A directory: what it held when last counted (None: never), and how much was free on its disk then.

    ``process`` is the first process of its sandbox.
    """

    files: Path
    limit: int
    process: int
    first: int = 0
    held: int | None = None
    free: int = 0
    first_entries: int = 0
    entries: int = 0
    free_entries: int = 0
    recount: float = RECOUNT
    due: float = 0.0

    def count(self) -> int:
        """Count what it holds. Where that cannot be counted, everything new on the disk is its. Blocks."""
        free, begun = _room(self.files)[0], time.monotonic()
        try:
            held = count(self.files)
            self.held, self.entries = held.size + nameless_bytes(self.process, self.files), held.entries
        except OSError:
            self.held = (self.held or 0) + (max(0, self.free - free) if self.free else 0)
        self.free = free
        now = time.monotonic()
        self.due = now + max(self.recount, EASE * (now - begun))
        return self.held

    def may_exceed(self, free: int) -> bool:
        if self.held is None:
            return True
        grown = max(0, self.free - free)
        return bool(self.limit) and (self.held + grown > self.limit or time.monotonic() >= self.due)


class DiskGuard(Guard[_Watched]):
    """Watches workspaces as long as there are any."""

    def __init__(self, end: End, interval: float = INTERVAL, recount: float = RECOUNT) -> None:
        super().__init__(end, interval=interval)
        self._recount = recount

    async def watch(self, workspace: WorkspaceId, files: Path, limit: int, process: int) -> None:
        """Look after a workspace: ``limit`` in bytes, 0 for as much as the disk has.

        ``process`` is the first of its sandbox, in which nothing else runs yet.
        """
        with contextlib.suppress(OSError):  # it is just being deleted
            room, entries = await asyncio.to_thread(lambda: (_room(files)[0], _room_for_files(files)[0]))
            self._watched[workspace] = _Watched(
                files, limit, process, free=room, free_entries=entries, recount=self._recount
            )
        self._begin()

    async def look(self) -> None:
        offenders = await asyncio.to_thread(find_offenders, dict(self._watched))
        for workspace, reason in offenders.items():
            if workspace in self._watched:
                await self._end_all_in(workspace, reason)


def find_offenders(watched: dict[WorkspaceId, _Watched]) -> dict[WorkspaceId, str]:
    """Whose programs have to end, and why. Blocks."""
    found: dict[WorkspaceId, str] = {}
    crowded: dict[int, list[WorkspaceId]] = {}
    teeming: dict[int, list[WorkspaceId]] = {}
    for workspace, one in watched.items():
        with contextlib.suppress(OSError):  # it is just being deleted
            free, size = _room(one.files)
            if one.may_exceed(free) and _outgrown(one):
                found[workspace] = f"the workspace holds more than its {_shown(one.limit)}"
            elif free < min(RESERVE, RESERVE_SHARE * size):
                crowded.setdefault(one.files.stat().st_dev, []).append(workspace)
            elif _is_teeming(one.files):
                teeming.setdefault(one.files.stat().st_dev, []).append(workspace)
    for workspaces in crowded.values():
        _end_worst(found, {workspace: _growth(watched[workspace])[0] for workspace in workspaces}, _WORTH_ENDING)
    for workspaces in teeming.values():
        grown = {workspace: _growth(watched[workspace])[1] for workspace in workspaces}
        _end_worst(found, grown, _ENTRIES_WORTH_ENDING)
    return found


def _end_worst(found: dict[WorkspaceId, str], grown: dict[WorkspaceId, int], worth: int) -> None:
    worst = max(grown, key=lambda workspace: grown[workspace])
    if grown[worst] >= worth and not found.keys() & grown.keys():
        found[worst] = "the server's disk is almost full, and nobody has written as much to it of late"


def _outgrown(one: _Watched) -> bool:
    fresh, free = one.held is None, one.free
    held = one.count()
    if fresh:
        # What has become less on the disk meanwhile may be what its programs have written since they began.
        one.first = max(0, held - max(0, free - one.free))
        one.first_entries = max(0, one.entries - max(0, one.free_entries - _room_for_files(one.files)[0]))
        if one.limit and one.first > one.limit:
            one.limit = one.first + SLACK
    return bool(one.limit and held > one.limit)


def _growth(one: _Watched) -> tuple[int, int]:
    """In bytes, and in files and directories."""
    try:
        return one.count() - one.first, one.entries - one.first_entries
    except OSError:
        return 0, 0


@dataclass(frozen=True, slots=True)
class Held:
    """The room that a directory and everything in it takes on its disk, and how many entries there are."""

    size: int
    entries: int

    def __add__(self, other: Held) -> Held:
        return Held(self.size + other.size, self.entries + other.entries)


def count(files: Path) -> Held:
    """What is in a directory. Blocks; links are not followed.

    Raises OSError, also for directories that lie too deep in each other to be worth a count.
    """
    fd = os.open(files, _DIRECTORY)
    return _held(fd, os.fstat(fd).st_dev, set(), _DEEPEST)


def _held(fd: int, device: int, seen: set[int], depth: int) -> Held:
    """Of a directory, whose descriptor is closed then."""
    try:
        if depth == 0:
            raise OSError(errno.ELOOP, "directories lie too deep in each other")
        total, entries = os.fstat(fd).st_blocks * _BLOCK, 1
        inner = []
        with os.scandir(fd) as there:
            for entry in there:
                with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                    status = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        inner.append(entry.name)
                    elif status.st_nlink == 1 or status.st_ino not in seen:
                        entries += 1
                        total += status.st_blocks * _BLOCK
                        if status.st_nlink > 1:
                            seen.add(status.st_ino)
        held = Held(total, entries)
        for name in inner:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                child = os.open(name, _DIRECTORY, dir_fd=fd)
                held += _held(child, device, seen, depth - 1)
        return held if os.fstat(fd).st_dev == device else Held(0, 0)
    finally:
        os.close(fd)


def _room(files: Path) -> tuple[int, int]:
    """Bytes free for everybody, and all bytes, of a directory's disk."""
    disk = os.statvfs(files)
    return disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize


def _is_teeming(files: Path) -> bool:
    free, most = _room_for_files(files)
    return most > 0 and free < RESERVE_SHARE * most


def _room_for_files(files: Path) -> tuple[int, int]:
    """Files that everybody may still make, and all, of a directory's disk. Both are 0 where it has no bound."""
    disk = os.statvfs(files)
    return disk.f_favail, disk.f_files


def _shown(size: int) -> str:
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size >= factor:
            return f"{size / factor:.4g} {unit}"
    return f"{size} bytes"
