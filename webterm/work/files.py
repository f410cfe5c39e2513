"""What people do with the files of a workspace, in plain calls and plain values.

Every call names who asks, the workspace and paths in it. Paths are bytes, relative to the workspace's directory, as
the system has them; nothing is assumed to be UTF-8. Each call raises, besides what it says,

- `webterm.errors.NoSuchWorkspace` where there is none, or none that this actor may see,
- `webterm.errors.ReadOnly` where the actor's role there is too low for it,
- `webterm.errors.InvalidPath`, `webterm.errors.OutsideWorkspace`, `webterm.errors.NoSuchFile`,
  `webterm.errors.NotADirectory`, `webterm.errors.PermissionDenied`, `webterm.errors.Conflict`,
  `webterm.errors.DiskFull` and `webterm.errors.Unavailable`, as the system says.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeVar

from webterm.access import Actor, Role
from webterm.errors import InvalidRequest, QuotaReached, TooBig
from webterm.files.entries import ANY, Entry, Expected, Listing, Usage
from webterm.files.faults import translated
from webterm.files.root import Root
from webterm.files.searching import Found, Match, Search, search
from webterm.files.writing import Writing
from webterm.work.holds import Hold, Holds
from webterm.work.needs import Before, look, size_of
from webterm.work.quotas import Quotas, Reservation, Standing
from webterm.work.reading import Archive, Opened
from webterm.work.receiving import receive
from webterm.work.threads import Check, Threads
from webterm.work.workspaces import Workspace, Workspaces

__all__ = [
    "ANY",
    "Archive",
    "Entry",
    "Expected",
    "Files",
    "Found",
    "Listing",
    "Match",
    "Opened",
    "Search",
    "Standing",
    "Written",
]

T = TypeVar("T")

LARGEST_PIECE = 1024 * 1024
"""Bytes that one `Files.read` gives."""
AHEAD = 4 * 1024 * 1024
"""Bytes of quota that are set aside at a time for a file whose size nobody has announced."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written. ``created``: there was none of that name before."""

    entry: Entry
    created: bool


@dataclass(frozen=True, slots=True)
class _Target:
    path: bytes
    expected: Expected
    executable: bool | None
    parents: bool

    def open(self, root: Root) -> Writing:
        return root.write(self.path, expected=self.expected, executable=self.executable, parents=self.parents)

    def write_all(self, root: Root, data: bytes) -> Entry:
        with self.open(root) as writing:
            writing.write(data)
            return writing.finish()


