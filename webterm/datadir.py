"""The data directory: private to its owner, held by one server at a time, home of the login links.

    server.lock     locked (fcntl(2), F_OFD_SETLK) while a server runs; its pid and URL, one per line
    server.json     the same for other programs: pid, url, address, started
    identity        a random word by which a server knows its own containers again
    links/          one file for each login link that has not been used: the token's hash, holding the expiry

Everything here blocks for a moment, as files do: call it before the loop runs, or in a thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import stat
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from webterm.errors import DataDirectoryBusy, DataDirectoryError

LOCK = "server.lock"
RECORD = "server.json"
IDENTITY = "identity"
LINKS = "links"
LINK_LIFETIME = 900.0
PRIVATE_DIRECTORY = 0o700
PRIVATE_FILE = 0o600
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
FLOCK = struct.Struct("hhqqi")
"""``struct flock``: type, whence, start, length, pid."""
WHOLE_FILE = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Holder:
    """The server that holds a data directory. The URL is None until it listens."""

    pid: int
    url: str | None


def prepare(directory: Path) -> Path:
    """Make the directory private (0700), and make it if it is not there. Returns it.

    Raises `webterm.errors.DataDirectoryError` where somebody else could have put things into it.
    """
    try:
        directory.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise DataDirectoryError(f"{directory} cannot be used as data directory: {error.strerror}") from error
    if stat.S_ISLNK(found.st_mode):
        raise DataDirectoryError(
            f"{directory} is a symbolic link to {directory.readlink()}; name the directory itself as data directory"
        )
    if found.st_uid != os.geteuid():
        raise DataDirectoryError(
            f"{directory} belongs to user {found.st_uid}, and this is user {os.geteuid()}; choose another directory"
        )
    if found.st_mode & OTHERS_WRITE:
        raise DataDirectoryError(
            f"{directory} can be written by other users; look at what is in it, then chmod 700 it, or choose another"
        )
    if stat.S_IMODE(found.st_mode) != PRIVATE_DIRECTORY:
        directory.chmod(PRIVATE_DIRECTORY)
    return directory


class Hold:
    """The right to serve from a prepared data directory; one server at a time has it.

    Taken when made, let go by `release` or by the end of the process, however that comes about. Raises
    `webterm.errors.DataDirectoryBusy`, which names the other server.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
        try:
            fcntl.fcntl(self._lock, fcntl.F_OFD_SETLK, WHOLE_FILE)
        except BlockingIOError:
            busy = _busy(directory, _read_holder(self._lock))
            os.close(self._lock)
            raise busy from None
        self._write(f"{os.getpid()}\n")

    def announce(self, url: str, address: str) -> None:
        """Tell others that the server listens: for people at ``url``, on the socket ``address`` (``host:port``)."""
        self._write(f"{os.getpid()}\n{url}\n")
        record = {"pid": os.getpid(), "url": url, "address": address, "started": time.time()}
        write_private(self.directory / RECORD, json.dumps(record).encode())

    def release(self) -> None:
        """Let another server have the directory. Twice is harmless."""
        if self._lock >= 0:
            (self.directory / RECORD).unlink(missing_ok=True)
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = -1

    def _write(self, text: str) -> None:
        data = text.encode()
        os.pwrite(self._lock, data, 0)
        os.ftruncate(self._lock, len(data))


def holder(directory: Path) -> Holder | None:
    """The server that holds the directory now, if any does. Asking locks nothing: a server may be starting."""
    try:
        lock = os.open(directory / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        kind, *_ = FLOCK.unpack(fcntl.fcntl(lock, fcntl.F_OFD_GETLK, WHOLE_FILE))
        return None if kind == fcntl.F_UNLCK else _read_holder(lock)
    finally:
        os.close(lock)


def _read_holder(lock: int) -> Holder | None:
    pid, _, url = os.pread(lock, 4096, 0).decode(errors="replace").strip().partition("\n")
    return Holder(int(pid), url or None) if pid.isascii() and pid.isdigit() else None


def _busy(directory: Path, other: Holder | None) -> DataDirectoryBusy:
    who = "another server"
    if other is not None:
        who = f"the server with process id {other.pid}" + (f" at {other.url}" if other.url else ", which is starting")
    return DataDirectoryBusy(f"{directory} is held by {who}")


def identity(directory: Path) -> str:
    """The word that tells this data directory's things from those of others, made when it is first asked for.

    It stays the same for ever: 32 hexadecimal digits. Raises `webterm.errors.DataDirectoryError`.
    """
    path = directory / IDENTITY
    try:
        if not path.exists():
            # As a whole under another name first: whoever is slower finds the one that is there.
            part = path.with_name(f".{IDENTITY}.{secrets.token_hex(8)}")
            write_private(part, secrets.token_hex(16).encode())
            with contextlib.suppress(FileExistsError):
                os.link(part, path)
            part.unlink()
        found = path.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise DataDirectoryError(f"{path} cannot be used: {error}") from error
    if len(found) != 32 or not found.isalnum():
        raise DataDirectoryError(
            f"{path} does not hold 32 hexadecimal digits; if it is removed, containers are orphans"
        )
    return found


def write_private(path: Path, data: bytes) -> None:
    """Replace the file ``path`` as a whole, readable by its owner only; it is on the disk when this returns."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def issue_link(directory: Path, lifetime: float = LINK_LIFETIME) -> str:
    """A token that `redeem_link` takes once within ``lifetime`` seconds: 32 random bytes as 43 URL-safe characters."""
    links = directory / LINKS
    links.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
    _sweep(links)
    token = secrets.token_urlsafe(32)
    write_private(links / _digest(token), str(time.time() + lifetime).encode())
    return token


def redeem_link(directory: Path, token: str) -> bool:
    """Use up a token: True once, if it was issued and is not too old."""
    file = directory / LINKS / _digest(token)
    expiry = _expiry(file)
    try:
        file.unlink()  # only one of several who try at once succeeds
    except FileNotFoundError:
        return False
    return time.time() < expiry


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _expiry(file: Path) -> float:
    try:
        return float(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0.0


def _sweep(links: Path) -> None:
    """Remove what is too old to be redeemed."""
    now = time.time()
    for file in links.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if not file.name.startswith(".") and _expiry(file) <= now:
                file.unlink()
