"""The file of a backup: gzip over lines of JSON, the same for both engines.

First a `Header`, then a row per line as ``[table, value, …]``, and last an `End` with the number of rows of each table.
A file without its end is refused, and so is one whose rows are not as many as it says. Everything here blocks.
"""

from __future__ import annotations

import gzip
import os
import secrets
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from webterm.errors import NewerSchema, StoreError

FORMAT = 1
Cell = str | int | float | bool | None
Line = tuple[str, list[Cell]]
"""A table and the values of one row, in the order of the header's columns."""
_PIECE = 1024 * 1024
_NOT_WHOLE = (EOFError, zlib.error, gzip.BadGzipFile, msgspec.DecodeError, UnicodeDecodeError)


class Header(msgspec.Struct, frozen=True, kw_only=True, tag_field="webterm", tag="backup"):
    """``revision`` of the schema; ``tables``: columns by table, in an order in which they can be filled."""

    format: int
    revision: str
    made: float
    tables: dict[str, list[str]]


class End(msgspec.Struct, frozen=True, kw_only=True, tag_field="webterm", tag="end"):
    """``rows`` by table; ``counters``: the highest number given so far, of tables that give numbers."""

    rows: dict[str, int]
    counters: dict[str, int]


class Writer:
    """Writes a backup into a new file (0600) that appears whole, at `finish`, or not at all.

    Raises `webterm.errors.StoreError` where that cannot be done.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
        with _file_faults(path):
            if path.exists():
                raise StoreError(f"{path} is there already; name another file for the backup")
            # Nobody else has made it beforehand, and nobody else writes it at the same time.
            file = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._raw = open(file, "wb")  # noqa: SIM115 - closed by finish and abandon
            self._file = gzip.GzipFile("", "wb", 6, self._raw)
            self._line(header)

    def add(self, lines: Iterable[Line]) -> None:
        """Write rows."""
        with _file_faults(self._path):
            for table, values in lines:
                self._line([table, *values])

    def finish(self, end: End) -> None:
        """Write the end, wait for the disk, and give the file its name."""
        with _file_faults(self._path):
            self._line(end)
            self._file.close()
            self._raw.flush()
            os.fsync(self._raw.fileno())
            self._raw.close()
            self._part.rename(self._path)

    def abandon(self) -> None:
        """Leave nothing behind. Harmless after `finish`."""
        if not self._raw.closed:
            self._part.unlink(missing_ok=True)
            self._file.close()
            self._raw.close()

    def _line(self, content: object) -> None:
        self._file.write(msgspec.json.encode(content) + b"\n")


class Reader:
    """Reads a backup: `header`, then the rows as `read` gives them, and when there are no more, `end`.

    Raises `webterm.errors.StoreError` for whatever is not a whole backup, as soon as it comes upon that, and
    `webterm.errors.NewerSchema` for a format that is not known here.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: Counter[str] = Counter()
        self._end: End | None = None
        with self._faults():
            self._file = gzip.GzipFile(path, "rb")
        try:
            with self._faults():
                # The checksum stands at the end, and a wrong bit can look like anything, also like a later version.
                while self._file.read(_PIECE):
                    pass
                self._file.seek(0)
                self.header = msgspec.json.decode(self._file.readline(), type=Header)
            if self.header.format > FORMAT:
                raise NewerSchema(f"{path} was made by a newer webterm; restore it with that one")
        except BaseException:
            self.close()
            raise

    def read(self, most: int) -> list[Line]:
        """The next rows. None left: the end was there and the numbers are right."""
        found: list[Line] = []
        with self._faults():
            while len(found) < most and self._end is None:
                found += self._next()
        return found

    def _next(self) -> Iterator[Line]:
        raw = self._file.readline()
        if raw.startswith(b"["):
            table, *values = msgspec.json.decode(raw, type=list[Cell]) or [None]
            if not isinstance(table, str) or len(values) != len(self.header.tables.get(table, ())):
                raise StoreError(f"{self._path} is not a whole backup: a row does not fit its table")
            self._counts[table] += 1
            yield table, values
            return
        end = msgspec.json.decode(raw, type=End)
        if {table: count for table, count in end.rows.items() if count} != self._counts or self._file.read(1):
            raise StoreError(f"{self._path} is not a whole backup: it does not hold as many rows as it says")
        self._end = end

    @property
    def end(self) -> End:
        """What stands last."""
        if self._end is None:
            raise StoreError(f"{self._path} has not been read to its end")
        return self._end

    def close(self) -> None:
        """Close the file. Twice is harmless."""
        self._file.close()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            with _file_faults(self._path):
                yield
        except _NOT_WHOLE as error:
            raise StoreError(f"{self._path} is not a whole backup of webterm") from error


@contextmanager
def _file_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except gzip.BadGzipFile:
        raise
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
