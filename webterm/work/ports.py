"""Where programs of workspaces listen, told as it changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from webterm.ids import WorkspaceId
from webterm.work.rounds import Rounds

LOOK_EVERY = 1.0
"""Seconds between two looks at the ports of a workspace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortChanged:
    """A program of the workspace listens at this TCP port, or none does any more."""

    workspace: WorkspaceId
    port: int
    open: bool


OnPort = Callable[[PortChanged], None]
"""Called in the loop. It may not wait, and does not fail."""


class Ports:
    """The listening ports of workspaces, looked at while somebody wants to know. ``look`` says which there are."""

    def __init__(self, look: Callable[[WorkspaceId], Awaitable[frozenset[int]]], *, every: float = LOOK_EVERY) -> None:
        self._rounds = Rounds(look, every=every, whose="ports")

    def watch(self, workspace: WorkspaceId, tell: OnPort) -> Callable[[], None]:
        """Have ``tell`` called for each port that is open, and when one opens or closes; what is returned ends that."""
        known: set[int] = set()

        def compare(seen: frozenset[int]) -> None:
            for port in sorted(known - seen):
                known.discard(port)
                tell(PortChanged(workspace=workspace, port=port, open=False))
            for port in sorted(seen - known):
                known.add(port)
                tell(PortChanged(workspace=workspace, port=port, open=True))

        return self._rounds.watch(workspace, compare)

    def poke(self, workspace: WorkspaceId) -> None:
        """The runtime has come or gone: look at once."""
        self._rounds.poke(workspace)

    async def aclose(self) -> None:
        """Look no more. Twice is harmless."""
        await self._rounds.aclose()
