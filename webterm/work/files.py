"""What people do with the files of a workspace, in plain calls and plain values.

Every call names who asks, the workspace and paths in it. Paths are bytes, relative to the workspace's directory, as
the system has them; nothing is assumed to be UTF-8. Each call raises, besides what it says,

- `webterm.errors.NoSuchWorkspace` where there is none, or none that this actor may see,
- `webterm.errors.ReadOnly` where the actor's role there is too low for it,
- `webterm.errors.InvalidPath`, `webterm.errors.OutsideWorkspace`, `webterm.errors.NoSuchFile`,
  `webterm.errors.NotADirectory`, `webterm.errors.PermissionDenied`, `webterm.errors.DiskFull`, as the system says.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from webterm.access import Actor
from webterm.files.entries import ANY, Entry, Expected, Listing
from webterm.files.searching import Found, Match, Search
from webterm.work.quotas import Quotas, Standing

if TYPE_CHECKING:
    from webterm.work.workspaces import Workspaces

__all__ = ["ANY", "Archive", "Entry", "Expected", "Files", "Found", "Listing", "Match", "Opened", "Search", "Standing"]


class Opened:
    """A file that is read. To be closed, best with ``async with``.

    ``entry`` is of the very file that is open, whatever happens to its name meanwhile. ``file`` is unbuffered and for
    ``loop.sendfile``; who uses that must call `check` now and then, `chunks` does so by itself.
    """

    entry: Entry
    file: BinaryIO

    def chunks(self, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from ``offset`` on, ``length`` of them or up to the end as it was when the file was opened.

        In chunks of at most 1 MiB, the next one being read while one is used: at most two are in memory. A file that
        has become shorter meanwhile ends early. Raises `webterm.errors.NoSuchWorkspace` once the right has ended.
        """
        raise NotImplementedError

    def check(self) -> None:
        """Raises `webterm.errors.NoSuchWorkspace` when the right to read this has ended."""

    async def aclose(self) -> None:
        """Close it. Twice is harmless."""

    async def __aenter__(self) -> Opened:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()


class Archive:
    """A directory as a zip file, made while it is read: iterate over it, once. To be closed, best with ``async with``.

    ``name`` is that of the directory, empty for the workspace's own. When iterating raises, what has come is no zip
    file, and the connection should be cut.
    """

    name: bytes

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Stop making it. Twice is harmless."""

    async def __aenter__(self) -> Archive:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written. ``created``: there was none of that name before."""

    entry: Entry
    created: bool


class Files:
    """Files of workspaces. Cancelling a call at any point leaves nothing half-written."""

    def __init__(self, workspaces: Workspaces, quotas: Quotas) -> None:
        raise NotImplementedError

    async def stat(self, actor: Actor, workspace: str, path: bytes) -> Entry:
        """What is at a path; a link is told as what it is, with what it leads to."""
        raise NotImplementedError

    async def listing(
        self,
        actor: Actor,
        workspace: str,
        path: bytes = b"",
        *,
        depth: int = 1,
        hidden: bool = False,
        after: bytes | None = None,
        limit: int = 1000,
    ) -> Listing:
        """What is in a directory, by name; at most ``limit`` of it, from the one after ``after`` on."""
        raise NotImplementedError

    async def read(
        self, actor: Actor, workspace: str, path: bytes, *, offset: int = 0, length: int = 256 * 1024
    ) -> tuple[Entry, bytes]:
        """A piece of a file, at most 1 MiB. Raises `webterm.errors.NotAFile`."""
        raise NotImplementedError

    async def open(self, actor: Actor, workspace: str, path: bytes) -> Opened:
        """A file for reading all of it, or any range. Raises `webterm.errors.NotAFile`."""
        raise NotImplementedError

    async def archive(self, actor: Actor, workspace: str, path: bytes = b"") -> Archive:
        """A directory as a zip file."""
        raise NotImplementedError

    async def write(
        self,
        actor: Actor,
        workspace: str,
        path: bytes,
        data: bytes | AsyncIterable[bytes],
        *,
        size: int | None = None,
        expected: Expected = ANY,
        executable: bool | None = None,
        parents: bool = False,
    ) -> Written:
        """Write a whole file, at once or not at all.

        ``data`` is taken as fast as the disk writes it; ``size`` is how many bytes are announced, when that is known
        (quota is set aside for them; another number in the end is `webterm.errors.InvalidRequest`). ``expected``: the
        tag of the file that is to be replaced, None for one that must not be there yet, `ANY` for whatever is there;
        when that is not so, before or after the data came, `webterm.errors.EditConflict` is raised. ``executable``
        None: as the file that is replaced. ``parents``: directories that are missing on the way are made.

        Rights are checked again at the end. Raises `webterm.errors.QuotaReached`, `webterm.errors.NotAFile` where a
        directory is in the way. What ``data`` raises is raised here.
        """
        raise NotImplementedError

    async def make_directory(self, actor: Actor, workspace: str, path: bytes, *, parents: bool = False) -> Entry:
        """Make a directory. Raises `webterm.errors.AlreadyExists`; with ``parents`` not where it is a directory."""
        raise NotImplementedError

    async def move(
        self, actor: Actor, workspace: str, source: bytes, target: bytes, *, overwrite: bool = False
    ) -> Entry:
        """Move or rename a file or directory. Raises `webterm.errors.AlreadyExists`."""
        raise NotImplementedError

    async def copy(
        self, actor: Actor, workspace: str, source: bytes, target: bytes, *, overwrite: bool = False
    ) -> Entry:
        """Copy a file, or a directory with all that is in it. Raises `webterm.errors.AlreadyExists`."""
        raise NotImplementedError

    async def set_executable(self, actor: Actor, workspace: str, path: bytes, executable: bool) -> Entry:
        """Make a file a program, or not."""
        raise NotImplementedError

    async def remove(self, actor: Actor, workspace: str, path: bytes, *, recursive: bool = False) -> None:
        """Remove a file, link or directory. Raises `webterm.errors.DirectoryNotEmpty` without ``recursive``."""
        raise NotImplementedError

    async def search(self, actor: Actor, workspace: str, search: Search) -> Found:
        """Look for names, or for lines in files. Bounded in time, bytes and results."""
        raise NotImplementedError

    async def standing(self, actor: Actor, workspace: str) -> Standing:
        """How much there is in a workspace now, and how much there may be."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Wait for what is under way. Twice is harmless."""
