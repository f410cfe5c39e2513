"""A terminal's output: an append-only log of bytes, of which shared memory keeps the newest.

Byte ``n`` of the program's life lies at ``n % size`` of the ring. The memory starts with a header that is complete at
every moment, because a server can be killed at any of them: whoever maps the same descriptor later finds the same log.

    bytes 0-63          eight words: MAGIC, ring size, head, hold, number of notes, number of writers
    bytes 64-1087       the last 64 sizes: offset (8), columns (4), rows (4)
    bytes 4096-36863    the last 32 notes (see `history`): offset (8), length (4), text
    from 36864          the ring
"""

from __future__ import annotations

import mmap
import os
import struct

from webterm.session import Size

MAGIC = 0x77656274_65726D01
HEADER = 36_864
NOTHING = 2**64 - 1
_SIZE, _HEAD, _HOLD, _NOTED, _WRITERS = 1, 2, 3, 4, 5
_MARKS = struct.Struct("=QLL")
_MARKS_AT, _MARKS_KEPT = 64, 64
_NOTE = struct.Struct("=QL")
_NOTES_AT, _NOTE_BYTES = 4096, 1024
NOTES_KEPT = 31  # and one that may be half written
NOTE_LIMIT = _NOTE_BYTES - _NOTE.size


class Log:
    """The ring over one descriptor. Pure memory: nothing here waits, and nothing knows of viewers."""

    def __init__(self, fd: int) -> None:
        """Map the memory behind ``fd``, which stays the caller's. Raises `ValueError` where it holds no log."""
        length = os.fstat(fd).st_size
        if length <= HEADER:
            raise ValueError("not a log: too short")
        self._map = mmap.mmap(fd, length)
        self._view = memoryview(self._map)
        self._words = self._view[:64].cast("Q")
        self._ring = self._view[HEADER:]
        self.size = length - HEADER
        if self._words[0] != MAGIC or self._words[_SIZE] != self.size:
            self.close()
            raise ValueError("not a log: wrong header")

    @staticmethod
    def make_memory(size: int) -> int:
        """A descriptor of fresh memory for a log that keeps ``size`` bytes. Memory is used only once it is touched."""
        fd = os.memfd_create("webterm-log", os.MFD_CLOEXEC)
        os.ftruncate(fd, HEADER + size)
        os.pwrite(fd, struct.pack("=QQQQ", MAGIC, size, 0, NOTHING), 0)
        return fd

    @property
    def head(self) -> int:
        """The offset of the next byte to come."""
        return self._words[_HEAD]

    @property
    def tail(self) -> int:
        """The offset of the oldest byte that is still kept."""
        return max(0, self.head - self.size)

    @property
    def hold(self) -> int | None:
        """The lowest offset that a writer has yet to draw, as it was when last noted."""
        value = self._words[_HOLD]
        return None if value == NOTHING else value

    @hold.setter
    def hold(self, offset: int | None) -> None:
        self._words[_HOLD] = NOTHING if offset is None else offset

    @property
    def writers(self) -> int:
        """How many writers there were when `hold` was last noted."""
        return self._words[_WRITERS]

    @writers.setter
    def writers(self, count: int) -> None:
        self._words[_WRITERS] = count

    def room(self, length: int) -> list[memoryview]:
        """Where the next ``length`` bytes belong: one or two pieces of the ring, for `os.readv`."""
        start = self.head % self.size
        first = min(length, self.size - start)
        pieces = [self._ring[start : start + first]]
        if length > first:
            pieces.append(self._ring[: length - first])
        return pieces

    def advance(self, length: int) -> None:
        """Count ``length`` bytes that have been put where `room` said."""
        self._words[_HEAD] += length

    def append(self, data: bytes) -> None:
        """Copy ``data`` to the end. Of more than a whole ring only the newest part is kept."""
        for at in range(0, len(data), self.size):
            piece = data[at : at + self.size]
            done = 0
            for room in self.room(len(piece)):
                room[:] = piece[done : done + len(room)]
                done += len(room)
            self.advance(done)

    def read(self, start: int, end: int) -> bytes:
        """The bytes from ``start`` to before ``end``; both must lie between tail and head."""
        at, length = start % self.size, end - start
        first = self._ring[at : at + length].tobytes()
        if len(first) == length:
            return first
        return first + self._ring[: length - len(first)].tobytes()

    def sizes(self) -> list[tuple[int, Size]]:
        """The noted sizes, oldest first: from that offset on the terminal had that size."""
        found = []
        for index in range(_MARKS_KEPT):
            offset, cols, rows = _MARKS.unpack_from(self._view, _MARKS_AT + index * _MARKS.size)
            if cols == 0:
                break
            found.append((offset, Size(cols, rows)))
        return found

    def note_sizes(self, sizes: list[tuple[int, Size]]) -> None:
        """Replace the noted sizes by the newest 64 of these."""
        packed = b"".join(_MARKS.pack(offset, size.cols, size.rows) for offset, size in sizes[-_MARKS_KEPT:])
        self._view[_MARKS_AT : _MARKS_AT + _MARKS.size * _MARKS_KEPT] = packed.ljust(_MARKS.size * _MARKS_KEPT, b"\0")

    def notes(self) -> list[tuple[int, bytes]]:
        """The last notes written, oldest first, each with its offset."""
        count = self._words[_NOTED]
        return [self._note(number) for number in range(max(0, count - NOTES_KEPT), count)]

    def write_note(self, offset: int, text: bytes) -> None:
        """Add a note about ``offset``. Notes come in the order of their offsets.

        Raises `ValueError` for more than `NOTE_LIMIT` bytes.
        """
        if len(text) > NOTE_LIMIT:
            raise ValueError(f"a note has at most {NOTE_LIMIT} bytes")
        number = self._words[_NOTED]
        at = self._note_at(number)
        _NOTE.pack_into(self._view, at, offset, len(text))
        self._view[at + _NOTE.size : at + _NOTE.size + len(text)] = text
        self._words[_NOTED] = number + 1

    def _note(self, number: int) -> tuple[int, bytes]:
        at = self._note_at(number)
        offset, length = _NOTE.unpack_from(self._view, at)
        return offset, self._view[at + _NOTE.size : at + _NOTE.size + length].tobytes()

    @staticmethod
    def _note_at(number: int) -> int:
        return _NOTES_AT + number % (NOTES_KEPT + 1) * _NOTE_BYTES

    def close(self) -> None:
        """Unmap. Twice is harmless."""
        if self._map.closed:
            return
        for view in (self._words, self._ring, self._view):
            view.release()
        self._map.close()
