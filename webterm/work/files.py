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
from collections.abc import AsyncIterable, Callable
from typing import TypeVar

from webterm.access import Actor, Role
from webterm.errors import QuotaReached
from webterm.files.entries import ANY, Entry, Expected, Listing, Usage
from webterm.files.faults import translated
from webterm.files.root import Root
from webterm.files.searching import LONGEST_TEXT, Found, Match, Search, search
from webterm.work.holds import Hold, Holds
from webterm.work.needs import look, size_of
from webterm.work.quotas import Quotas, Standing
from webterm.work.reading import Archive, Opened
from webterm.work.receiving import Chunk
from webterm.work.roots import Roots
from webterm.work.threads import Check, Threads
from webterm.work.workspaces import Workspaces
from webterm.work.writing import Target, Writer, Written

__all__ = [
    "ANY",
    "LONGEST_TEXT",
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


class Files:
    """Files of workspaces. Cancelling a call at any point leaves nothing half-written.

    ``workspaces``, ``threads``, ``roots``, ``holds`` and ``quotas`` are for others in this package.
    """

    def __init__(self, workspaces: Workspaces) -> None:
        self.workspaces = workspaces
        self.threads = Threads()
        self.roots = Roots(workspaces, self.threads)
        self.holds = Holds(workspaces)
        self.quotas = Quotas(workspaces, self.threads)
        self._writer = Writer(self.threads, self.holds, self.quotas, self.roots)

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
                lambda: self.roots.do(hold.workspace, lambda root: root.open_file(path)),
                drop=lambda found: os.close(found[0]),
            )
            stack.pop_all()
            return Opened(self.threads, hold, descriptor, entry)

    async def archive(self, actor: Actor, workspace: str, path: bytes = b"") -> Archive:
        """A directory as a zip file."""
        with contextlib.ExitStack() as stack:
            hold = stack.enter_context(await self.holds.take(actor, workspace, Role.READ))
            root = await self.threads.quick(lambda: self.roots.root_with(hold.workspace, path), drop=Root.close)
            stack.pop_all()
            return Archive(self.threads, hold, root, path)

    async def write(
        self,
        actor: Actor,
        workspace: str,
        path: bytes,
        data: bytes | AsyncIterable[Chunk],
        *,
        size: int | None = None,
        expected: Expected = ANY,
        executable: bool | None = None,
        parents: bool = False,
        hold: Hold | None = None,
    ) -> Written:
        """Write a whole file, at once or not at all.

        ``data`` is taken as fast as the disk writes it; ``size`` is how many bytes are announced, when that is known:
        quota is set aside for them, and another number in the end is `webterm.errors.InvalidRequest` or
        `webterm.errors.TooBig`. ``expected``: the tag of the file that is to be replaced, None for one that must not
        be there yet, `ANY` for whatever is there; when that is not so, before or after the data came,
        `webterm.errors.EditConflict` is raised. ``executable`` None: as the file that is replaced. ``parents``:
        directories that are missing on the way are made. ``hold``: this actor's in this workspace; see `hold`.

        Rights are looked up again at the end. Raises `webterm.errors.QuotaReached`, and `webterm.errors.NotAFile` where
        a directory is in the way. What ``data`` raises is raised here.
        """
        target = Target(path, expected, executable, parents)
        with contextlib.ExitStack() as stack:
            if hold is None:
                hold = stack.enter_context(await self.holds.take(actor, workspace, Role.WRITE))
            return await self._writer.write(hold, target, data, size)

    async def hold(self, actor: Actor, workspace: str) -> Hold:
        """The right to write there, for many `write` one after the other, which need not look it up each time then.

        To be closed, best with ``with``. It ends with the right, within a second.
        """
        return await self.holds.take(actor, workspace, Role.WRITE, lasting=True)

    async def make_directory(self, actor: Actor, workspace: str, path: bytes, *, parents: bool = False) -> Entry:
        """Make a directory. Raises `webterm.errors.AlreadyExists`; with ``parents`` not where it is a directory."""
        with await self.holds.take(actor, workspace, Role.WRITE) as hold:
            where = hold.workspace

            def make(root: Root) -> tuple[int, Entry]:
                there = look(root, path, parents=parents)
                return there.entries, root.make_directory(path, parents=parents)

            with await self._writer.room(where, Target(path, None, None, parents), 0) as reservation:
                entries, entry = await self.threads.quick(lambda: self.roots.do(where, make))
                reservation.settle(bytes=0, entries=entries)
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

    async def _quick(self, actor: Actor, workspace: str, role: Role, work: Callable[[Root], T]) -> T:
        allowed = await self.workspaces.allowed(actor, workspace, role)
        return await self.threads.quick(lambda: self.roots.do(allowed, work))

    async def _long(self, hold: Hold, work: Callable[[Root, Check], T]) -> T:
        def do(wanted: Check) -> T:
            def check() -> None:
                wanted()
                hold.check()

            return self.roots.do(hold.workspace, lambda root: work(root, check))

        return await self.threads.long(hold.workspace.id, do)
