"""The directories of workspaces, for those who have been let in."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from webterm.files.root import Root
from webterm.work.threads import Threads
from webterm.work.workspaces import Workspace, Workspaces

T = TypeVar("T")


class Roots:
    """Opens workspaces' directories, in threads."""

    def __init__(self, workspaces: Workspaces, threads: Threads) -> None:
        self._workspaces = workspaces
        self._threads = threads

    def do(self, workspace: Workspace, work: Callable[[Root], T]) -> T:
        """Do something there. Blocks."""
        with self.root(workspace) as root:
            return work(root)

    def root(self, workspace: Workspace) -> Root:
        """The directory, which whoever calls closes. Blocks."""
        return Root(self._workspaces.root(workspace), account=workspace.account)

    def root_with(self, workspace: Workspace, path: bytes) -> Root:
        """The same, if ``path`` is a directory in it. Blocks."""
        with contextlib.ExitStack() as stack:
            root = stack.enter_context(self.root(workspace))
            os.close(root.open_directory(path))
            stack.pop_all()
            return root

    @contextlib.asynccontextmanager
    async def held(self, workspace: Workspace) -> AsyncIterator[Root]:
        """The directory, held open meanwhile."""
        root = await self._threads.quick(lambda: self.root(workspace), drop=Root.close)
        try:
            yield root
        finally:
            await self._threads.quick(root.close)
