"""Files that have no name any more but are still in use: they take room on a disk, and no directory shows them."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 512
_MOST = 100_000
"""Descriptors that are looked at."""


def nameless_bytes(first: int, files: Path) -> int:
    """The room that such files take on the disk of ``files``, as far as programs of a sandbox hold them.

    ``first`` is the sandbox's first process. Raises OSError where too many descriptors are open to look at. Blocks.
    """
    device, held = files.stat().st_dev, dict[int, int]()
    seen = 0
    for task in _tasks(f"/proc/{first}/root/proc"):
        for status in _open_files(f"{task}/fd"):
            seen += 1
            if seen > _MOST:
                raise OSError(errno.EMFILE, "too many descriptors are open")
            if status.st_dev == device and status.st_nlink == 0 and stat.S_ISREG(status.st_mode):
                held[status.st_ino] = status.st_blocks * _BLOCK
        for inode, size in _mapped(f"{task}/maps", device):
            held.setdefault(inode, size)
    return sum(held.values())


def _tasks(proc: str) -> Iterator[str]:
    """Threads may have descriptors of their own (CLONE_FILES)."""
    for pid in _names(proc):
        if pid.isdigit():
            yield from (f"{proc}/{pid}/task/{tid}" for tid in _names(f"{proc}/{pid}/task"))


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)  # noqa: PTH208 - names are enough
    except OSError:
        return []  # it has ended


def _open_files(directory: str) -> Iterator[os.stat_result]:
    for name in _names(directory):
        with contextlib.suppress(OSError):
            yield os.stat(f"{directory}/{name}")  # noqa: PTH116 - hundreds of them


def _mapped(maps: str, device: int) -> Iterator[tuple[int, int]]:
    """Number and size of files without a name that are mapped for writing, of which no descriptor needs to be open."""
    wanted = f"{os.major(device):02x}:{os.minor(device):02x}"
    lines: list[bytes] = []
    with contextlib.suppress(OSError):
        lines = Path(maps).read_bytes().splitlines()
    for line in lines:
        if line.endswith(b" (deleted)"):
            place, rights, _, disk, inode = line.split(maxsplit=5)[:5]
            if rights[3:4] == b"s" and disk.decode() == wanted:
                low, _, high = place.partition(b"-")
                yield int(inode), int(high, 16) - int(low, 16)
