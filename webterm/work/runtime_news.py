"""How the runtimes of workspaces stand, and who is told of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from webterm.ids import WorkspaceId
from webterm.runtime import RuntimeLimits, RuntimeState

log = logging.getLogger("webterm.work")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeChanged:
    """A runtime has come to this state, or says how far it is, or what happens in it.

    ``message`` is a line for people, or empty. ``stops_in``: it stops by itself in so many seconds.
    """

    workspace: WorkspaceId
    state: RuntimeState
    message: str = ""
    stops_in: float | None = None


OnRuntime = Callable[[RuntimeChanged], None]
"""Called in the loop. It may not wait; what it raises is logged and keeps nobody else from being told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStatus:
    """How a workspace's runtime stands.

    ``reason``: why ``driver`` is another one than usual. ``image``: what a container is made of, else empty.
    ``terminals`` is how many run there, ``ports`` what its programs listen on. ``stops_in``: in so many seconds it
    stops, because nobody uses it. ``limits``, ``network`` and ``published`` are what its programs have, or
    would have; ``cut`` has a line for each limit of which the environment asks for more.
    """

    state: RuntimeState
    message: str
    driver: str
    terminals: int
    ports: tuple[int, ...] = ()
    reason: str = ""
    image: str = ""
    stops_in: float | None = None
    limits: RuntimeLimits = field(default_factory=RuntimeLimits)
    cut: tuple[str, ...] = ()
    network: bool = False
    published: Mapping[int, int] = field(default_factory=dict)


class RuntimeNews:
    """The last that is known of each runtime, and those who want to hear what is new."""

    def __init__(self) -> None:
        self._last: dict[WorkspaceId, RuntimeChanged] = {}
        self._subscribers: list[OnRuntime] = []

    def subscribe(self, callback: OnRuntime) -> None:
        """Have ``callback`` called with everything that is new."""
        self._subscribers.append(callback)

    def unsubscribe(self, callback: OnRuntime) -> None:
        """No longer. Twice is harmless."""
        if callback in self._subscribers:
            self._subscribers.remove(callback)

    def last(self, workspace: WorkspaceId) -> RuntimeChanged:
        """What was told last; ``absent`` where nothing was."""
        return self._last.get(workspace) or RuntimeChanged(workspace=workspace, state=RuntimeState.ABSENT)

    def tell(self, workspace: WorkspaceId, state: RuntimeState, message: str = "") -> None:
        """A runtime has come to this state, or says how far it is."""
        changed = self._last[workspace] = RuntimeChanged(workspace=workspace, state=state, message=message)
        if state is RuntimeState.ABSENT and not message:
            del self._last[workspace]
        self._pass_on(changed)

    def clear_failures(self) -> None:
        """What failed may be tried again: why it did is no longer so."""
        for workspace, last in list(self._last.items()):
            if last.state is RuntimeState.FAILED:
                self.tell(workspace, RuntimeState.ABSENT)

    def warn(self, workspace: WorkspaceId, seconds: float | None) -> None:
        """One that is up stops by itself in so many seconds; None: it does not any more."""
        why = "" if seconds is None else "nobody looks, and nothing runs here but shells at their prompt"
        self._pass_on(RuntimeChanged(workspace=workspace, state=RuntimeState.READY, message=why, stops_in=seconds))

    def note(self, workspace: WorkspaceId, text: str) -> None:
        """Something has happened in one that is up, and goes on. Who comes later finds it in its story."""
        if self.last(workspace).state is RuntimeState.READY:
            self._pass_on(RuntimeChanged(workspace=workspace, state=RuntimeState.READY, message=text))

    def _pass_on(self, changed: RuntimeChanged) -> None:
        for callback in list(self._subscribers):
            try:
                callback(changed)
            except Exception:
                log.exception("a change of a runtime did not arrive everywhere")
