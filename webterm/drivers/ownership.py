"""Whose the files are that programs get from the server."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from webterm.errors import IsolationRefused

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


def give_all(files: Path, uid: int, *, of: int = 0) -> int:
    """Give what the user ``of`` has made in a workspace to the user of its programs; how many entries. Blocks.

    Programs may change everything meanwhile: nothing is followed, and no other user's files are touched.
    """
    with contextlib.suppress(OSError):  # it is just being deleted
        return _give_all(os.open(files, _DIRECTORY), uid, of, _DEEPEST)
    return 0


def _give_all(fd: int, uid: int, of: int, depth: int) -> int:
    given = 0
    try:
        inner = []
        with os.scandir(fd) as there:
            for entry in there:
                with contextlib.suppress(OSError):  # gone meanwhile
                    if entry.stat(follow_symlinks=False).st_uid == of:
                        os.chown(entry.name, uid, uid, dir_fd=fd, follow_symlinks=False)
                        given += 1
                    if depth and entry.is_dir(follow_symlinks=False):
                        inner.append(entry.name)
        for name in inner:
            with contextlib.suppress(OSError):
                given += _give_all(os.open(name, _DIRECTORY, dir_fd=fd), uid, of, depth - 1)
    finally:
        os.close(fd)
    return given
