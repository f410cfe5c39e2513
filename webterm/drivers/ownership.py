"""Whose the files are that programs get from the server."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from webterm.errors import IsolationRefused

MOST = 1_000_000
"""Entries of a workspace that are looked at; who has more has to change the owner of the others."""
_DEEPEST = 128
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def give(files: Path, uid: int) -> None:
    """Give the top of a workspace to the user of its programs. Blocks. Raises `webterm.errors.IsolationRefused`."""
    try:
        if files.stat(follow_symlinks=False).st_uid != uid:
            os.chown(files, uid, uid, follow_symlinks=False)
    except OSError as error:
        reason = f"the workspace's files cannot be given to the user {uid}: {error.strerror}"
        raise IsolationRefused(f"{reason}; see the setting sandbox.first_uid") from error


def write_public(path: Path, text: str) -> None:
    """Make a file that all may read, with its directory, if it is not like that already. Blocks."""
    try:
        if path.read_text() == text:
            return
    except OSError:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    unfinished.write_text(text)
    unfinished.chmod(0o644)
    unfinished.replace(path)


def give_all(files: Path, uid: int, *, of: int = 0, most: int = MOST) -> int:
    """Give what the user ``of`` has made in a workspace to the user of its programs; how many entries. Blocks.

    Programs may change everything meanwhile: nothing is followed, no other user's files are touched, and no more than
    ``most`` entries are looked at.
    """
    walk = _Walk(uid, of, most)
    with contextlib.suppress(OSError):  # it is just being deleted
        walk.go(os.open(files, _DIRECTORY), _DEEPEST)
    return walk.given


@dataclass(slots=True)
class _Walk:
    uid: int
    of: int
    left: int
    given: int = 0

    def go(self, fd: int, depth: int) -> None:
        try:
            inner = []
            with os.scandir(fd) as there:
                for entry in itertools.islice(there, self.left):
                    self.left -= 1
                    with contextlib.suppress(OSError):  # gone meanwhile
                        if entry.stat(follow_symlinks=False).st_uid == self.of:
                            os.chown(entry.name, self.uid, self.uid, dir_fd=fd, follow_symlinks=False)
                            self.given += 1
                        if depth and entry.is_dir(follow_symlinks=False):
                            inner.append(entry.name)
            for name in inner:
                with contextlib.suppress(OSError):
                    self.go(os.open(name, _DIRECTORY, dir_fd=fd), depth - 1)
        finally:
            os.close(fd)
