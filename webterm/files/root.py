"""One workspace's files: every operation on them that this server knows, none of which leaves the workspace.

All functions here block and belong into threads. None follows a link out of the workspace, waits for the other end of
a pipe, or opens a device. Each raises, besides what it says:

- `webterm.errors.InvalidPath`: an empty name, ``.``, a NUL byte, a name over 255 or a path over 4,095 bytes;
- `webterm.errors.OutsideWorkspace`: ``..``, an absolute path, a link out of the workspace or in circles;
- `webterm.errors.NoSuchFile`, `webterm.errors.NotADirectory`: on the way to the last name;
- `webterm.errors.PermissionDenied`, `webterm.errors.DiskFull`, `webterm.errors.Conflict` (a program holds the file),
  `webterm.errors.Unavailable` (the disk fails, too many open files);
- `webterm.errors.NoSuchWorkspace` after `Root.close`.

What has failed has changed nothing, save for removing and copying of trees as they say.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from webterm.errors import AlreadyExists, EditConflict, NoSuchWorkspace
from webterm.files import removing, tree, writing
from webterm.files.beneath import Way, best_way, held, open_path
from webterm.files.copying import Copying
from webterm.files.entries import ANY, Entry, Expected, Listing, Report, Usage, entry_of, tag_of
from webterm.files.faults import translated
from webterm.files.listing import LARGEST_BYTES, Page
from webterm.files.moving import move
from webterm.files.names import checked, shown, temporary
from webterm.files.placing import Place, make_directory, mode_of, place_of, settle, target_of
from webterm.files.tree import Found
from webterm.files.writing import Writing

__all__ = ["ANY", "Entry", "Expected", "Found", "Listing", "Report", "Root", "Usage", "Way", "Writing"]


class Root:
    """The directory of a workspace, held open. Its methods may be called from several threads at a time.

    ``account``: numeric user (and group) that gets what is made here; only root can give something away. ``way`` is how
    paths are opened, the system's own way where it has one, and ``nameless`` whether a file has no name while it is
    being written, where the disk can do that; tests choose.
    Raises `webterm.errors.NoSuchWorkspace` when there is no such directory.
    """

    def __init__(
        self, path: Path, *, account: int | None = None, way: Way | None = None, nameless: bool = True
    ) -> None:
        self._account = account
        self._nameless = nameless
        self._way = way or best_way()
        self._lock = threading.Lock()
        self._users = 1  # this object itself, and operations that run
        self._is_closed = False
        with translated(b""):
            try:
                self._fd = os.open(path, os.O_PATH | os.O_DIRECTORY)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise NoSuchWorkspace("the directory of this workspace is not there") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the directory, once running operations have ended. Twice is harmless."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        self._leave()

    @contextlib.contextmanager
    def _using(self) -> Iterator[int]:
        """The descriptor of the top, which cannot become another file's meanwhile."""
        with self._lock:
            if self._is_closed:
                raise NoSuchWorkspace("this workspace is closed")
            self._users += 1
        try:
            yield self._fd
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            is_last = not self._users
        if is_last:
            os.close(self._fd)

    @contextlib.contextmanager
    def _held(self, path: bytes) -> Iterator[tuple[int, int]]:
        """The top, and what this path leads to. Errors of the system are translated."""
        with self._using() as top, translated(path), held(open_path(top, checked(path), way=self._way)) as fd:
            yield top, fd

    def stat(self, path: bytes) -> Entry:
        """What is there. Of a link it is the link itself."""
        with self._using() as top, translated(path):
            with held(open_path(top, checked(path), follow=False, way=self._way)) as fd:
                return self._entry(top, path, os.fstat(fd))

    def _entry(self, top: int, path: bytes, status: os.stat_result) -> Entry:
        target = None
        if stat.S_ISLNK(status.st_mode):
            with contextlib.suppress(OSError), held(open_path(top, path, way=self._way)) as fd:
                target = os.fstat(fd)
        return entry_of(path, status, target)

    def listing(
        self, path: bytes = b"", *, depth: int = 1, hidden: bool = False, after: bytes | None = None, limit: int = 1000
    ) -> Listing:
        """At most ``limit`` entries below a directory, sorted by their names' bytes; a directory before its content.

        ``depth`` 1 is the directory's own content (64 at most); links are not descended. ``limit`` is 10,000 at most.
        A page with very long paths has fewer. ``hidden``: also names that begin with a dot. ``after`` is the ``next``
        of the page before: a path within the directory, of something that may be gone.
        """
        items: list[Entry] = []
        room = LARGEST_BYTES
        prefix = path + b"/" if path else b""
        after = checked(after) if after else None
        with self._held(path) as (top, fd):
            tag = tag_of(os.fstat(fd))
            with Page(fd, depth=depth, hidden=hidden, after=after, limit=limit) as page:
                for below, status in page.entries():
                    if len(items) == page.limit or room < 0:
                        return Listing(items=items, next=items[-1].path[len(prefix) :], tag=tag)
                    items.append(self._entry(top, prefix + below, status))
                    room -= len(prefix) + len(below)
        return Listing(items=items, next=None, tag=tag)

    def open_file(self, path: bytes) -> tuple[int, Entry]:
        """A descriptor to read a regular file, through links inside the workspace; whoever calls closes it.

        The entry is of the file that is open. Raises `webterm.errors.NotAFile` for everything else.
        """
        with self._held(path) as (_, fd):
            opened = tree.reopen_regular(fd)
            return opened, entry_of(path, os.fstat(opened))

    def open_directory(self, path: bytes) -> int:
        """A descriptor (O_PATH) of a directory, good for /proc/self/fd/N and as ``dir_fd``; whoever calls closes it."""
        with self._held(path) as (_, fd):
            return os.open(b".", os.O_PATH | os.O_DIRECTORY, dir_fd=fd)

    def walk(self, path: bytes = b"", *, hidden: bool = True) -> Iterator[Found]:
        """Everything below a directory, a directory before its content, unsorted. Links are not descended.

        What comes and goes meanwhile, and what is in directories that may not be listed, may be missing; `Found.path`
        is from that directory on. `Found.open` works until the next one is asked for. Raises when it is first asked.
        """
        with self._held(path) as (_, fd):
            yield from tree.walk(fd, hidden=hidden)

    def write(
        self, path: bytes, *, expected: Expected = ANY, executable: bool | None = None, parents: bool = False
    ) -> Writing:
        """New content for a file, or a new file: ``with root.write(…) as writing: writing.write(…); writing.finish()``.

        Nobody sees anything of it before `Writing.finish`, and without that it has never been. Links inside the
        workspace are followed, and the file they lead to (or would) is written; of several hard links the named one
        gets the new content. Permissions stay; ``executable`` None leaves that one too. ``parents`` makes missing
        directories. Raises `webterm.errors.EditConflict` (here, or at the end) when not ``expected`` is there,
        `webterm.errors.NotAFile`, and `webterm.errors.PermissionDenied` also for a file that nobody may write to.
        """
        with self._using() as top, translated(path):
            place = self._target(top, path, expected, parents=parents)
            return self._writing(place, path, expected, executable)

    def _writing(self, place: Place, path: bytes, expected: Expected, executable: bool | None) -> Writing:
        return Writing(
            place,
            path,
            expected=expected,
            executable=executable,
            account=self._account,
            nameless=self._nameless,
        )

    def _target(self, top: int, path: bytes, expected: Expected, *, parents: bool) -> Place:
        """Where a file is to be written. Where nothing is expected, a link is something."""
        find = place_of if expected is None else target_of
        return find(top, path, way=self._way, parents=parents, account=self._account)

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

        Both directories must be on one file system. ``modified`` is the time it shall have, in seconds since 1970.
        When this raises, the file is where it was.
        """
        with self._using() as top, translated(path), self._target(top, path, expected, parents=parents) as place:
            return writing.take_in(
                place,
                path,
                directory,
                name,
                expected=expected,
                executable=executable,
                account=self._account,
                modified=modified,
            )

    def make_file(self, path: bytes, *, parents: bool = False) -> Entry:
        """A new, empty file. Raises `webterm.errors.AlreadyExists`."""
        with self._using() as top, translated(path):
            place = self._place(top, path, parents=parents)
            if place.status() is not None:
                place.close()
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            try:
                with self._writing(place, path, None, None) as made:
                    return made.finish()
            except EditConflict as error:  # it has come just now
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error

    def _place(self, top: int, path: bytes, *, parents: bool = False) -> Place:
        return place_of(top, path, way=self._way, parents=parents, account=self._account)

    def make_directory(self, path: bytes, *, parents: bool = False) -> Entry:
        """A new directory. Raises `webterm.errors.AlreadyExists`; with ``parents`` a directory may be there already."""
        with self._using() as top, translated(path), self._place(top, path, parents=parents) as place:
            try:
                made = make_directory(place.directory, place.name, account=self._account)
            except FileExistsError:
                there = place.status()
                if not parents or there is None or not stat.S_ISDIR(there.st_mode):
                    raise
                return entry_of(path, there)
            with held(made) as fd:
                place.keep()
                return entry_of(path, os.fstat(fd))

    def move(self, source: bytes, target: bytes, *, overwrite: bool = False) -> Entry:
        """Rename, at once for everybody. Of a link the link itself is moved.

        ``overwrite``: a file may be in the way of a file and an empty directory in the way of a directory.
        Raises `webterm.errors.AlreadyExists`, `webterm.errors.NotAFile`, `webterm.errors.NotADirectory`,
        `webterm.errors.DirectoryNotEmpty`, and `webterm.errors.InvalidPath` for a directory moved into itself.
        """
        with self._using() as top, contextlib.ExitStack() as stack:
            with translated(source):
                here = stack.enter_context(self._place(top, source))
                os.stat(here.name, dir_fd=here.directory, follow_symlinks=False)
            with translated(target):
                there = stack.enter_context(self._place(top, target))
                move(here, there, overwrite=overwrite)
                return self._moved(top, target, there)

    def _moved(self, top: int, path: bytes, place: Place) -> Entry:
        return self._entry(top, path, os.stat(place.name, dir_fd=place.directory, follow_symlinks=False))

    def copy(self, source: bytes, target: bytes, *, overwrite: bool = False, report: Report | None = None) -> Entry:
        """Copy a file or a directory with all in it; a link named by ``source`` is followed, links in it are copied.

        Pipes, sockets and devices in it are left out. The copy appears when it is complete, and not at all when this
        raises. ``overwrite`` and errors as of `move`; permissions are copied, times are not.
        """
        copying = Copying(self._account, report)
        with self._held(source) as (top, fd), translated(target), self._place(top, target) as there:
            if not overwrite and there.status() is not None:
                raise AlreadyExists(f"{shown(target)} is there already")
            here = Place(os.dup(there.directory), temporary())
            with here:
                try:
                    with translated(source):
                        copying.whole(fd, here.directory, here.name)
                    move(here, there, overwrite=overwrite)
                except BaseException:
                    with contextlib.suppress(OSError):
                        removing.remove(here.directory, here.name, recursive=True)
                    raise
            return self._moved(top, target, there)

    def remove(self, path: bytes, *, recursive: bool = False, report: Report | None = None) -> None:
        """Remove a file, a link (not what it leads to), or a directory; with ``recursive`` also one that is not empty.

        Permissions of directories in it do not stop their owner. What cannot be removed ends it, and what has been
        removed until then is gone. Raises `webterm.errors.DirectoryNotEmpty`. ``report`` is told of entries alone.
        """
        with self._using() as top, translated(path), self._place(top, path) as place:
            removing.remove(place.directory, place.name, recursive=recursive, report=report)

    def set_executable(self, path: bytes, executable: bool) -> Entry:
        """Let everybody who may read a file run it, or nobody. Raises `webterm.errors.NotAFile`."""
        with self._held(path) as (_, fd):
            settle(fd, mode_of(tree.check_regular(fd), executable), None)
            return entry_of(path, os.fstat(fd))

    def usage(self, path: bytes = b"", *, report: Report | None = None) -> Usage:
        """How much is below a directory. What may not be looked into is not counted."""
        with self._held(path) as (_, fd):
            return tree.usage(fd, report)
