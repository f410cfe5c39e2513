"""Files and directories on their way to somebody, piece by piece."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Self

from webterm.files.archives import archive
from webterm.files.entries import Entry
from webterm.files.faults import translated
from webterm.files.root import Root
from webterm.work.holds import Hold
from webterm.work.threads import Pieces, Threads

CHUNK = 512 * 1024
"""Bytes of a file that are read at once; twice as much is in memory."""


class Opened:
    """A file that is read. To be closed, best with ``async with``.

    ``entry`` is of the very file that is open, whatever happens to its name meanwhile.
    """

    def __init__(self, threads: Threads, hold: Hold, descriptor: int, entry: Entry) -> None:
        self.entry = entry
        self._descriptor = descriptor
        self._threads = threads
        self._hold = hold
        self._pieces: list[Pieces] = []

    def chunks(self, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from ``offset`` on, ``length`` of them or up to the end as it was when the file was opened.

        In chunks of 512 KiB, the next one being read while one is used. A file that has become shorter meanwhile ends
        early. Raises `webterm.errors.NoSuchWorkspace` once the right to read this has ended.
        """
        end = self.entry.size if length is None else min(offset + length, self.entry.size)

        def step() -> bytes | None:
            nonlocal offset
            self._hold.check()
            with translated(self.entry.path):
                data = os.pread(self._descriptor, max(min(CHUNK, end - offset), 0), offset)
            offset += len(data)
            return data or None

        pieces = Pieces(self._threads, step, lambda: None)
        self._pieces.append(pieces)
        return pieces

    async def aclose(self) -> None:
        """Close it. Twice is harmless."""
        try:
            for pieces in self._pieces:
                await pieces.aclose()
        finally:
            self._hold.close()
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor >= 0:
                os.close(descriptor)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()


class Archive:
    """A directory as a zip file, made while it is read: iterate over it, once. To be closed, best with ``async with``.

    ``name`` is that of the directory, empty for the workspace's own. When iterating raises, what has come until then
    is no zip file, and the connection should be cut.
    """

    def __init__(self, threads: Threads, hold: Hold, root: Root, path: bytes) -> None:
        """``root`` is closed with this."""
        self.name = path.rpartition(b"/")[2]
        self._hold = hold
        made = archive(root, path, check=hold.check)

        def close() -> None:
            made.close()
            root.close()

        def step() -> bytes | None:
            with translated(path):
                return next(made, None)

        self._pieces = Pieces(threads, step, close)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        """Stop making it. Twice is harmless."""
        try:
            await self._pieces.aclose()
        finally:
            self._hold.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()
