"""Who watches which directories, and until when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from webterm.access import Actor
from webterm.files.entries import Entry
from webterm.files.watching import Change, Watching
from webterm.ids import WorkspaceId
from webterm.work.files import Files

if TYPE_CHECKING:
    from webterm.work.workspaces import Workspaces

__all__ = ["Change", "FilesChanged", "Tell", "Watch", "Watches"]


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

    id: int
    workspace: WorkspaceId
    path: bytes
    entry: Entry

    def close(self) -> None:
        """Nothing is told any more. Twice is harmless."""


class Watches:
    """Directories that people watch, at most ``most`` each."""

    def __init__(self, workspaces: Workspaces, files: Files, watching: Watching, *, most: int) -> None:
        raise NotImplementedError

    async def watch(self, actor: Actor, workspace: str, path: bytes, tell: Tell) -> Watch:
        """Have changes in a directory told, not those in directories below it.

        What happened before this returns may be told or not: look at the directory afterwards. Raises
        `webterm.errors.TooManyWatches`, `webterm.errors.NotADirectory` and what all calls of
        `webterm.work.files.Files` raise.
        """
        raise NotImplementedError

    async def aclose(self) -> None:
        """End all watches, without telling."""
