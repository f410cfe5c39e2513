"""One workspace's files: every operation on them that this server knows, none of which leaves the workspace.

All functions here block and belong into threads. None follows a link out of the workspace, waits for the other end of
a pipe, or opens a device. Each raises, besides what it says:

- `webterm.errors.InvalidPath`: an empty name, ``.``, a NUL byte, a name over 255 or a path over 4,095 bytes;
- `webterm.errors.OutsideWorkspace`: ``..``, an absolute path, a link out of the workspace or in circles;
- `webterm.errors.NoSuchFile`, `webterm.errors.NotADirectory`: on the way to the last name;
- `webterm.errors.PermissionDenied`, `webterm.errors.DiskFull`, `webterm.errors.Conflict` (a program holds the file),
  `webterm.errors.Unavailable` (the disk fails, too many open files).

What has failed has changed nothing, save for removing and copying of trees as they say.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from webterm.files.beneath import Way
from webterm.files.entries import ANY, Entry, Expected, Listing, Report, Usage
from webterm.files.tree import Found
from webterm.files.writing import Writing


class Root:
    """The directory of a workspace, held open. Its methods may be called from several threads at a time.

    ``account``: numeric user (and group) that gets what is made here; only root can give something away. ``way`` is how
    paths are opened, the system's own way where it has one; tests choose.
    Raises `webterm.errors.NoSuchWorkspace` when there is no such directory.
    """

    def __init__(self, path: Path, *, account: int | None = None, way: Way | None = None) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the directory, once running operations have ended. Twice is harmless."""
        raise NotImplementedError

    def stat(self, path: bytes) -> Entry:
        """What is there. Of a link it is the link itself."""
        raise NotImplementedError

    def listing(
        self, path: bytes = b"", *, depth: int = 1, hidden: bool = False, after: bytes | None = None, limit: int = 1000
    ) -> Listing:
        """At most ``limit`` entries below a directory, sorted by their names' bytes; a directory before its content.

        ``depth`` 1 is the directory's own content; links are not descended. ``hidden``: also names that begin with a
        dot. ``after`` is the ``next`` of the page before: a path within the directory, of something that may be gone.
        """
        raise NotImplementedError

    def open_file(self, path: bytes) -> tuple[int, Entry]:
        """A descriptor to read a regular file, through links inside the workspace; whoever calls closes it.

        Raises `webterm.errors.NotAFile` for everything else.
        """
        raise NotImplementedError

    def open_directory(self, path: bytes) -> int:
        """A descriptor (O_PATH) of a directory, good for /proc/self/fd/N and as ``dir_fd``; whoever calls closes it."""
        raise NotImplementedError

    def walk(self, path: bytes = b"", *, hidden: bool = True) -> Iterator[Found]:
        """Everything below a directory, a directory before its content, unsorted. Links are not descended.

        What comes and goes meanwhile may be missing. `Found.open` works until the next one is asked for.
        """
        raise NotImplementedError

    def write(
        self, path: bytes, *, expected: Expected = ANY, executable: bool | None = None, parents: bool = False
    ) -> Writing:
        """New content for a file, or a new file: ``with root.write(…) as writing: writing.write(…); writing.finish()``.

        Nobody sees anything of it before `Writing.finish`, and without that it has never been. Links inside the
        workspace are followed, and the file they lead to (or would) is written; of several hard links the named one
        gets the new content. Permissions stay; ``executable`` None leaves that one too. ``parents`` makes missing
        directories. Raises `webterm.errors.EditConflict` (here, or at the end) when not ``expected`` is there, and
        `webterm.errors.NotAFile`.
        """
        raise NotImplementedError

    def take_in(
        self,
        directory: int,
        name: bytes,
        path: bytes,
        *,
        expected: Expected = ANY,
        executable: bool | None = None,
        parents: bool = False,
        modified: float | None = None,
    ) -> Entry:
        """Move a finished file from another directory (its descriptor) in, as `write` would have written it.

        ``modified`` is the time it shall have, in seconds since 1970. When this raises, the file is where it was.
        """
        raise NotImplementedError

    def make_file(self, path: bytes, *, parents: bool = False) -> Entry:
        """A new, empty file. Raises `webterm.errors.AlreadyExists`."""
        raise NotImplementedError

    def make_directory(self, path: bytes, *, parents: bool = False) -> Entry:
        """A new directory. Raises `webterm.errors.AlreadyExists`; with ``parents`` a directory may be there already."""
        raise NotImplementedError

    def move(self, source: bytes, target: bytes, *, overwrite: bool = False) -> Entry:
        """Rename, at once for everybody. Of a link the link itself is moved.

        ``overwrite``: a file may be in the way of a file and an empty directory in the way of a directory.
        Raises `webterm.errors.AlreadyExists`, `webterm.errors.NotAFile`, `webterm.errors.NotADirectory`,
        `webterm.errors.DirectoryNotEmpty`, and `webterm.errors.InvalidPath` for a directory moved into itself.
        """
        raise NotImplementedError

    def copy(self, source: bytes, target: bytes, *, overwrite: bool = False, report: Report | None = None) -> Entry:
        """Copy a file (through a link) or a directory with all in it; links in it are copied as links.

        Pipes, sockets and devices in it are left out. The copy appears when it is complete, and not at all when this
        raises. ``overwrite`` and errors as of `move`.
        """
        raise NotImplementedError

    def remove(self, path: bytes, *, recursive: bool = False, report: Report | None = None) -> None:
        """Remove a file, a link (not what it leads to), or a directory; with ``recursive`` also one that is not empty.

        Permissions of directories in it do not stop their owner. What cannot be removed ends it, and what has been
        removed until then is gone. Raises `webterm.errors.DirectoryNotEmpty`.
        """
        raise NotImplementedError

    def set_executable(self, path: bytes, executable: bool) -> Entry:
        """Let everybody who may read a file run it, or nobody. Raises `webterm.errors.NotAFile`."""
        raise NotImplementedError

    def usage(self, path: bytes = b"", *, report: Report | None = None) -> Usage:
        """How much is below a directory. What may not be looked into is not counted."""
        raise NotImplementedError
