"""Containers whose memory runs out, so that the kernel kills programs of theirs: people are told, and not too often."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from webterm.drivers.docker.container import Container, memory_ran_out
from webterm.ids import WorkspaceId
from webterm.runtime import OnRuntimeNote

INTERVAL = 10.0
"""Seconds between two lines about the same container."""


@dataclass(slots=True)
class _Shortage:
    """``timer`` runs for a while after each line; what comes meanwhile is told when it goes off."""

    count: int = 0
    told: int = 0
    timer: asyncio.TimerHandle | None = None


class Shortages:
    """Counts them since containers came up. ``interval`` is in seconds."""

    tell: OnRuntimeNote | None = None
    """Set by whoever wants to be told: of the first at once, of those that follow soon all together."""

    def __init__(self, *, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._seen: dict[WorkspaceId, _Shortage] = {}

    def add(self, container: Container) -> None:
        """Its memory has run out once more."""
        seen = self._seen.setdefault(container.workspace, _Shortage())
        seen.count += 1
        if seen.timer is None:
            self._tell(container, seen)

    def is_recent(self, workspace: WorkspaceId) -> bool:
        """Whether memory has run out a moment ago."""
        seen = self._seen.get(workspace)
        return seen is not None and seen.timer is not None

    def forget(self, workspace: WorkspaceId) -> None:
        """Its container is gone. Harmless where nothing is known of it."""
        seen = self._seen.pop(workspace, None)
        if seen is not None and seen.timer is not None:
            seen.timer.cancel()

    def close(self) -> None:
        """Tell nothing any more. Twice is harmless."""
        for workspace in list(self._seen):
            self.forget(workspace)

    def _tell(self, container: Container, seen: _Shortage) -> None:
        seen.told = seen.count
        seen.timer = asyncio.get_running_loop().call_later(self._interval, self._go_on, container, seen)
        if self.tell is not None:
            killed = "a program was killed" if seen.count == 1 else "programs were killed"
            self.tell(container.workspace, f"{killed}, because {memory_ran_out(container.memory, seen.count)}")

    def _go_on(self, container: Container, seen: _Shortage) -> None:
        seen.timer = None
        if seen.count > seen.told:
            self._tell(container, seen)
