"""How much containers write outside of their workspaces.

Few storage drivers can bound that. Where they cannot, the engine is asked now and then how much it is, which makes it
look at all files that were written; so it is asked seldom where that takes long.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from webterm.drivers.docker.engine import Engine, EngineInfo
from webterm.drivers.guarding import EASE, End, Guard
from webterm.errors import WebtermError
from webterm.ids import WorkspaceId

_log = logging.getLogger("webterm.drivers")

INTERVAL = 10.0


def can_bound_layers(info: EngineInfo) -> bool:
    """Whether an engine may be able to bound what containers write. (It says no when it cannot.)"""
    return info.storage in ("btrfs", "zfs") or (info.storage == "overlay2" and info.filesystem == "xfs")


class LayerGuard(Guard[str]):
    """Ends containers that have written more than ``limit`` bytes outside of their workspaces; 0 is no limit.

    ``interval`` is in seconds.
    """

    def __init__(
        self,
        engine: Engine,
        limit: int,
        end: End,
        *,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(end, interval=interval, ease=EASE, clock=clock)
        self._engine = engine
        self._limit = limit

    def watch(self, workspace: WorkspaceId, container: str) -> None:
        """Look after a container, by its id, as long as there is a limit."""
        if self._limit:
            self._watched[workspace] = container
            self._begin()

    async def look(self) -> None:
        for workspace, container in list(self._watched.items()):
            try:
                written = await self._written(container)
            except WebtermError as error:
                _log.debug("the container of workspace %s could not be measured: %s", workspace, error)
                continue
            if written > self._limit and self._watched.get(workspace) == container:
                await self._end_all_in(
                    workspace,
                    f"they have written {written / 2**20:.0f} MiB outside of the workspace, and may write"
                    f" {self._limit / 2**20:.0f} MiB",
                )

    async def _written(self, container: str) -> int:
        """Bytes."""
        found = await self._engine.call("GET", f"containers/{container}/json", params={"size": "1"}, timeout=300)
        return int(found.get("SizeRw") or 0)