class Files:
    """Files of workspaces. Cancelling a call at any point leaves nothing half-written.

    ``workspaces``, ``threads``, ``holds`` and ``quotas`` are for others in this package that work with files, too.
    """

    def __init__(self, workspaces: Workspaces) -> None:
        self.workspaces = workspaces
        self.threads = Threads()
        self.holds = Holds(workspaces)
        self.quotas = Quotas(workspaces, self.threads)

    async def stat(self, actor: Actor, workspace: str, path: bytes) -> Entry:
        """What is at a path; a link is told as what it is, with what it leads to."""
        return await self._quick(actor, workspace, Role.READ, lambda root: root.stat(path))

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
        return await self._quick(
            actor,
            workspace,
            Role.READ,
            lambda root: root.listing(path, depth=depth, hidden=hidden, after=after, limit=limit),
        )

    async def read(
        self, actor: Actor, workspace: str, path: bytes, *, offset: int = 0, length: int = 256 * 1024
    ) -> tuple[Entry, bytes]:
        """A piece of a file, at most 1 MiB. Raises `webterm.errors.NotAFile`."""

        def read(root: Root) -> tuple[Entry, bytes]:
            descriptor, entry = root.open_file(path)
            try:
                with translated(path):
                    return entry, os.pread(descriptor, max(min(length, LARGEST_PIECE), 0), offset)
            finally:
                os.close(descriptor)

        return await self._quick(actor, workspace, Role.READ, read)

    async def open(self, actor: Actor, workspace: str, path: bytes) -> Opened:
        """A file for reading all of it, or any range. Raises `webterm.errors.NotAFile`."""
        with contextlib.ExitStack() as stack:
            hold = stack.enter_context(await self.holds.take(actor, workspace, Role.READ))
            descriptor, entry = await self.threads.quick(
                lambda: self._with_root(hold.workspace, lambda root: root.open_file(path)),
                drop=lambda found: os.close(found[0]),
            )
            stack.pop_all()
            return Opened(self.threads, hold, descriptor, entry)

    async def archive(self, actor: Actor, workspace: str, path: bytes = b"") -> Archive:
        """A directory as a zip file."""
        with contextlib.ExitStack() as stack:
            hold = stack.enter_context(await self.holds.take(actor, workspace, Role.READ))
            root = await self.threads.quick(lambda: self._root_with(hold.workspace, path), drop=Root.close)
            stack.pop_all()
            return Archive(self.threads, hold, root, path)

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

        ``data`` is taken as fast as the disk writes it; ``size`` is how many bytes are announced, when that is known:
        quota is set aside for them, and another number in the end is `webterm.errors.InvalidRequest` or
        `webterm.errors.TooBig`. ``expected``: the tag of the file that is to be replaced, None for one that must not
        be there yet, `ANY` for whatever is there; when that is not so, before or after the data came,
        `webterm.errors.EditConflict` is raised. ``executable`` None: as the file that is replaced. ``parents``:
        directories that are missing on the way are made.

        Rights are looked up again at the end. Raises `webterm.errors.QuotaReached`, and `webterm.errors.NotAFile` where
        a directory is in the way. What ``data`` raises is raised here.
        """
        with await self.holds.take(actor, workspace, Role.WRITE) as hold:
            async with self.root(hold.workspace) as root:
                announced = len(data) if isinstance(data, bytes) else size
                there = await self.threads.quick(lambda: look(root, path, parents=parents))
                with await self.reserve(hold.workspace, there, announced or 0) as reservation:
                    target = _Target(path, expected, executable, parents)
                    if isinstance(data, bytes):
                        entry = await self.threads.quick(lambda: target.write_all(root, data))
                    else:
                        entry = await self._stream(hold, root, target, data, announced, there, reservation)
                    reservation.settle(bytes=entry.size - there.bytes, entries=there.entries)
        return Written(entry, not there.found)

    async def make_directory(self, actor: Actor, workspace: str, path: bytes, *, parents: bool = False) -> Entry:
        """Make a directory. Raises `webterm.errors.AlreadyExists`; with ``parents`` not where it is a directory."""
        with await self.holds.take(actor, workspace, Role.WRITE) as hold:
            async with self.root(hold.workspace) as root:
                there = await self.threads.quick(lambda: look(root, path, parents=parents))
                with await self.reserve(hold.workspace, there, 0) as reservation:
                    entry = await self.threads.quick(lambda: root.make_directory(path, parents=parents))
                    reservation.settle(bytes=0, entries=there.entries)
        return entry

    async def move(
        self, actor: Actor, workspace: str, source: bytes, target: bytes, *, overwrite: bool = False
    ) -> Entry:
        """Move or rename a file or directory. Raises `webterm.errors.AlreadyExists`."""
        return await self._quick(
            actor, workspace, Role.WRITE, lambda root: root.move(source, target, overwrite=overwrite)
        )

    async def copy(
        self, actor: Actor, workspace: str, source: bytes, target: bytes, *, overwrite: bool = False
    ) -> Entry:
        """Copy a file, or a directory with all that is in it. Raises `webterm.errors.AlreadyExists`."""
        with await self.holds.take(actor, workspace, Role.WRITE) as hold:
            needed = await self._long(hold, lambda root, check: size_of(root, source, lambda usage: check()))
            with await self.quotas.reserve(hold.workspace, bytes=needed.bytes, entries=needed.entries) as reservation:

                def copy(root: Root, check: Check) -> Entry:
                    def report(done: Usage) -> None:
                        check()
                        if done.bytes > needed.bytes or done.entries > needed.entries:
                            raise QuotaReached("what is copied grows meanwhile; try again when it does not")

                    return root.copy(source, target, overwrite=overwrite, report=report)

                entry = await self._long(hold, copy)
                reservation.settle(bytes=needed.bytes, entries=needed.entries)
        return entry

    async def set_executable(self, actor: Actor, workspace: str, path: bytes, executable: bool) -> Entry:
        """Make a file a program, or not."""
        return await self._quick(actor, workspace, Role.WRITE, lambda root: root.set_executable(path, executable))

    async def remove(self, actor: Actor, workspace: str, path: bytes, *, recursive: bool = False) -> None:
        """Remove a file, link or directory. Raises `webterm.errors.DirectoryNotEmpty` without ``recursive``."""
        with await self.holds.take(actor, workspace, Role.WRITE) as hold:
            await self._long(
                hold, lambda root, check: root.remove(path, recursive=recursive, report=lambda usage: check())
            )

    async def search(self, actor: Actor, workspace: str, wanted: Search) -> Found:
        """Look for names, or for lines in files. Bounded in time, bytes and results."""
        with await self.holds.take(actor, workspace, Role.READ) as hold:
            return await self._long(hold, lambda root, check: search(root, wanted, check=check))

    async def standing(self, actor: Actor, workspace: str) -> Standing:
        """How much there is in a workspace now, and how much there may be."""
        return await self.quotas.standing(await self.workspaces.allowed(actor, workspace, Role.READ))

    async def aclose(self) -> None:
        """Wait for what is under way. Twice is harmless."""
        await self.threads.aclose()

    @contextlib.asynccontextmanager
    async def root(self, workspace: Workspace) -> AsyncIterator[Root]:
        """The directory of a workspace, held open meanwhile. Who comes here has been let in already."""
        root = await self.threads.quick(lambda: self._root(workspace), drop=Root.close)
        try:
            yield root
        finally:
            await self.threads.quick(root.close)

    async def reserve(self, workspace: Workspace, there: Before, size: int) -> Reservation:
        """Set room aside for a file of so many bytes in the place of what is there."""
        return await self.quotas.reserve(workspace, bytes=size - there.bytes, entries=there.entries)

    async def _quick(self, actor: Actor, workspace: str, role: Role, work: Callable[[Root], T]) -> T:
        allowed = await self.workspaces.allowed(actor, workspace, role)
        return await self.threads.quick(lambda: self._with_root(allowed, work))

    async def _long(self, hold: Hold, work: Callable[[Root, Check], T]) -> T:
        def do(wanted: Check) -> T:
            def check() -> None:
                wanted()
                hold.check()

            return self._with_root(hold.workspace, lambda root: work(root, check))

        return await self.threads.long(hold.workspace.id, do)

    async def _stream(
        self,
        hold: Hold,
        root: Root,
        target: _Target,
        data: AsyncIterable[bytes],
        size: int | None,
        there: Before,
        reservation: Reservation,
    ) -> Entry:
        came = 0

        async def admit(more: int) -> None:
            nonlocal came
            hold.check()
            came += more
            if size is not None and came > size:
                raise TooBig(f"more came than the {size:,} bytes that were announced")
            short = came - there.bytes - reservation.bytes
            if short > 0:
                await _grow(reservation, hold.workspace, short)

        writing = await self.threads.quick(lambda: target.open(root), drop=Writing.close)
        try:
            await receive(data, self.threads, lambda chunks: writing.write(b"".join(chunks)), admit=admit)
            if size is not None and came < size:
                raise InvalidRequest(f"only {came:,} of the {size:,} bytes that were announced came")
            await self.holds.confirm(hold)
            return await self.threads.quick(writing.finish)
        finally:
            await self.threads.quick(writing.close)

    def _root(self, workspace: Workspace) -> Root:
        return Root(self.workspaces.root(workspace), account=workspace.account)

    def _root_with(self, workspace: Workspace, path: bytes) -> Root:
        """The root, if the path is a directory in it."""
        root = self._root(workspace)
        try:
            os.close(root.open_directory(path))
        except BaseException:
            root.close()
            raise
        return root

    def _with_root(self, workspace: Workspace, work: Callable[[Root], T]) -> T:
        with self._root(workspace) as root:
            return work(root)


async def _grow(reservation: Reservation, workspace: Workspace, short: int) -> None:
    """Ask for more than is needed, so as to ask seldom; or for what is needed, where there is no more."""
    try:
        await reservation.grow(workspace, bytes=max(short, AHEAD))
    except QuotaReached:
        await reservation.grow(workspace, bytes=short)
