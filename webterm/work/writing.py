"""Writing whole files: small ones in one go, others as they come."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass

from webterm.errors import InvalidRequest, QuotaReached, TooBig
from webterm.files.entries import Entry, Expected
from webterm.files.root import Root
from webterm.files.writing import Writing
from webterm.work.holds import Hold, Holds
from webterm.work.needs import Before, look
from webterm.work.quotas import Quotas, Reservation
from webterm.work.receiving import Chunk, receive
from webterm.work.roots import Roots
from webterm.work.threads import Threads
from webterm.work.workspaces import Workspace

SMALL = 256 * 1024
"""Files up to here are taken whole, and written in one go."""
AHEAD = 4 * 1024 * 1024
"""Bytes of quota that are set aside at a time for a file whose size nobody has announced."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written. ``created``: there was none of that name before."""

    entry: Entry
    created: bool


@dataclass(frozen=True, slots=True)
class Target:
    """Where to, and how, as `webterm.files.root.Root.write` has it."""

    path: bytes
    expected: Expected
    executable: bool | None
    parents: bool

    def look(self, root: Root) -> Before:
        """What is there. Blocks."""
        return look(root, self.path, parents=self.parents)

    def open(self, root: Root) -> Writing:
        """Begin to write. Blocks."""
        return root.write(self.path, expected=self.expected, executable=self.executable, parents=self.parents)

    @property
    def most_entries(self) -> int:
        """How many there can be more at most."""
        return 1 + (self.path.count(b"/") if self.parents else 0)


class Writer:
    """Writes files for those who hold the right to it."""

    def __init__(self, threads: Threads, holds: Holds, quotas: Quotas, roots: Roots) -> None:
        self._threads = threads
        self._holds = holds
        self._quotas = quotas
        self._roots = roots

    async def write(self, hold: Hold, target: Target, data: bytes | AsyncIterable[Chunk], size: int | None) -> Written:
        """Write a file; ``size`` is how many bytes are announced. Streams look up the right again at their end."""
        if isinstance(data, bytes):
            return await self._whole(hold.workspace, target, data)
        if hold.lasting and (size is None or size <= SMALL):
            return await self._gathered(hold, target, aiter(data), size)
        return await self._stream(hold, target, aiter(data), size)

    async def _gathered(self, hold: Hold, target: Target, data: AsyncIterator[Chunk], size: int | None) -> Written:
        """One of many: a small one is taken whole first. What speaks against it is said only then."""
        beginning: list[bytes] = []
        came = 0
        while came <= SMALL and (chunk := await anext(data, None)) is not None:
            hold.check()
            beginning.append(bytes(chunk))
            came += len(chunk)
            _check_most(came, size)
        if came > SMALL:
            return await self._stream(hold, target, _joined(beginning, data), size)
        _check_least(came, size)
        await self._holds.confirm(hold)
        return await self._whole(hold.workspace, target, b"".join(beginning))

    async def _whole(self, workspace: Workspace, target: Target, data: bytes) -> Written:
        def write(root: Root) -> tuple[Before, Entry]:
            there = target.look(root)
            with target.open(root) as writing:
                writing.write(data)
                return there, writing.finish()

        with await self.room(workspace, target, len(data)) as reservation:
            there, entry = await self._threads.step(
                lambda: self._roots.do(workspace, write)
            )  # it may wait for the disk
            reservation.settle(bytes=entry.size - there.bytes, entries=there.entries)
        return Written(entry, not there.found)

    async def room(self, workspace: Workspace, target: Target, size: int) -> Reservation:
        """Room for a file or directory: for the worst case or, where there is not so much, for what it really takes.

        Raises `webterm.errors.QuotaReached`.
        """
        try:
            return await self._quotas.reserve(workspace, bytes=size, entries=target.most_entries)
        except QuotaReached:
            there = await self._threads.quick(lambda: self._roots.do(workspace, target.look))
            return await self._quotas.reserve(workspace, bytes=size - there.bytes, entries=there.entries)

    async def _stream(self, hold: Hold, target: Target, data: AsyncIterator[Chunk], size: int | None) -> Written:
        with await self.room(hold.workspace, target, size or 0) as reservation:
            begun = await self._threads.quick(
                lambda: _Begun(self._roots.root(hold.workspace), target), drop=_Begun.close
            )
            try:
                await self._receive(hold, begun, data, size, reservation)
                await self._holds.confirm(hold)
                entry = await self._threads.step(begun.finish)
            finally:
                await self._threads.quick(begun.close)
            reservation.settle(bytes=entry.size - begun.there.bytes, entries=begun.there.entries)
        return Written(entry, not begun.there.found)

    async def _receive(
        self,
        hold: Hold,
        begun: _Begun,
        data: AsyncIterator[Chunk],
        size: int | None,
        reservation: Reservation,
    ) -> None:
        came = 0

        async def admit(more: int) -> None:
            nonlocal came
            hold.check()
            came += more
            _check_most(came, size)
            short = came - begun.there.bytes - reservation.bytes
            if short > 0:
                await _grow(reservation, hold.workspace, short)

        await receive(data, self._threads, begun.write, admit=admit)
        _check_least(came, size)


class _Begun:
    """A file that is being written. Everything blocks."""

    def __init__(self, root: Root, target: Target) -> None:
        """``root`` is closed with this, also when this raises."""
        self._root = root
        try:
            self.there = target.look(root)
            self._writing = target.open(root)
        except BaseException:
            root.close()
            raise

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Add bytes."""
        for chunk in chunks:
            self._writing.write(chunk)

    def finish(self) -> Entry:
        """Put it in its place."""
        return self._writing.finish()

    def close(self) -> None:
        """Drop what is not finished. Twice is harmless."""
        self._writing.close()
        self._root.close()


async def _grow(reservation: Reservation, workspace: Workspace, short: int) -> None:
    """Ask for more than is needed, so as to ask seldom; or for what is needed, where there is no more."""
    try:
        await reservation.grow(workspace, bytes=max(short, AHEAD))
    except QuotaReached:
        await reservation.grow(workspace, bytes=short)


async def _joined(beginning: list[bytes], rest: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    for chunk in beginning:
        yield chunk
    async for more in rest:
        yield more


def _check_most(came: int, size: int | None) -> None:
    if size is not None and came > size:
        raise TooBig(f"more came than the {size:,} bytes that were announced")


def _check_least(came: int, size: int | None) -> None:
    if size is not None and came < size:
        raise InvalidRequest(f"only {came:,} of the {size:,} bytes that were announced came")
