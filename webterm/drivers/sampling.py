"""How fast something is used up, from how much of it has been so far."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from webterm.ids import WorkspaceId

_Found = TypeVar("_Found")

_FIRST = 0.2
"""Seconds between the two looks that the first answer takes."""
_SHORTEST = 0.1
"""Seconds after which another look says something: clocks of processes tick a hundred times a second."""
_LONGEST = 15.0
"""Seconds after which the last look is too old to say what is used now."""


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    used: float
    key: object
    rate: float | None


class Sampling(Generic[_Found]):
    """Looks at workspaces again and again, and remembers the last look at each."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looks: dict[WorkspaceId, _Look] = {}

    async def rate(
        self,
        workspace: WorkspaceId,
        look: Callable[[], Awaitable[_Found]],
        used: Callable[[_Found], float],
        key: object = None,
    ) -> tuple[_Found, float | None]:
        """What ``look`` finds, and how much more was ``used`` for each second since the last look.

        ``key`` says what is looked at: after a change of it everything begins anew. The first answer takes two looks.
        """
        found = await look()
        rate = self._note(workspace, used(found), key)
        if rate is None:
            await asyncio.sleep(_FIRST)
            found = await look()
            rate = self._note(workspace, used(found), key)
        return found, rate

    def forget(self, workspace: WorkspaceId) -> None:
        """It is over. Harmless where nothing is known."""
        self._looks.pop(workspace, None)

    def _note(self, workspace: WorkspaceId, used: float, key: object) -> float | None:
        now, last = self._clock(), self._looks.get(workspace)
        if last is None or last.key != key or now - last.at > _LONGEST:
            self._looks[workspace] = _Look(now, used, key, None)
            return None
        if now - last.at < _SHORTEST:
            return last.rate
        rate = max(0.0, used - last.used) / (now - last.at)
        self._looks[workspace] = _Look(now, used, key, rate)
        return rate
