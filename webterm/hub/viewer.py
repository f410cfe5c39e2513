"""A viewer: one attached client, which is a cursor into the log and a role."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from webterm.access import Actor, Role
from webterm.hub.history import History
from webterm.hub.input import Author
from webterm.hub.log import Log
from webterm.hub.scanner import unfinished_character
from webterm.ids import ProofId, ViewerId
from webterm.session import Exit, Size

Parting = Literal["replaced", "revoked", "closed", "shutdown"]
"""Why a viewer is no longer attached."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The output from ``offset``."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Skip:
    """The bytes from ``start`` to before ``end`` are gone for this viewer; ``preamble`` is for a fresh screen."""

    start: int
    end: int
    preamble: str


@dataclass(frozen=True, slots=True)
class SizeChange:
    """From ``offset`` on the terminal has this size."""

    offset: int
    size: Size


@dataclass(frozen=True, slots=True)
class Ended:
    """The program has ended, and everything before this was all it had to say."""

    exit: Exit


@dataclass(frozen=True, slots=True)
class TitleChanged:
    """The terminal has a new title."""

    title: str


@dataclass(frozen=True, slots=True)
class ViewersChanged:
    """Somebody came, left, or took the lead."""


@dataclass(frozen=True, slots=True)
class InputPaused:
    """Input waits for a program that does not read (True), or hardly any does again (False)."""

    paused: bool


@dataclass(frozen=True, slots=True)
class Gone:
    """This viewer is no longer attached. ``exit`` is how the program ended, if it has."""

    reason: Parting
    exit: Exit | None


Item = Chunk | Skip | SizeChange | Ended
Event = TitleChanged | ViewersChanged | InputPaused | Gone


_NO_WINDOW = 2**62


class ViewerState(enum.IntEnum):
    """A viewer's life; it only moves forward."""

    LIVE = 1
    BROKEN = 2  # its socket broke; its place is held for a while
    GONE = 3


class Viewer:
    """One cursor. The terminal owns it; whoever attached takes items from it and acknowledges."""

    def __init__(
        self,
        number: ViewerId,
        actor: Actor | None,
        role: Role,
        window: int,
        ready: Callable[[], None],
        notify: Callable[[Event], None],
        proof: ProofId | None = None,
    ) -> None:
        """``ready`` is called when `take` may have something; ``notify`` with each `Event`. Neither may wait.

        ``proof`` is what the actor's right to be here rests on.
        """
        self.id = number
        self.actor = actor
        self.author = Author(actor.id, proof) if actor else None
        self.role = role
        self.window = window
        self.ready = ready
        self.notify = notify
        self.state = ViewerState.LIVE
        self.cursor = 0
        """The offset of the next byte to take."""
        self.acked = 0
        """Everything before this has been drawn."""
        self.replay_until = 0
        self.size: Size | None = None
        """The size of this viewer's own screen, where it said."""
        self.next_size = 0
        self.progress = 0.0
        """When it last had nothing left to draw, or drew something; in the event loop's time."""
        self.holds = False
        """Whether nothing may be forgotten that it has yet to draw: its socket broke and it is catching up."""
        self.catch_up_until = 0
        """Up to where it has missed output, for one that holds."""
        self.ended: Exit | None = None
        self.picture_lost: Callable[[], None] = lambda: None
        self._told_end = False

    @property
    def writes(self) -> bool:
        """Whether its role lets it act."""
        return self.role >= Role.WRITE

    @property
    def name(self) -> str:
        """Who it is, for people."""
        return self.actor.name if self.actor else ""

    def counts(self, now: float, grace: float) -> bool:
        """Whether this viewer may slow the program: a writer that has made progress within ``grace`` seconds."""
        return self.writes and now - self.progress < grace

    def take(self, log: Log, history: History, limit: int, *, characters: bool = False) -> Item | None:
        """What comes next in the stream, or None for now. A chunk has at most ``limit`` bytes.

        With ``characters`` a chunk never ends inside a UTF-8 character (and may be 3 bytes longer for it).
        """
        if self.cursor < log.tail:
            return self._skip(history) if self._room > 0 else None
        resized = history.size_from(self.next_size)
        if resized is not None and resized[1] <= self.cursor:
            self.next_size = resized[0] + 1
            return SizeChange(self.cursor, resized[2])
        end = min(log.head, self.cursor + limit, self.cursor + self._room)
        if resized is not None:
            end = min(end, resized[1])
        if self.cursor < self.replay_until:
            end = min(end, self.replay_until)
        if end > self.cursor:
            data = self._whole(log, end) if characters else log.read(self.cursor, end)
            if data:
                return self._chunk(data)
        return self._end(log)

    @property
    def _room(self) -> int:
        """How many bytes may be on their way, beside those that are."""
        return self.acked + self.window - self.cursor if self.window else _NO_WINDOW

    def _chunk(self, data: bytes) -> Chunk:
        chunk = Chunk(self.cursor, data)
        self.cursor += len(data)
        return chunk

    def _whole(self, log: Log, end: int) -> bytes:
        data = log.read(self.cursor, end)
        missing = unfinished_character(data)
        if not missing or (end == log.head and self.ended is not None):
            return data
        for more in range(1, 4):
            longer = data[-missing:] + log.read(end, min(log.head, end + more))
            if unfinished_character(longer) == 0:
                return data[:-missing] + longer
        over = self.ended is not None and log.head - end <= 3
        return data + log.read(end, log.head) if over else data[:-missing]

    def _skip(self, history: History) -> Skip:
        start = history.oldest_start()
        skip = Skip(self.cursor, start.offset, start.preamble)
        self.acked += start.offset - self.cursor  # what is on its way still is
        self.cursor = start.offset
        self.next_size = history.sizes_before(self.cursor) - 1
        if not start.redraws:
            self.picture_lost()
        return skip

    def _end(self, log: Log) -> Ended | None:
        if self.ended is None or self._told_end or self.cursor < log.head:
            return None
        self._told_end = True
        return Ended(self.ended)
