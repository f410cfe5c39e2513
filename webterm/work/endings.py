"""Rights in workspaces that end or change reach every server on the database, and what is open there, within a second.

Each rule that takes such a right away writes a line into the store's workspace changes, in its own transaction. Each
server reads the new lines twice a second, and at once when it wrote one itself.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from webterm.access import Role
from webterm.ids import UserId, WorkspaceId
from webterm.store import workspace_changes
from webterm.store.engine import Store
from webterm.store.following import Feed, Following
from webterm.store.workspace_changes import WorkspaceChange

log = logging.getLogger("webterm.work")

REMEMBERED = 10_000
"""Changes that are remembered for those who ask what has ended since they looked."""
_FEED = Feed(latest=workspace_changes.latest, since=workspace_changes.since, prune=workspace_changes.prune)


@dataclass(frozen=True, slots=True)
class WorkspaceGone:
    """A workspace is in the trash, or removed: whatever is open in it ends."""

    workspace: WorkspaceId


@dataclass(frozen=True, slots=True)
class MemberGone:
    """Somebody may not be in a workspace any more: whatever this person has open in it ends."""

    workspace: WorkspaceId
    user: UserId


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """A member has another role now, a higher or a lower one: what it is not good for ends."""

    workspace: WorkspaceId
    user: UserId
    role: Role


Ending = WorkspaceGone | MemberGone | MemberChanged
OnEnding = Callable[[Ending], None]
"""Called in the loop. It may not wait; what it raises is logged and keeps nobody else from being told."""


class Endings:
    """Tells subscribers of every change once, in order, from `start` on."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._subscribers: list[OnEnding] = []
        self._told: deque[tuple[int, Ending]] = deque(maxlen=REMEMBERED)
        self._count = 0
        self._following = Following(store, _FEED, self._tell, what="changes of workspaces", clock=clock)

    def subscribe(self, callback: OnEnding) -> None:
        """Have ``callback`` called with every change from now on."""
        self._subscribers.append(callback)

    def mark(self) -> int:
        """Where the changes stand now, for `ended`. To be taken before the right is looked up."""
        return self._count

    def ended(self, mark: int, workspace: WorkspaceId, user: UserId, role: Role) -> bool:
        """Whether it has been told since ``mark`` that this person has no longer this role there.

        Does not wait. Who opens something asks this when it is open and can be found by subscribers: then nothing is
        left open, whether the change comes before or after. With a mark that is too old the answer is yes.
        """
        if self._told and self._told[0][0] > mark + 1:
            return True
        return any(number > mark and _concerns(ending, workspace, user, role) for number, ending in self._told)

    def poke(self) -> None:
        """Look at once: a change has just been committed. Harmless where nothing was started."""
        self._following.poke()

    async def start(self) -> None:
        """Begin with the changes that come from now on. Raises `webterm.errors.StoreUnavailable`."""
        await self._following.start()

    async def aclose(self) -> None:
        """Stop looking. Twice is harmless."""
        await self._following.aclose()

    async def _tell(self, change: WorkspaceChange) -> None:
        ending = _ending(change)
        self._count += 1
        self._told.append((self._count, ending))
        for callback in self._subscribers:
            try:
                callback(ending)
            except Exception:
                log.exception("a change of a workspace did not arrive everywhere")


def _ending(change: WorkspaceChange) -> Ending:
    if change.user is None:
        return WorkspaceGone(change.workspace)
    if change.role is None:
        return MemberGone(change.workspace, change.user)
    return MemberChanged(change.workspace, change.user, change.role)


def _concerns(ending: Ending, workspace: WorkspaceId, user: UserId, role: Role) -> bool:
    if ending.workspace != workspace:
        return False
    match ending:
        case WorkspaceGone():
            return True
        case MemberGone():
            return ending.user == user
        case MemberChanged():
            return ending.user == user and ending.role < role
