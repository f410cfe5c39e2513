"""Zip files (PKWARE's APPNOTE.TXT) written front to back, to somewhere that cannot seek.

Each call returns the bytes that come next. What is remembered of an entry is its line in the directory at the end,
about 80 bytes and its name; so the number of entries costs little, and their sizes nothing. Names are bytes: those
that are UTF-8 are marked as such (flag bit 11), others stand there as they are.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

STORED, DEFLATED = 0, 8
LEVEL = 4
"""Of deflate: a third more speed than the usual 6 for two per cent more bytes."""
PIECE = 512 * 1024
"""Bytes of the zip file in one piece, about."""
FEW = 64
"""Bytes that are not worth the work."""
BIG = 0xFFFFFFFF
"""From here on a size or place needs the fields of zip64."""
MANY = 0xFFFF
UNIX = 3 << 8
PLAIN_VERSION, ZIP64_VERSION = 20, 45
UTF_8 = 1 << 11
SIZES_FOLLOW = 1 << 3
ZIP64_FIELD, TIME_FIELD = 1, 0x5455
MODIFIED_ONLY = 1
DOS_DIRECTORY = 0x10
FIRST_YEAR, LAST_YEAR = 1980, 2107
LATEST = 2**31 - 1
"""The last second that the field of the exact time can tell."""

LOCAL = struct.Struct("<4sHHHHHLLLHH")
CENTRAL = struct.Struct("<4sHHHHHHLLLHHHHHLL")
DESCRIPTOR = struct.Struct("<4sLLL")
BIG_DESCRIPTOR = struct.Struct("<4sLQQ")
END = struct.Struct("<4sHHHHLLH")
BIG_END = struct.Struct("<4sQHHLLQQQQ")
LOCATOR = struct.Struct("<4sLQL")


@dataclass(frozen=True, slots=True)
class Header:
    """An entry as it is announced. ``mode`` as in stat(2), ``modified`` in seconds since 1970."""

    name: bytes
    mode: int
    modified: float
    is_directory: bool = False


class ZipWriter:
    """One zip file: entries by `whole` and `begin`, one after the other, and `finish` once."""

    def __init__(self) -> None:
        self._place = 0
        self._entries = 0
        # Names are long where directories lie deep in each other, and much alike.
        self._packer = zlib.compressobj(1)
        self._directory = bytearray()
        self._size = 0

    def whole(self, header: Header, data: bytes, *, deflate: bool) -> bytes:
        """An entry whose bytes are all there, fewer than 4 GiB. Deflated only where that makes it smaller."""
        method, packed = STORED, data
        if deflate and len(data) >= FEW:
            packer = _packer()
            smaller = packer.compress(data) + packer.flush()
            if len(smaller) < len(data):
                method, packed = DEFLATED, smaller
        entry = _Entry(header, method, self._place, crc=zlib.crc32(data), packed=len(packed), size=len(data))
        self._add(entry)
        return self._count(entry.local() + packed)

    def begin(self, header: Header, size: int, *, deflate: bool) -> Streamed:
        """An entry of at most ``size`` bytes, which are given to what this returns before the next entry begins."""
        entry = _Entry(header, DEFLATED if deflate else STORED, self._place, streamed=True, big=_is_big(size))
        return Streamed(self, entry, _packer() if deflate else None)

    def finish(self) -> Iterator[bytes]:
        """The directory of all entries, with which the file ends, in pieces of at most `PIECE` bytes."""
        begin, size, entries = self._place, self._size, self._entries
        yield from _unpacked(bytes(self._directory + self._packer.flush()))
        end = b""
        if entries >= MANY or begin >= BIG or size >= BIG:
            versions = (UNIX | ZIP64_VERSION, ZIP64_VERSION)
            end += BIG_END.pack(
                b"PK\6\6", BIG_END.size - 12, *versions, 0, 0, entries, entries, size, begin
            ) + LOCATOR.pack(b"PK\6\7", 0, begin + size, 1)
        few = min(entries, MANY)
        yield end + END.pack(b"PK\5\6", 0, 0, few, few, min(size, BIG), min(begin, BIG), 0)

    def _add(self, entry: _Entry) -> None:
        self._entries += 1
        line = entry.central()
        self._size += len(line)
        self._directory += self._packer.compress(line)

    def _count(self, data: bytes) -> bytes:
        self._place += len(data)
        return data


@dataclass(slots=True)
class _Entry:
    header: Header
    method: int
    place: int
    streamed: bool = False
    big: bool = False
    crc: int = 0
    packed: int = 0
    size: int = 0

    def local(self) -> bytes:
        """What stands before the bytes. Of a streamed entry the sizes are told after them."""
        name, flags = _name(self.header)
        extra = _exact_time(self.header.modified)
        packed, size = self.packed, self.size
        if self.streamed:
            flags |= SIZES_FOLLOW
            if self.big:
                extra += struct.pack("<HHQQ", ZIP64_FIELD, 16, 0, 0)
                packed = size = BIG
        return (
            LOCAL.pack(
                b"PK\3\4", self._version, flags, self.method, *_dos_time(self.header.modified), self.crc, packed, size,
                len(name), len(extra),
            )
            + name
            + extra
        )  # fmt: skip

    def descriptor(self) -> bytes:
        """What stands after the bytes of a streamed entry."""
        form = BIG_DESCRIPTOR if self.big else DESCRIPTOR
        return form.pack(b"PK\7\x08", self.crc, self.packed, self.size)

    def central(self) -> bytes:
        """The entry's line in the directory at the end."""
        name, flags = _name(self.header)
        values = (self.size, self.packed, self.place)
        large = [value for value in values if value >= BIG]
        extra = _exact_time(self.header.modified)
        if large:
            extra += struct.pack(f"<HH{len(large)}Q", ZIP64_FIELD, 8 * len(large), *large)
        size, packed, place = (min(value, BIG) for value in values)
        version = ZIP64_VERSION if large else self._version
        return (
            CENTRAL.pack(
                b"PK\1\2", UNIX | version, version, flags | (SIZES_FOLLOW if self.streamed else 0), self.method,
                *_dos_time(self.header.modified), self.crc, packed, size, len(name), len(extra), 0, 0, 0,
                (self.header.mode & 0xFFFF) << 16 | (DOS_DIRECTORY if self.header.is_directory else 0), place,
            )
            + name
            + extra
        )  # fmt: skip

    @property
    def _version(self) -> int:
        return ZIP64_VERSION if self.big else PLAIN_VERSION


