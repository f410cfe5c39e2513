"""Whose the files are that programs get from the server."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from webterm.errors import IsolationRefused


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
