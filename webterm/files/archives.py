"""A directory as a zip file, made piece by piece as it is asked for."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Callable, Generator, Iterator

from webterm.errors import NoSuchFile, NotAFile, PermissionDenied
from webterm.files.names import is_temporary
from webterm.files.root import Root
from webterm.files.tree import Found
from webterm.files.zipping import PIECE, Header, ZipWriter

MOST_WORK = 8 * 1024 * 1024
"""Bytes that are read for one piece: what shrinks well must not keep the one who waits for it waiting."""
SMALL = 256 * 1024
"""Files up to here are packed at once, with their sizes in front of them."""
BLOCK = 256 * 1024
SAMPLE = 32 * 1024
WORTH = 0.95
"""What a sample has to shrink to for a large file to be deflated."""
OLDEST = 315_532_800.0
"""1980, in seconds since 1970: as old as a zip file can tell."""
LISTED = stat.S_IRUSR | stat.S_IXUSR
"""Without these permissions of a directory nobody but root sees what is in it."""
LONGEST = 4095
"""Bytes of a path: none of this system can be longer where it is unpacked, and a zip file's not much."""
MOST_MISSING = 256 * 1024
"""Bytes of paths of which it is said that they are missing."""
MISSING = b"NOT IN THIS ARCHIVE.txt"
PACKED = frozenset(
    b".7z .aac .apk .avi .avif .br .bz2 .docx .flac .gif .gz .heic .jar .jpeg .jpg .lz4 .lzma .m4a .m4v .mkv .mov .mp3"
    b" .mp4 .mpeg .mpg .odt .ogg .opus .parquet .png .pptx .rar .tgz .webm .webp .whl .woff .woff2 .xlsx .xz .zip .zst"
    b"".split()
)
"""Endings of names whose files do not shrink any more."""


def archive(root: Root, top: bytes, *, check: Callable[[], None] = lambda: None) -> Generator[bytes, None, None]:
    """The directory ``top`` and all that is below it, in pieces: about `PIECE`, or less, even nothing.

    Names of entries begin with the directory's own name; with the workspace's own directory there is none. Links are
    stored as links, with what they say, and never followed; pipes, sockets and devices are left out. What may not be
    read, or has a path longer than `LONGEST`, is left out, too, and listed in an entry at the end.

    ``check`` is called before each piece, and what it raises is raised here. Closing the iterator closes what it has
    open. Raises what ``root.walk`` raises for ``top``, and what reading raises where a disk fails.
    """
    making = _Making(top.rpartition(b"/")[2])
    for found in root.walk(top):
        if any(map(is_temporary, found.path.split(b"/"))):
            continue
        for piece in making.entry(found):
            check()
            yield piece
    for piece in making.finish():
        check()
        yield piece


class _Making:
    def __init__(self, name: bytes) -> None:
        self._before = name + b"/" if name else b""
        self._zip = ZipWriter()
        self._left_out = bytearray()
        self._ready = bytearray()
        self._work = 0

    def entry(self, found: Found) -> Iterator[bytes]:
        mode, modified = found.status.st_mode, found.status.st_mtime
        directory = found.kind == "directory"
        # A backslash separates directories for Windows' programs, and would lead out of where they unpack.
        name = self._before + found.path.replace(b"\\", b"%5C")
        if len(name) > LONGEST:
            self._leave_out(name)
            return
        header = Header(name, stat.S_IFMT(mode) | mode & 0o777, modified, is_directory=directory)
        try:
            if found.kind == "file":
                yield from self._file(found, header)
            elif found.kind == "link":
                self._ready += self._zip.whole(header, found.link_text(), deflate=False)
            elif directory:
                self._ready += self._zip.whole(header, b"", deflate=False)
                if mode & LISTED != LISTED and os.geteuid() != 0:
                    self._leave_out(name)
        except (NoSuchFile, NotAFile):
            return  # somebody has just removed or replaced it
        except PermissionDenied:
            self._leave_out(name)
        if self._is_enough():
            yield self._take()

    def _leave_out(self, name: bytes) -> None:
        if len(self._left_out) < MOST_MISSING:
            self._left_out += name[:LONGEST] + b"\n"
            if len(self._left_out) >= MOST_MISSING:
                self._left_out += b"... and others\n"

    def finish(self) -> Iterator[bytes]:
        if self._left_out:
            listed = b"These could not be read:\n" + self._left_out
            self._ready += self._zip.whole(
                Header(self._before + MISSING, stat.S_IFREG | 0o644, OLDEST), listed, deflate=True
            )
        yield self._take()
        yield from self._zip.finish()

    def _file(self, found: Found, header: Header) -> Iterator[bytes]:
        descriptor = found.open()
        try:
            size = os.fstat(descriptor).st_size
            shrinks = b"." + header.name.rpartition(b".")[2].lower() not in PACKED
            if size <= SMALL:
                data = _read(descriptor, size)
                self._work += len(data)
                self._ready += self._zip.whole(header, data, deflate=shrinks)
            else:
                yield from self._large(descriptor, size, header, shrinks)
        finally:
            os.close(descriptor)

    def _large(self, descriptor: int, size: int, header: Header, shrinks: bool) -> Iterator[bytes]:
        shrinks = shrinks and _does_shrink(os.pread(descriptor, SAMPLE, size // 2))
        streamed = self._zip.begin(header, size, deflate=shrinks)
        self._ready += streamed.head()
        left = size  # and no more: whether zip64 is needed stands in front of the bytes
        while left and (data := os.read(descriptor, min(BLOCK, left))):
            left -= len(data)
            self._work += len(data)
            self._ready += streamed.data(data)
            if self._is_enough():
                yield self._take()
        self._ready += streamed.end()

    def _is_enough(self) -> bool:
        return len(self._ready) >= PIECE or self._work >= MOST_WORK

    def _take(self) -> bytes:
        piece, self._ready, self._work = bytes(self._ready), bytearray(), 0
        return piece


def _read(descriptor: int, size: int) -> bytes:
    data = os.read(descriptor, size)
    while len(data) < size and (more := os.read(descriptor, size - len(data))):
        data += more
    return data


def _does_shrink(sample: bytes) -> bool:
    return len(zlib.compress(sample, 1)) < WORTH * len(sample)
