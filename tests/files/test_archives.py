"""Directories as zip files: what is in them, that nothing leads out of them, and what makes them stop."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from webterm.errors import NoSuchFile, NotADirectory
from webterm.files.archives import MISSING, MOST_WORK, archive
from webterm.files.names import temporary
from webterm.files.root import Root
from webterm.files.zipping import BIG, DEFLATED, PIECE, STORED, Header, ZipWriter

MIB = 1024 * 1024


def packed(root: Root, top: bytes = b"") -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(archive(root, top))))


def content(pack: zipfile.ZipFile) -> dict[str, bytes]:
    return {info.filename: pack.read(info) for info in pack.infolist()}


def test_everything_is_in_it(root: Root, top: Path) -> None:
    (top / "d/e").mkdir(parents=True)
    (top / "d/empty").mkdir()
    (top / "d/.hidden").write_bytes(b"1")
    (top / "d/e/text").write_bytes(b"word " * 100_000)
    (top / "d/e/none").touch()
    program = top / "d/program"
    program.write_bytes(b"#!/bin/sh\n")
    program.chmod(0o4755)
    os.utime(program, (1_600_000_001, 1_600_000_001))
    pack = packed(root, b"d")
    assert pack.testzip() is None
    assert content(pack) == {
        "d/e/": b"",
        "d/empty/": b"",
        "d/.hidden": b"1",
        "d/e/text": b"word " * 100_000,
        "d/e/none": b"",
        "d/program": b"#!/bin/sh\n",
    }
    facts = pack.getinfo("d/program")
    assert stat.filemode(facts.external_attr >> 16) == "-rwxr-xr-x"  # and runs as nobody else
    assert facts.date_time == (2020, 9, 13, 12, 26, 40)
    assert set(content(packed(root))) == {"d/", *content(pack)}


@pytest.mark.skipif(shutil.which("unzip") is None, reason="needs unzip")
def test_another_program_unpacks_it(root: Root, top: Path, tmp_path: Path) -> None:
    (top / "ünïcödé").write_bytes(b"1")
    (top / "d").mkdir()
    (top / "d/large").write_bytes(os.urandom(3 * MIB))
    (top / "d/long").write_bytes(b"1234567890" * 200_000)
    (top / "d/link").symlink_to("large")
    pack = tmp_path / "a.zip"
    pack.write_bytes(b"".join(archive(root, b"")))
    target = tmp_path / "unpacked"
    subprocess.run(["unzip", "-q", str(pack), "-d", str(target)], check=True, env={"LANG": "C.UTF-8", **os.environ})
    for name in ("ünïcödé", "d/large", "d/long"):
        assert (target / name).read_bytes() == (top / name).read_bytes()
    assert (target / "d/link").readlink() == Path("large")


def test_names_are_bytes(root: Root, top: Path) -> None:
    for name in (b"\xff\xfe", "é".encode(), b"a\nb", b"..\\..\\evil", b"C:\\x"):
        (top / os.fsdecode(name)).touch()
    pack = packed(root)
    names = {info.orig_filename: info.flag_bits & 0x800 for info in pack.infolist()}
    assert names == {
        b"\xff\xfe".decode("cp437"): 0,
        "é": 0x800,
        "a\nb": 0x800,
        "..%5C..%5Cevil": 0x800,
        "C:%5Cx": 0x800,
    }


def test_nothing_of_outside_gets_in(root: Root, top: Path, outside: Path) -> None:
    (top / "file").symlink_to(outside / "secret")
    (top / "directory").symlink_to(outside)
    (top / "top").symlink_to("/")
    (top / "self").symlink_to(".")
    (top / "d").mkdir()
    (top / "d/up").symlink_to("../..")
    os.mkfifo(top / "pipe")
    pack = packed(root)
    assert content(pack) == {
        "file": os.fsencode(outside / "secret"),
        "directory": os.fsencode(outside),
        "top": b"/",
        "self": b".",
        "d/": b"",
        "d/up": b"../..",
    }
    assert all(stat.S_ISLNK(info.external_attr >> 16) for info in pack.infolist() if info.filename != "d/")


def test_swapped_while_it_is_packed(root: Root, top: Path, outside: Path) -> None:
    """Directories and files become links out of the workspace and back, again and again."""
    for number in range(20):
        (top / f"d{number}").mkdir()
        (top / f"d{number}/secret").write_bytes(b"harmless")
        (top / f"f{number}").write_bytes(b"harmless")
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            for number in range(20):
                for name, target in ((f"d{number}", outside), (f"f{number}", outside / "secret")):
                    (top / name).rename(top / "aside")
                    (top / name).symlink_to(target)
                    (top / name).unlink()
                    (top / "aside").rename(top / name)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            for info_name, data in content(packed(root)).items():
                if not info_name.endswith("/"):
                    assert data in (b"harmless", os.fsencode(outside), os.fsencode(outside / "secret")), info_name
    finally:
        over.set()
        swapping.join()


def test_what_does_not_shrink_is_stored(root: Root, top: Path) -> None:
    noise, text = os.urandom(2 * MIB), b"again " * 400_000
    for name, data in (("noise", noise), ("text", text), ("photo.JPG", text), ("small", b"again " * 100)):
        (top / name).write_bytes(data)
    kinds = {info.filename: info.compress_type for info in packed(root).infolist()}
    assert kinds == {"noise": STORED, "photo.JPG": STORED, "text": DEFLATED, "small": DEFLATED}


def test_pieces_are_small_and_come_soon(root: Root, top: Path) -> None:
    """Also of a file that nearly vanishes when it is packed: whoever waits gets a sign of life."""
    (top / "zeros").touch()
    os.truncate(top / "zeros", 64 * MIB)
    (top / "noise").write_bytes(os.urandom(8 * MIB))
    pieces = list(archive(root, b""))
    assert len(pieces) >= 64 * MIB // MOST_WORK
    assert max(map(len, pieces)) <= 2 * PIECE


def test_a_file_that_grows_or_shrinks_meanwhile(root: Root, top: Path) -> None:
    for name in ("grows", "shrinks"):
        (top / name).write_bytes(os.urandom(4 * MIB))
    pieces = []
    for piece in archive(root, b""):
        pieces.append(piece)
        if len(pieces) == 1:
            with open(top / "grows", "ab") as file:
                file.write(bytes(MIB))
            os.truncate(top / "shrinks", 3 * MIB)
    pack = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert pack.testzip() is None
    assert pack.getinfo("grows").file_size <= 5 * MIB
    assert pack.getinfo("shrinks").file_size <= 4 * MIB


class Unwanted(Exception):
    """Nobody wants it any more."""


def test_it_stops_when_nobody_wants_it(root: Root, top: Path) -> None:
    (top / "noise").write_bytes(os.urandom(8 * MIB))
    before = len(list(Path("/proc/self/fd").iterdir()))
    making = archive(root, b"")
    next(making)
    making.close()
    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise Unwanted

    with pytest.raises(Unwanted):
        list(archive(root, b"", check=check))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_is_still_being_written_is_not_in_it(root: Root, top: Path) -> None:
    (top / os.fsdecode(temporary())).mkdir()
    (top / os.fsdecode(temporary())).touch()
    (top / "a").touch()
    assert set(content(packed(root))) == {"a"}


def test_no_directory_no_archive(root: Root, top: Path) -> None:
    (top / "a").touch()
    with pytest.raises(NotADirectory):
        list(archive(root, b"a"))
    with pytest.raises(NoSuchFile):
        list(archive(root, b"b"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_what_may_not_be_read_is_listed(top: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from webterm.files.root import Root;"
        " from webterm.files.archives import archive; os.setuid(65534);"
        " sys.stdout.buffer.write(b''.join(archive(Root(Path(sys.argv[1])), b'')))"
    )
    (top / "a").write_bytes(b"1")
    (top / "b").write_bytes(b"2")
    (top / "b").chmod(0)
    (top / "closed").mkdir(mode=0)
    for directory in (top, *top.parents):
        if directory.stat().st_uid == 0 and directory != Path("/tmp") and len(directory.parts) > 2:
            directory.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", script, str(top)], capture_output=True, check=True)
    found = content(zipfile.ZipFile(io.BytesIO(done.stdout)))
    assert found["a"] == b"1"
    assert found[MISSING.decode()] == b"These could not be read:\nb\nclosed\n"


def test_paths_that_are_too_long_are_listed(root: Root, top: Path) -> None:
    """Sixteen bits count their bytes, and the names of everything in the deepest directory are as long."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(400):
        os.mkdir("d" * 255, dir_fd=here)
        inner = os.open("d" * 255, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    for number in range(500):
        os.mknod(str(number), dir_fd=here)
    os.close(here)
    (top / "short").write_bytes(b"short")
    found = content(packed(root))
    assert max(map(len, found)) <= 4096  # with the slash of a directory
    assert found["short"] == b"short"
    assert found[MISSING.decode()].startswith(b"These could not be read:\nddd")
    assert len(found[MISSING.decode()]) < 300_000
    assert found[MISSING.decode()].endswith(b"\n... and others\n")


def test_the_directory_at_the_end_takes_little_memory() -> None:
    writer = ZipWriter()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(5000):
        writer.whole(Header(b"d" * 4000 + b"%d" % number, stat.S_IFREG | 0o644, 0.0), b"", deflate=False)
    size = sum(map(len, writer.finish()))
    most = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert size > 5000 * 4000
    assert most < 4 * 1024**2


def test_many_files(root: Root, top: Path) -> None:
    for number in range(20):
        (top / str(number)).mkdir()
        for each in range(100):
            (top / str(number) / str(each)).write_bytes(b"%d" % each)
    before = _peak()
    assert sum(map(len, archive(root, b""))) > 2000 * 100
    assert _peak() - before < 16 * MIB
    pack = packed(root)
    assert len(pack.infolist()) == 2020
    assert pack.read("19/99") == b"99"


def _peak() -> int:
    text = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmHWM"))


class Sparse(io.RawIOBase):
    """A file of which only what is not all zeros is kept, so that it may be very large."""

    def __init__(self, pieces: Iterable[tuple[int, bytes]], size: int) -> None:
        self._pieces = list(pieces)
        self._size = size
        self._place = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = 0) -> int:
        self._place = offset + (0, self._place, self._size)[whence]
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # that is all that it is given
        count = max(min(len(buffer), self._size - self._place), 0)
        data = bytearray(count)
        for begin, piece in self._pieces:
            start, end = max(begin, self._place), min(begin + len(piece), self._place + count)
            if start < end:
                data[start - self._place : end - self._place] = piece[start - begin : end - begin]
        buffer[:count] = data
        self._place += count
        return count


