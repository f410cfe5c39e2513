"""The part of a conversation about the runtimes of one's workspaces: what becomes of them, and what they use."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, get_args

from webterm.access import Role, Scope
from webterm.errors import LimitReached, StoreUnavailable
from webterm.ids import WorkspaceId
from webterm.protocol import runtime_messages as messages
from webterm.protocol.file_messages import Done
from webterm.protocol.message import Message
from webterm.protocol.speaker import Speaker, Talk
from webterm.runtime import RuntimeStats
from webterm.tasks import Tasks
from webterm.work.holds import Hold, Holds
from webterm.work.looks import Looks
from webterm.work.ports import PortChanged
from webterm.work.runtimes import RuntimeChanged, Runtimes
from webterm.work.workspaces import Workspaces

MOST = 256
"""News that may wait for one client."""
WATCHED = 32
"""Workspaces that one socket may watch."""


@dataclass
class _Watched:
    """One workspace that the client watches, or is about to."""

    hold: Hold | None = None
    closing: list[Callable[[], None]] = field(default_factory=list)
    open: bool = True

    def close(self) -> None:
        self.open = False
        for close in self.closing:
            close()
        if self.hold is not None:
            self.hold.close()


class RuntimeSpeaker(Speaker):
    """Tells one client of each workspace that it may see; what it is much too slow for is left out.

    Of a workspace that it watches it also hears what is used there, and which ports open and close.
    """

    handles: ClassVar[tuple[type[Message], ...]] = get_args(messages.FromClientAboutRuntimes)

    def __init__(self, talk: Talk, runtimes: Runtimes, workspaces: Workspaces, looks: Looks, holds: Holds) -> None:
        self._talk = talk
        self._runtimes = runtimes
        self._workspaces = workspaces
        self._looks = looks
        self._holds = holds
        self._tasks = Tasks(f"runtimes for {talk.actor.name}")
        self._news: deque[RuntimeChanged | Message] = deque(maxlen=MOST)
        self._stats: dict[WorkspaceId, RuntimeStats] = {}  # of each workspace only what is new
        self._watched: dict[str, _Watched] = {}
        self._telling = False
        if talk.actor.may(Scope.WORKSPACES_READ):
            runtimes.subscribe(self._changed)

    def receive(self, message: Message) -> None:
        """A workspace to watch, or no longer."""
        if isinstance(message, messages.UnwatchRuntime):
            self._forget(message.workspace)
        elif isinstance(message, messages.WatchRuntime):
            try:
                self._begin(message)
            except Exception as error:
                self._talk.fail(error, request=message.request)
        else:
            raise TypeError(message)

    def leave(self) -> None:
        """See `Speaker.leave`."""
        self._runtimes.unsubscribe(self._changed)
        for workspace in list(self._watched):
            self._forget(workspace)
        self._news.clear()
        self._stats.clear()
        self._tasks.cancel()

    async def aclose(self) -> None:
        """See `Speaker.aclose`."""
        await self._tasks.aclose()

    # What the client watches.

    def _begin(self, asked: messages.WatchRuntime) -> None:
        self._talk.check(Scope.WORKSPACES_READ)
        self._forget(asked.workspace)  # who asks again hears everything again
        if len(self._watched) >= WATCHED:
            raise LimitReached(f"One socket watches at most {WATCHED} workspaces.")
        watched = self._watched[asked.workspace] = _Watched()
        self._tasks.run(self._watch(asked, watched))

    async def _watch(self, asked: messages.WatchRuntime, watched: _Watched) -> None:
        try:
            hold = await self._holds.take(
                self._talk.actor, asked.workspace, Role.READ, lambda: self._end(asked.workspace, watched)
            )
        except Exception as error:
            self._end(asked.workspace, watched)
            self._talk.fail(error, request=asked.request)
            return
        watched.hold = hold
        if not watched.open:
            hold.close()
            return
        self._talk.say(Done(request=asked.request))
        workspace = hold.workspace.id
        watched.closing = [
            self._looks.ports.watch(workspace, self._port),
            self._looks.stats.watch(workspace, lambda seen: self._used(workspace, seen)),
        ]

    def _forget(self, workspace: str) -> None:
        if (watched := self._watched.get(workspace)) is not None:
            self._end(workspace, watched)

    def _end(self, workspace: str, watched: _Watched) -> None:
        watched.close()
        if self._watched.get(workspace) is watched:
            del self._watched[workspace]

    # What is told.

    def _changed(self, told: RuntimeChanged) -> None:
        self._news.append(told)
        self._tell_soon()

    def _port(self, told: PortChanged) -> None:
        kind = messages.PortOpened if told.open else messages.PortClosed
        self._news.append(kind(workspace=told.workspace, port=told.port))
        self._tell_soon()

    def _used(self, workspace: WorkspaceId, seen: RuntimeStats | None) -> None:
        if seen is not None:
            self._stats[workspace] = seen
            self._tell_soon()

    def _tell_soon(self) -> None:
        if not self._telling:
            self._telling = True
            self._tasks.run(self._tell())

    async def _tell(self) -> None:
        try:
            while self._news or self._stats:
                await self._talk.room()
                if self._news:
                    await self._tell_one(self._news.popleft())
                elif self._stats:
                    workspace, seen = self._stats.popitem()
                    if workspace in self._watched:
                        self._talk.say(_shown(workspace, seen))
        finally:
            self._telling = False

    async def _tell_one(self, told: RuntimeChanged | Message) -> None:
        if isinstance(told, RuntimeChanged):
            if await self._sees(told.workspace):
                self._talk.say(
                    messages.Runtime(
                        workspace=told.workspace, state=told.state, message=told.message, stops_in=told.stops_in
                    )
                )
        elif isinstance(told, messages.PortOpened | messages.PortClosed) and told.workspace in self._watched:
            self._talk.say(told)

    async def _sees(self, workspace: WorkspaceId) -> bool:
        try:
            return await self._workspaces.may_be_in(self._talk.actor.id, workspace, Role.READ)
        except StoreUnavailable:
            return False  # nobody knows; what runs can be asked for


def _shown(workspace: WorkspaceId, seen: RuntimeStats) -> messages.RuntimeStats:
    return messages.RuntimeStats(
        workspace=workspace,
        cpu=seen.cpu,
        cpu_limit=seen.cpu_limit,
        memory=seen.memory,
        memory_limit=seen.memory_limit,
        processes=seen.processes,
        processes_limit=seen.processes_limit,
        received=seen.received,
        sent=seen.sent,
    )
