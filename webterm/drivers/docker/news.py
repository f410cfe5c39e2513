"""What happens in the container engine, as it tells: listened to again and again, whatever becomes of the engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from webterm.drivers.docker.labels import WORKSPACE
from webterm.errors import WebtermError
from webterm.ids import WorkspaceId

if TYPE_CHECKING:
    from webterm.drivers.docker.engine import Engine

_log = logging.getLogger("webterm.drivers")

_KINDS = ("die", "exec_die", "oom")
_SOONEST, _LATEST = 0.1, 5.0
_PULSE = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineNews:
    """One thing that happened.

    ``up`` and ``down`` are about the engine: it answers (again), it does not any more; what happened in between is to
    be looked for. The others are about a ``container`` of a ``workspace``: it has ended (die), or the exec ``exec`` in
    it (exec_die), or its memory has run out, which has cost a program its life (oom).
    """

    kind: Literal["up", "down", "die", "exec_die", "oom"]
    container: str = ""
    workspace: WorkspaceId | None = None
    exec: str = ""


class Watch:
    """Listens to an engine in a task of its own, and comes back when it does."""

    def __init__(self, engine: Engine) -> None:
        self.up: bool | None = None
        self._engine = engine
        self._subscribers: list[Callable[[EngineNews], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._since: str | None = None

    def start(self) -> None:
        """Begin. Twice is harmless."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def aclose(self) -> None:
        """End. Twice is harmless."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def subscribe(self, callback: Callable[[EngineNews], None]) -> Callable[[], None]:
        """See `webterm.drivers.docker.engine.Engine.subscribe`."""
        self._subscribers.append(callback)
        if self.up is not None:
            self._tell_one(callback, EngineNews(kind="up" if self.up else "down"))

        def end() -> None:
            with contextlib.suppress(ValueError):
                self._subscribers.remove(callback)

        return end

    async def _run(self) -> None:
        pause = _SOONEST
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    pulse = group.create_task(self._feel_pulse())
                    await self._listen()
                    pulse.cancel()
            except* WebtermError as faults:
                _log.debug("the container engine's news have ended: %s", faults.exceptions[0])
            except* Exception:
                _log.exception("the container engine's news could not be understood")
            pause = _SOONEST if self.up else min(2 * pause, _LATEST)
            self._turn(up=False)
            await asyncio.sleep(pause)

    async def _listen(self) -> None:
        wanted = {"type": ["container"], "event": list(_KINDS), "label": [WORKSPACE]}
        params = {"filters": json.dumps(wanted), **({"since": self._since} if self._since else {})}
        async with self._engine.lines("GET", "events", params=params) as events:
            # The engine sends the head of its answer at once: what happens from now on is heard.
            self._turn(up=True)
            async for event in events:
                self._hear(event)

    async def _feel_pulse(self) -> None:
        """An engine whose machine is gone says nothing at all, as one does in which nothing happens."""
        while True:
            await asyncio.sleep(_PULSE)
            await self._engine.call("GET", "_ping", timeout=_PULSE / 2)

    def _turn(self, *, up: bool) -> None:
        if self.up is not up:
            self.up = up
            self._tell(EngineNews(kind="up" if up else "down"))

    def _hear(self, event: dict[str, Any]) -> None:
        seconds, nanoseconds = divmod(int(event.get("timeNano", 0)) + 1, 1_000_000_000)
        self._since = f"{seconds}.{nanoseconds:09}"
        kind = str(event.get("Action") or event.get("status")).partition(":")[0]
        actor = event.get("Actor", {})
        said = actor.get("Attributes", {})
        if kind in _KINDS:
            self._tell(
                EngineNews(
                    kind=kind,  # type: ignore[arg-type]
                    container=actor.get("ID", ""),
                    workspace=WorkspaceId(said.get(WORKSPACE, "")),
                    exec=said.get("execID", ""),
                )
            )

    def _tell(self, news: EngineNews) -> None:
        for callback in list(self._subscribers):
            self._tell_one(callback, news)

    def _tell_one(self, callback: Callable[[EngineNews], None], news: EngineNews) -> None:
        try:
            callback(news)
        except Exception:
            _log.exception("news of the container engine did not arrive everywhere")