def test_more_than_four_gigabytes() -> None:
    """Sizes and places beyond 32 bits; the zeros are given without being kept."""
    writer, place = ZipWriter(), 0
    pieces: list[tuple[int, bytes]] = []

    def keep(data: bytes) -> None:
        nonlocal place
        if data is not block:
            pieces.append((place, data))
        place += len(data)

    block = bytes(16 * MIB)
    size = 257 * len(block)
    streamed = writer.begin(Header(b"large", stat.S_IFREG | 0o644, 0.0), size, deflate=False)
    keep(streamed.head())
    for _ in range(257):
        keep(streamed.data(block))
    keep(streamed.end())
    keep(writer.whole(Header(b"after", stat.S_IFREG | 0o644, 1_600_000_000.0), b"behind it", deflate=False))
    keep(b"".join(writer.finish()))
    with zipfile.ZipFile(io.BufferedReader(Sparse(pieces, place))) as pack:
        assert pack.getinfo("large").file_size == size
        assert pack.read("after") == b"behind it"
        assert pack.getinfo("after").header_offset > BIG


def test_more_entries_than_sixteen_bits_count() -> None:
    writer = ZipWriter()
    parts = [
        writer.whole(Header(b"%d" % number, stat.S_IFREG | 0o644, 0.0), b"", deflate=True) for number in range(70_000)
    ]
    with zipfile.ZipFile(io.BytesIO(b"".join([*parts, *writer.finish()]))) as pack:
        assert len(pack.infolist()) == 70_000
