"""The server's own secret, and the keys that are made from it.

``secret.key`` in the data directory holds 32 random bytes. Whoever has them can make access tokens; without them the
stored passwords cannot be checked. Servers that share a database need the same file: copy it before the second one
starts. Removing it signs API clients out and makes every password useless.

What reads and writes here blocks for a moment, as files do: call it before the loop runs, or in a thread.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from webterm.datadir import PRIVATE_FILE, write_private
from webterm.errors import DataDirectoryError

FILE = "secret.key"
SIZE = 32
"""Bytes of the secret and of each key."""


class Keys:
    """Keys for different purposes, none of which tells anything about another or about the secret."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SIZE:
            raise ValueError(f"the secret has {len(secret)} bytes and not {SIZE}")
        self._secret = secret

    def key(self, purpose: str) -> bytes:
        """The key for a purpose, always the same one (HKDF with SHA-256, RFC 5869): 32 bytes."""
        return HKDF(algorithm=SHA256(), length=SIZE, salt=None, info=f"webterm {purpose}".encode()).derive(self._secret)


def load(directory: Path) -> Keys:
    """The keys of a prepared data directory; the secret is made when there is none.

    Of several that start together all get the same one. Raises `webterm.errors.DataDirectoryError` when the file is
    not as it was written: going on with a new secret would lock everybody out without a word.
    """
    path = directory / FILE
    with _said_of(path):
        if not path.exists():
            _make(path)
        return Keys(_read(path))


def _make(path: Path) -> None:
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    write_private(part, secrets.token_bytes(SIZE))
    try:
        with contextlib.suppress(FileExistsError):
            os.link(part, path)  # whole or not at all, and only the first of several who try
    finally:
        part.unlink()


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size != SIZE:
            raise DataDirectoryError(f"{path} is not a file of {SIZE} bytes; bring it back from a backup")
        if stat.S_IMODE(found.st_mode) != PRIVATE_FILE:
            os.fchmod(descriptor, PRIVATE_FILE)  # as a backup may have brought it back
        return file.read()


@contextlib.contextmanager
def _said_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataDirectoryError(f"{path} cannot be used: {error.strerror}") from error