class Streamed:
    """An entry whose bytes come one after the other."""

    def __init__(self, writer: ZipWriter, entry: _Entry, packer: zlib._Compress | None) -> None:
        self._writer = writer
        self._entry = entry
        self._packer = packer

    def head(self) -> bytes:
        """What stands before the bytes; to be called first, and once."""
        return self._writer._count(self._entry.local())

    def data(self, data: bytes) -> bytes:
        """More bytes. Of some that are deflated nothing comes yet."""
        self._entry.crc = zlib.crc32(data, self._entry.crc)
        self._entry.size += len(data)
        return self._packed(data if self._packer is None else self._packer.compress(data))

    def end(self) -> bytes:
        """What comes after the last bytes."""
        rest = b"" if self._packer is None else self._packed(self._packer.flush())
        self._writer._add(self._entry)
        return rest + self._writer._count(self._entry.descriptor())

    def _packed(self, data: bytes) -> bytes:
        self._entry.packed += len(data)
        return self._writer._count(data)


def _packer() -> zlib._Compress:
    return zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)


def _is_big(size: int) -> bool:
    # What does not shrink may grow a little when it is deflated.
    return size + size // 1000 + 1024 >= BIG


def _unpacked(packed: bytes) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    for place in range(0, len(packed), PIECE):
        rest = bytes(packed[place : place + PIECE])
        while rest:
            yield unpacker.decompress(rest, PIECE)
            rest = unpacker.unconsumed_tail
    yield unpacker.flush()


def _name(header: Header) -> tuple[bytes, int]:
    name = header.name + (b"/" if header.is_directory else b"")
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return name, 0
    return name, UTF_8


def _dos_time(modified: float) -> tuple[int, int]:
    at = time.gmtime(max(modified, 0.0))
    if not FIRST_YEAR <= at.tm_year <= LAST_YEAR:
        return 0, 1 << 5 | 1
    day = at.tm_year - FIRST_YEAR << 9 | at.tm_mon << 5 | at.tm_mday
    return at.tm_hour << 11 | at.tm_min << 5 | at.tm_sec // 2, day


def _exact_time(modified: float) -> bytes:
    if not 0 <= modified <= LATEST:
        return b""
    return struct.pack("<HHBL", TIME_FIELD, 5, MODIFIED_ONLY, int(modified))
