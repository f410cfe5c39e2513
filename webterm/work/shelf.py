"""Unfinished uploads on disk: of each its bytes, and a small file that says what they are. Everything here blocks.

    DIRECTORY/ID.part    the bytes that have come
    DIRECTORY/ID.json    whose they are, and where they go

Nobody but this server writes there. The length of the bytes is how far an upload has come: so a server that is killed
loses none that the system has taken.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from webterm.errors import NoSuchUpload
from webterm.files.entries import ANY, Entry, Expected
from webterm.files.faults import translated
from webterm.files.root import Root
from webterm.files.writing import AT_ONCE
from webterm.ids import UploadId, UserId

ID = re.compile(r"[A-Za-z0-9_-]{22}")
PART, FACTS = ".part", ".json"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an upload. ``anything``: it replaces whatever is there; otherwise what has ``tag``, or nothing.

    Set aside for it are ``room`` bytes and ``names`` entries.
    """

    user: str
    path: bytes
    size: int
    anything: bool
    tag: str | None
    executable: bool | None
    modified: float | None
    parents: bool
    room: int
    names: int

    @property
    def expected(self) -> Expected:
        return ANY if self.anything else self.tag

    @property
    def maker(self) -> UserId:
        return UserId(self.user)


@dataclass(frozen=True, slots=True)
class Kept:
    """An upload as it is on the disk. ``touched``: when bytes came last, in seconds since 1970."""

    id: UploadId
    facts: Facts
    offset: int
    touched: float


class Shelf:
    """The uploads of one workspace."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def make(self, upload: UploadId, facts: Facts) -> None:
        """Begin with no bytes. Raises `webterm.errors.DiskFull`; then nothing is left."""
        try:
            with translated(facts.path):
                self._directory.mkdir(mode=0o700, exist_ok=True)
                self._write(upload + PART, b"")
                self._write(upload + FACTS, msgspec.json.encode(facts))
        except BaseException:
            self.remove(upload)
            raise

    def get(self, upload: str) -> Kept:
        """An upload. Raises `webterm.errors.NoSuchUpload`."""
        try:
            if not ID.fullmatch(upload):
                raise FileNotFoundError
            facts = msgspec.json.decode((self._directory / (upload + FACTS)).read_bytes(), type=Facts)
            status = (self._directory / (upload + PART)).stat()
        except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
            raise none(upload) from None
        return Kept(UploadId(upload), facts, status.st_size, status.st_mtime)

    def all(self) -> Iterator[Kept]:
        """All uploads. What is left of one that was begun or ended when the server was killed is removed."""
        try:
            names = {path.stem for path in self._directory.iterdir()}
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in sorted(names):
            try:
                yield self.get(name)
            except NoSuchUpload:
                if ID.fullmatch(name):
                    self.remove(UploadId(name))

    def open(self, upload: UploadId) -> int:
        """A descriptor to write the bytes; whoever calls closes it. Raises `webterm.errors.NoSuchUpload`."""
        try:
            return os.open(self._directory / (upload + PART), os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise none(upload) from None

    def take_in(self, upload: UploadId, facts: Facts, root: Root) -> Entry:
        """Put a complete upload in its place. Raises as `Root.take_in`; then it is where it was."""
        directory = os.open(self._directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            entry = root.take_in(
                directory,
                os.fsencode(upload + PART),
                facts.path,
                expected=facts.expected,
                executable=facts.executable,
                parents=facts.parents,
                modified=facts.modified,
            )
        finally:
            os.close(directory)
        self.remove(upload)
        return entry

    def remove(self, upload: UploadId) -> None:
        """Remove all of an upload. Twice is harmless."""
        for kind in (FACTS, PART):  # in this order: without its facts it is none
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                (self._directory / (upload + kind)).unlink()

    def _write(self, name: str, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._directory / name, flags, 0o600)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)


def append(descriptor: int, offset: int, chunks: Sequence[bytes | memoryview], path: bytes) -> Iterator[int]:
    """Write chunks from ``offset`` on; gives, again and again, how many bytes more are written.

    Raises `webterm.errors.DiskFull`; what was told is written.
    """
    with translated(path):
        for chunk in chunks:
            with memoryview(chunk) as rest:
                done = 0
                while done < len(rest):
                    count = os.pwrite(descriptor, rest[done : done + AT_ONCE], offset)
                    done, offset = done + count, offset + count
                    yield count


def none(upload: str) -> NoSuchUpload:
    """What is raised for an upload that there is not, or that is somebody else's."""
    return NoSuchUpload(f"there is no upload {upload[:64]!r}")
