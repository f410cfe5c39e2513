"""Paths as they are given to us, and names that are ours."""

from __future__ import annotations

import secrets
from typing import Final

from webterm.errors import InvalidPath, OutsideWorkspace

LONGEST_PATH: Final = 4095
LONGEST_NAME: Final = 255
_TEMPORARY: Final = b".webterm-"


def checked(path: bytes) -> bytes:
    """The path itself, when it can be one of a workspace: ``b""``, or names parted by single slashes.

    Backslashes, ``~``, line ends and what is no UTF-8 are parts of names like all others.
    Raises `webterm.errors.InvalidPath`, `webterm.errors.OutsideWorkspace`.
    """
    if not path:
        return path
    if len(path) > LONGEST_PATH:
        raise InvalidPath(f"a path can be {LONGEST_PATH:,} bytes long")
    if b"\0" in path:
        raise InvalidPath("a path cannot hold a NUL byte")
    names = path.split(b"/")
    if not names[0] or b".." in names:
        raise OutsideWorkspace("a path begins at the workspace's top, without a slash, and has no '..' in it")
    for name in names:
        if name in (b"", b"."):
            raise InvalidPath("a path has no empty name and no '.' in it")
        if len(name) > LONGEST_NAME:
            raise InvalidPath(f"a name can be {LONGEST_NAME} bytes long")
    return path


def split(path: bytes) -> tuple[bytes, bytes]:
    """The path of the directory and the last name. Raises as `checked`, and for the workspace's top itself."""
    if not checked(path):
        raise InvalidPath("this cannot be done with the workspace's top directory")
    directory, _, name = path.rpartition(b"/")
    return directory, name


def shown(path: bytes) -> str:
    """A path for people to read, in one line."""
    text = path.decode(errors="replace")
    text = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return f"'{text if len(text) <= 200 else '…' + text[-199:]}'"


def temporary() -> bytes:
    """A name for something that is soon renamed or removed."""
    return _TEMPORARY + secrets.token_hex(8).encode()


def is_temporary(name: bytes) -> bool:
    """Whether `temporary` may have made this name: changes of it are not worth telling."""
    return name.startswith(_TEMPORARY)
