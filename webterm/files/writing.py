"""Writing a file so that it is seen whole or not at all."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from webterm.files.entries import Entry


class Writing:
    """New content on its way. Leaving the context without `finish` drops it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Add bytes at the end. Raises `webterm.errors.DiskFull`."""
        raise NotImplementedError

    def finish(self, *, modified: float | None = None) -> Entry:
        """Put the content where it belongs; ``modified`` is the time it shall have, in seconds since 1970.

        Raises `webterm.errors.EditConflict`, `webterm.errors.NotAFile` when something else has come there meanwhile.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Drop what is not finished. Twice is harmless."""
        raise NotImplementedError
