"""The part of a conversation that tells what becomes of the runtimes of one's workspaces."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from webterm.access import Role, Scope
from webterm.errors import StoreUnavailable
from webterm.hub.tasks import Tasks
from webterm.ids import WorkspaceId
from webterm.protocol.message import Message
from webterm.protocol.runtime_messages import Runtime
from webterm.protocol.speaker import Speaker, Talk
from webterm.work.runtimes import RuntimeChanged, Runtimes
from webterm.work.workspaces import Workspaces

MOST = 256
"""News that may wait for one client."""


class RuntimeSpeaker(Speaker):
    """Tells one client of each workspace that it may see; what it is much too slow for is left out."""

    handles: ClassVar[tuple[type[Message], ...]] = ()

    def __init__(self, talk: Talk, runtimes: Runtimes, workspaces: Workspaces) -> None:
        self._talk = talk
        self._runtimes = runtimes
        self._workspaces = workspaces
        self._tasks = Tasks(f"runtimes for {talk.actor.name}")
        self._news: deque[RuntimeChanged] = deque(maxlen=MOST)
        self._telling = False
        if talk.actor.may(Scope.WORKSPACES_READ):
            runtimes.subscribe(self._changed)

    def receive(self, message: Message) -> None:
        """There are no such messages."""

    def leave(self) -> None:
        """See `Speaker.leave`."""
        self._runtimes.unsubscribe(self._changed)
        self._news.clear()
        self._tasks.cancel()

    async def aclose(self) -> None:
        """See `Speaker.aclose`."""
        await self._tasks.aclose()

    def _changed(self, told: RuntimeChanged) -> None:
        self._news.append(told)
        if not self._telling:
            self._telling = True
            self._tasks.run(self._tell())

    async def _tell(self) -> None:
        try:
            while self._news:
                await self._talk.room()
                told = self._news.popleft()
                if await self._sees(told.workspace):
                    self._talk.say(Runtime(workspace=told.workspace, state=told.state, message=told.message))
        finally:
            self._telling = False

    async def _sees(self, workspace: WorkspaceId) -> bool:
        try:
            return await self._workspaces.may_be_in(self._talk.actor.id, workspace, Role.READ)
        except StoreUnavailable:
            return False  # nobody knows; what runs can be asked for
