"""What has become of each workspace's runtime lately, a line for people each; kept in memory."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from webterm.access import Actor, Source
from webterm.ids import WorkspaceId
from webterm.runtime import RuntimeState
from webterm.work.choosing import Choice
from webterm.work.runtime_news import RuntimeChanged, RuntimeNews

LINES = 200
"""Lines that are kept of one workspace."""
LONGEST = 400
"""Characters of a line."""
WORKSPACES = 1000
"""Workspaces of which something is kept; those of which nothing has been told for the longest time go first."""

_FIGURES = re.compile(r"\b\d+( of \d+ [KMG]iB)?\b")
_WORDS = {
    RuntimeState.STARTING: "starting",
    RuntimeState.READY: "ready",
    RuntimeState.STOPPING: "stopping",
    RuntimeState.ABSENT: "not running",
    RuntimeState.FAILED: "failed",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """``time`` is in seconds since 1970, ``text`` one line without control characters."""

    time: float
    text: str


class Journals:
    """Writes down who asks for what, and what ``news`` tells of it. ``clock`` is in seconds since 1970."""

    def __init__(self, news: RuntimeNews, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._kept: dict[WorkspaceId, deque[Entry]] = {}
        news.subscribe(self._changed)

    def of(self, workspace: WorkspaceId, lines: int = LINES) -> tuple[Entry, ...]:
        """The last lines, the newest last."""
        kept = self._kept.get(workspace, ())
        return tuple(kept)[max(0, len(kept) - lines) :]

    def start(self, workspace: WorkspaceId, choice: Choice, by: Actor | None) -> None:
        """It is to be started, by somebody, or because its programs have outlived the server or their engine."""
        whose = f"by {by.name}" if by is not None else "again, for the programs that still run in it"
        self._note(workspace, f"started {whose}, with the driver {choice.driver}")

    def stop(self, workspace: WorkspaceId, by: Source) -> None:
        """It is to be stopped. Why the server itself does so is told with its state."""
        if by.user is not None:
            self._note(workspace, f"stopped by {by.name}")

    def forget(self, workspace: WorkspaceId) -> None:
        """It is in the trash, or removed."""
        self._kept.pop(workspace, None)

    def _changed(self, changed: RuntimeChanged) -> None:
        if changed.state is RuntimeState.READY and changed.stops_in is not None:
            return  # a warning: what comes of it is told
        if changed.state in (RuntimeState.STARTING, RuntimeState.STOPPING) and not changed.message:
            return  # as was asked for
        word = _WORDS[changed.state]
        self._note(changed.workspace, f"{word}: {changed.message}" if changed.message else word)

    def _note(self, workspace: WorkspaceId, text: str) -> None:
        """What was said just before is not said again, only when it was; nor what comes of trying again and again."""
        line = "".join(sign if sign.isprintable() else " " for sign in text).strip()[:LONGEST]
        kept = self._kept.pop(workspace, None) or deque(maxlen=LINES)
        self._kept[workspace] = kept
        if len(self._kept) > WORKSPACES:
            del self._kept[next(iter(self._kept))]
        last = [_stem(entry.text) for entry in islice(reversed(kept), 3)]
        if last[:1] == [_stem(line)]:
            kept.pop()
        elif len(last) == 3 and last[1] == _stem(line) and last[0] == last[2]:
            del kept[-3], kept[-2]
        kept.append(Entry(self._clock(), line))


def _stem(line: str) -> str:
    """A line without its figures: of how far something has come, the last line is enough."""
    return _FIGURES.sub("", line)
