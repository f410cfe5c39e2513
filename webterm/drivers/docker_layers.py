"""How much containers write outside of their workspaces.

Few storage drivers can bound that. Where they cannot, the engine is asked now and then how much it is, which makes it
look at all files that were written; so it is asked seldom where that takes long.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from webterm.drivers.disk_guard import End
from webterm.drivers.docker_engine import Engine, EngineInfo
from webterm.errors import WebtermError
from webterm.ids import WorkspaceId

_log = logging.getLogger("webterm.drivers")

INTERVAL = 10.0
_SHARE = 20
"""At most one part in so many of the time is spent on asking."""


def can_bound_layers(info: EngineInfo) -> bool:
    """Whether an engine may be able to bound what containers write. (It says no when it cannot.)"""
    return info.storage in ("btrfs", "zfs") or (info.storage == "overlay2" and info.filesystem == "xfs")


class LayerGuard:
    """Ends containers that have written more than ``limit`` bytes outside of their workspaces; 0 is no limit."""

    def __init__(
        self,
        engine: Engine,
        limit: int,
        end: End,
        *,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._limit = limit
        self._end = end
        self._interval = interval
        self._clock = clock
        self._watched: dict[WorkspaceId, str] = {}
        self._task: asyncio.Task[None] | None = None

    def watch(self, workspace: WorkspaceId, container: str) -> None:
        """Look after a container, by its id, as long as there is a limit."""
        if self._limit:
            self._watched[workspace] = container
            if self._task is None or self._task.done():
                self._task = asyncio.get_running_loop().create_task(self._run())

    def forget(self, workspace: WorkspaceId) -> None:
        """No longer. Harmless where it is not watched."""
        self._watched.pop(workspace, None)

    async def aclose(self) -> None:
        """Look after nothing any more. Twice is harmless."""
        self._watched.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        pause = self._interval
        while self._watched:
            await asyncio.sleep(pause)
            begun = self._clock()
            for workspace, container in list(self._watched.items()):
                try:
                    await self._look(workspace, container)
                except WebtermError as error:
                    _log.debug("the container of workspace %s could not be measured: %s", workspace, error)
            pause = max(self._interval, _SHARE * (self._clock() - begun))

    async def _look(self, workspace: WorkspaceId, container: str) -> None:
        found = await self._engine.call("GET", f"containers/{container}/json", params={"size": "1"}, timeout=300)
        written = found.get("SizeRw") or 0
        if written > self._limit and self._watched.get(workspace) == container:
            _log.warning("programs of workspace %s are ended: %d bytes outside of it", workspace, written)
            await self._end(
                workspace,
                f"they have written {written / 2**20:.0f} MiB outside of the workspace, and may write"
                f" {self._limit / 2**20:.0f} MiB",
            )
