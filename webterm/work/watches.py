"""Who watches which directories, and until when."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from webterm.access import Actor, Role
from webterm.errors import Conflict, NoSuchWorkspace, TooManyWatches, Unavailable, WebtermError
from webterm.files.entries import Entry
from webterm.files.root import Root
from webterm.files.watching import Change, Happened, Watched, Watching
from webterm.ids import UserId, WorkspaceId
from webterm.tasks import Tasks
from webterm.work.files import Files
from webterm.work.holds import Hold
from webterm.work.workspaces import Workspace

__all__ = ["Change", "FilesChanged", "Tell", "Watch", "Watches"]

LOOK = 5.0
"""Seconds between two looks whether watched directories are still where they were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesChanged:
    """Something happened in a watched directory.

    ``refresh``: so much that the names are not told; look at the directory anew. ``ended``: the watch is over, because
    the directory was removed or moved, or the right to see it has ended; nothing follows.
    """

    workspace: WorkspaceId
    watch: int
    path: bytes
    changes: tuple[Change, ...] = ()
    refresh: bool = False
    ended: bool = False


Tell = Callable[[FilesChanged], None]
"""Called in the loop. It may not wait, and does not fail."""


class Watch:
    """One subscription. ``id`` is a number that no other watch of this server has."""

    def __init__(self, watches: Watches, number: int, path: bytes, tell: Tell) -> None:
        self.id = number
        self.path = path
        self.entry: Entry
        self.hold: Hold
        self.identity = (0, 0)
        """Device and inode of the directory."""
        self._watches = watches
        self._tell = tell
        self._watched: Watched | None = None
        self._open = True

    @property
    def workspace(self) -> WorkspaceId:
        """Where the directory is."""
        return self.hold.workspace.id

    def close(self) -> None:
        """Nothing is told any more. Twice is harmless."""
        self._open = False
        if self._watched is not None:
            self._watched.close()
        self._watches.forget(self)

    def begin(self, watching: Watching, directory: int) -> None:
        """For `Watches`: what happens from now on is told."""
        self._watched = watching.watch(directory, self._on_happened)

    def end(self) -> None:
        """For `Watches`: tell that it is over."""
        self._on_happened(Happened(ended=True))

    def _on_happened(self, happened: Happened) -> None:
        if not self._open:
            return
        if happened.ended:
            self.close()
        self._tell(
            FilesChanged(
                workspace=self.workspace,
                watch=self.id,
                path=self.path,
                changes=happened.changes,
                refresh=happened.refresh,
                ended=happened.ended,
            )
        )
        self._watches.suspect(self, happened.changes)


class Watches:
    """Directories that people watch, at most ``most`` each.

    A directory that is somewhere else now, or gone, is found out by its own events; where those are missing (it is a
    program's working directory, or one above it was moved), by those of a watched directory above, or within seconds.
    """

    def __init__(self, files: Files, *, most: int, look: float = LOOK) -> None:
        self._files = files
        self._most = most
        self._look = look
        self._watching = Watching()
        self._numbers = itertools.count(1)
        self._count: Counter[UserId] = Counter()
        self._here: dict[WorkspaceId, dict[int, Watch]] = {}
        self._tasks = Tasks("watches")
        self._looking: asyncio.Task[None] | None = None

    async def watch(self, actor: Actor, workspace: str, path: bytes, tell: Tell) -> Watch:
        """Have changes in a directory told, not those in directories below it.

        What happened before this returns may be told or not: look at the directory afterwards. Raises
        `webterm.errors.TooManyWatches`, `webterm.errors.NotADirectory` and what all calls of
        `webterm.work.files.Files` raise.
        """
        if self._count[actor.id] >= self._most:
            raise TooManyWatches(f"{self._most} directories are watched for you, which is all you can have")
        self._count[actor.id] += 1
        watch = Watch(self, next(self._numbers), path, tell)
        try:
            watch.hold = await self._files.holds.take(actor, workspace, Role.READ, watch.end)
        except BaseException:
            self._uncount(actor.id)
            raise
        self._here.setdefault(watch.workspace, {})[watch.id] = watch
        try:
            await self._begin(watch)
            watch.hold.check()
        except BaseException:
            watch.close()
            raise
        self._keep_looking()
        return watch

    @property
    def directories(self) -> int:
        """How many directories the system watches for us."""
        return self._watching.count

    def forget(self, watch: Watch) -> None:
        """For `Watch.close`."""
        watch.hold.close()
        here = self._here.get(watch.workspace, {})
        if here.pop(watch.id, None) is not None:
            self._uncount(watch.hold.actor.id)
        if not here:
            self._here.pop(watch.workspace, None)

    def suspect(self, above: Watch, changes: Iterable[Change]) -> None:
        """For `Watch`: what these changes took away may be watched, or lead to what is."""
        gone = [_joined(above.path, change.name) for change in changes if change.kind in ("removed", "moved")]
        here = self._here.get(above.workspace, {})
        if gone and any(_is_at_or_below(watch.path, path) for watch in here.values() for path in gone):
            self._tasks.run(self._check(above.hold.workspace))

    async def aclose(self) -> None:
        """End all watches, without telling. Twice is harmless."""
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        await self._tasks.aclose()
        for watch in [watch for here in self._here.values() for watch in here.values()]:
            watch.close()
        self._watching.close()

    async def _begin(self, watch: Watch) -> None:
        directory, watch.entry = await self._files.threads.quick(
            lambda: self._opened(watch.hold.workspace, watch.path), drop=lambda found: os.close(found[0])
        )
        try:
            watch.identity = _identity(directory)
            watch.begin(self._watching, directory)
        finally:
            os.close(directory)

    def _opened(self, workspace: Workspace, path: bytes) -> tuple[int, Entry]:
        with Root(self._files.workspaces.root(workspace)) as root:
            entry = root.stat(path)
            return root.open_directory(path), entry

    def _uncount(self, user: UserId) -> None:
        self._count[user] -= 1
        if not self._count[user]:
            del self._count[user]

    def _keep_looking(self) -> None:
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_again(), name="watches")

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(self._look)
            for here in list(self._here.values()):
                for watch in itertools.islice(here.values(), 1):
                    await self._check(watch.hold.workspace)

    async def _check(self, workspace: Workspace) -> None:
        """End the watches of directories that are not where they were."""
        watches = [watch for watch in self._here.get(workspace.id, {}).values() if watch.identity != (0, 0)]
        try:
            strayed = await self._files.threads.quick(lambda: self._strayed(workspace, watches))
        except NoSuchWorkspace:
            strayed = watches
        except WebtermError:
            return  # nobody can tell at the moment
        for watch in strayed:
            watch.end()

    def _strayed(self, workspace: Workspace, watches: Iterable[Watch]) -> list[Watch]:
        with Root(self._files.workspaces.root(workspace)) as root:
            return [watch for watch in watches if _has_strayed(root, watch)]


def _has_strayed(root: Root, watch: Watch) -> bool:
    try:
        directory = root.open_directory(watch.path)
    except (Unavailable, Conflict):
        return False  # nobody can tell at the moment
    except WebtermError:
        return True
    try:
        return _identity(directory) != watch.identity
    finally:
        os.close(directory)


def _identity(directory: int) -> tuple[int, int]:
    status = os.fstat(directory)
    return status.st_dev, status.st_ino


def _joined(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory else name


def _is_at_or_below(path: bytes, top: bytes) -> bool:
    return path == top or path.startswith(top + b"/")
