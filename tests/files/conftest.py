"""A workspace's directory, opened both ways, with something outside of it that must stay as it is."""

from __future__ import annotations

import contextlib
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from webterm.files.beneath import Way
from webterm.files.root import Root

SECRET = b"nobody in the workspace may see this"


@pytest.fixture(params=["openat2", "walk"])
def way(request: pytest.FixtureRequest) -> Way:
    """Each way in which paths are opened; everything holds for both."""
    return "openat2" if request.param == "openat2" else "walk"


@contextlib.contextmanager
def in_memory() -> Iterator[Path]:
    """A directory in memory, where there is one: quick, however busy the disk is."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as directory:
        yield Path(directory)


@pytest.fixture
def deep() -> Iterator[Path]:
    """A workspace in memory, for trees that are too deep for disks to be quick and for others to remove."""
    with in_memory() as directory:
        yield directory
        with Root(directory) as root:
            for entry in root.listing(hidden=True).items:
                root.remove(entry.path, recursive=True)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory beside the workspace's."""
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "secret").write_bytes(SECRET)
    (directory / "inner").mkdir()
    return directory


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """The workspace's directory."""
    directory = tmp_path / "files"
    directory.mkdir()
    return directory


@pytest.fixture
def root(top: Path, way: Way) -> Iterator[Root]:
    with Root(top, way=way) as opened:
        yield opened


def state(directory: Path) -> dict[str, tuple[object, ...]]:
    """All that is below a directory, and of what kind, with which permissions and content, by path."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        content: object = None
        if stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(status.st_mode):
            content = path.readlink().as_posix()
        found[path.relative_to(directory).as_posix()] = (oct(status.st_mode), status.st_uid, content)
    return found


def put(root: Root, path: bytes, content: bytes, *, executable: bool | None = None) -> str:
    """Write a file with all directories to it; its tag."""
    with root.write(path, parents=True, executable=executable) as writing:
        writing.write(content)
        return writing.finish().tag


def read(root: Root, path: bytes) -> bytes:
    fd, entry = root.open_file(path)
    with open(fd, "rb") as file:
        content = file.read()
    assert len(content) == entry.size
    return content
