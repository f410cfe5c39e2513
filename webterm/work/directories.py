"""Where workspaces are on disk. Everything here blocks, and belongs into threads.

    DIRECTORY/ID/files      what people and their programs see
    DIRECTORY/ID/uploads    files that are not complete yet
    DIRECTORY/.new/ID       being made, not yet in the database
    DIRECTORY/.trash/ID     deleted, can be brought back
    DIRECTORY/.gone/ID      purged, may be removed at any time

A workspace moves from place to place by one rename, so a server that is killed leaves it whole in one of them.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from webterm.errors import DiskFull, NoSuchFile, Unavailable, WebtermError
from webterm.files.root import Root
from webterm.ids import WorkspaceId

FILES = "files"
UPLOADS = "uploads"
PRIVATE = 0o700
ID = re.compile(r"[0-9a-f-]{36}")


class Spot(enum.StrEnum):
    """Where a workspace's directory can be, by the name of the directory that it is in."""

    NEW = ".new"
    LIVE = "."
    TRASH = ".trash"
    GONE = ".gone"


class Directories:
    """The directories of all workspaces. Methods raise `webterm.errors.Unavailable` where the disk does not let us."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def prepare(self) -> None:
        """Make what is missing."""
        with _faults("the directory of workspaces cannot be used"):
            self._directory.parent.mkdir(parents=True, exist_ok=True)
            for spot in (Spot.LIVE, Spot.NEW, Spot.TRASH, Spot.GONE):
                (self._directory / spot).mkdir(mode=PRIVATE, exist_ok=True)

    def files(self, workspace: WorkspaceId) -> Path:
        """What people see of a workspace."""
        return self._directory / workspace / FILES

    def uploads(self, workspace: WorkspaceId) -> Path:
        """Files that are not complete yet: on the same file system, and no program sees them."""
        return self._directory / workspace / UPLOADS

    def at(self, workspace: WorkspaceId, spot: Spot) -> Path:
        """Where the directory of a workspace is, if it is there."""
        return self._directory / spot / workspace

    def make(self, workspace: WorkspaceId, account: int | None) -> Path:
        """Make a new workspace's directory at `Spot.NEW`. Returns its files' directory."""
        with _faults("a workspace cannot be made"):
            made = self.at(workspace, Spot.NEW)
            for path in (made, made / FILES, made / UPLOADS):
                path.mkdir(mode=PRIVATE)
            if account is not None:
                os.chown(made / FILES, account, account)
            return made / FILES

    def move(self, workspace: WorkspaceId, spot: Spot) -> bool:
        """Move a workspace's directory there, wherever it is, unless it is purged. Whether it is there now."""
        with _faults("a workspace cannot be moved"):
            target = self.at(workspace, spot)
            if target.exists():
                return True
            for place in (Spot.NEW, Spot.LIVE, Spot.TRASH):
                with contextlib.suppress(FileNotFoundError):
                    self.at(workspace, place).rename(target)
                    return True
            return False

    def found(self, spot: Spot) -> list[WorkspaceId]:
        """Which workspaces have a directory there."""
        with _faults("the directory of workspaces cannot be read"):
            names = [path.name for path in (self._directory / spot).iterdir()]
        return [WorkspaceId(name) for name in names if ID.fullmatch(name)]

    def missing(self, ids: Collection[WorkspaceId]) -> list[WorkspaceId]:
        """Those of ``ids`` that have no directory with files where they belong."""
        return [each for each in ids if not self.files(each).is_dir()]

    def sweep(self) -> list[str]:
        """Remove all that is purged. Returns what could not be removed, and why."""
        failed = []
        with _faults("purged workspaces cannot be removed"):
            names = [path.name for path in (self._directory / Spot.GONE).iterdir()]
        with Root(self._directory / Spot.GONE) as root:
            for name in names:
                try:
                    root.remove(os.fsencode(name), recursive=True)
                except NoSuchFile:
                    continue
                except WebtermError as error:
                    failed.append(f"{name}: {error}")
        return failed


@contextlib.contextmanager
def _faults(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = f"{what}: {error.strerror or error}"
        raise (DiskFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else Unavailable)(text) from error
