"""What is known about a log's bytes beside the bytes: modes and sizes in force, and where a replay may start."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, replace
from functools import lru_cache

from webterm.hub.log import NOTE_LIMIT, NOTES_KEPT, Log
from webterm.hub.modes import Modes
from webterm.hub.scanner import Asked, Scanner
from webterm.session import Size

SIZES_KEPT = 64
_NOTHING_SET = Modes()
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """At ``offset``, which cuts no character, ``modes`` are in force, and the screen was empty at ``clean_since``.

    Within a sequence of many kilobytes ``opening`` puts a fresh parser into it.
    """

    offset: int
    modes: Modes = _NOTHING_SET
    clean_since: int | None = None
    opening: str = ""

    @property
    def preamble(self) -> str:
        """What puts a fresh screen into the state here."""
        return self.modes.preamble() + self.opening

    def dump(self) -> bytes:
        """As a note. What leaves too little room for the rest is left out: the title, then all modes."""
        clean = "-" if self.clean_since is None else str(self.clean_since)
        for modes in (self.modes, replace(self.modes, title=""), _NOTHING_SET):
            text = f"{clean} {self.opening[1:] or '-'} ".encode() + _dumped(modes)
            if len(text) <= NOTE_LIMIT:
                break
        return text

    @classmethod
    def load(cls, offset: int, text: bytes) -> Checkpoint:
        """From a note. Raises `ValueError` for anything else."""
        clean, opening, modes = text.decode().split(" ", 2)
        return cls(
            offset,
            Modes.load(modes.encode()),
            None if clean == "-" else int(clean),
            "" if opening == "-" else "\x1b" + opening,
        )


@lru_cache(maxsize=16)
def _dumped(modes: Modes) -> bytes:
    """Remembered, because a program that writes much mostly leaves the modes as they are."""
    return modes.dump()


def _noted(log: Log) -> list[Checkpoint]:
    """What another server noted and still holds, or the oldest byte."""
    found = [Checkpoint(0, clean_since=0)] if log.tail == 0 else []
    for offset, text in log.notes():
        try:
            found.append(Checkpoint.load(offset, text))
        except ValueError as error:
            _logger.error("a note about a terminal's output cannot be read: %s", error)
    return [checkpoint for checkpoint in found if log.tail <= checkpoint.offset <= log.head] or [Checkpoint(log.tail)]


@dataclass(frozen=True, slots=True)
class Start:
    """Where a viewer starts, the preamble for it, and whether what follows redraws the screen that was there."""

    offset: int
    preamble: str
    redraws: bool


class History:
    """Follows a log from its first byte, or from what another server noted in it."""

    def __init__(self, log: Log, size: Size) -> None:
        """Pick up where the log's notes end; ``size`` is the terminal's, where the log does not know one."""
        self._log = log
        self._checkpoints = deque(_noted(log))
        last = self._checkpoints[-1]
        self._every = log.size // NOTES_KEPT  # so that the notes reach back as far as the bytes
        self._scanner = Scanner(last.offset, last.modes, last.opening)
        self._scanner.clean_since = last.clean_since
        self._sizes = log.sizes() or [(0, size)]
        self._first_size = 0  # how many older sizes have been forgotten
        if last.offset < log.head:
            self._scanner.feed(log.read(last.offset, log.head))

    @property
    def modes(self) -> Modes:
        """The modes at the log's end."""
        return self._scanner.modes

    @property
    def size(self) -> Size:
        """The size at the log's end."""
        return self._sizes[-1][1]

    def grew(self, start: int) -> list[Asked]:
        """Look at what came after ``start``; returns the queries in it."""
        self._scanner.feed(self._log.read(start, self._log.head))
        if self._scanner.settled - self._checkpoints[-1].offset >= self._every:
            self._check()
        return self._scanner.asked

    def asked_since(self, offset: int) -> list[Asked]:
        """The queries in what is kept of the log from ``offset`` on."""
        base = self._checkpoint_before(offset)
        scanner = Scanner(base.offset, base.modes, base.opening)
        scanner.feed(self._log.read(base.offset, self._log.head))
        return [asked for asked in scanner.asked if asked.offset > offset]

    def resized(self, size: Size) -> None:
        """From the log's end on the terminal has this size."""
        self._scanner.resized()
        here = (self._log.head, size)
        if self._sizes[-1][0] == self._log.head:
            self._sizes[-1] = here
            self._first_size += 1  # a new number, so that who has seen the other sees this one
        else:
            self._sizes.append(here)
        while len(self._sizes) > SIZES_KEPT or (len(self._sizes) > 1 and self._sizes[1][0] <= self._log.tail):
            self._sizes.pop(0)
            self._first_size += 1
        self._log.note_sizes(self._sizes)

    def size_from(self, number: int) -> tuple[int, int, Size] | None:
        """The first size still known from the running ``number`` on: number, offset, size. None if there is none."""
        index = max(0, number - self._first_size)
        return (self._first_size + index, *self._sizes[index]) if index < len(self._sizes) else None

    def sizes_before(self, offset: int) -> int:
        """The running number of the first size that comes after ``offset``."""
        return self._first_size + sum(1 for at, _ in self._sizes if at <= offset)

    def size_at(self, offset: int) -> Size:
        """The size in force at ``offset``."""
        return next((size for at, size in reversed(self._sizes) if at <= offset), self._sizes[0][1])

    def resume_at(self, offset: int) -> Start:
        """The start for a viewer that has everything before ``offset``, which must be kept still."""
        base = self._checkpoint_before(offset)
        scanner = Scanner(base.offset, base.modes, base.opening)
        scanner.feed(self._log.read(base.offset, max(offset, base.offset)))
        return Start(offset, scanner.modes.preamble(), redraws=True)

    def oldest_start(self) -> Start:
        """The oldest place that is kept and known, for a viewer that has nothing."""
        self._forget()
        first = self._checkpoints[0]
        if first.offset < self._log.tail:  # more came at once than the ring holds
            first = self._now()
        clean = self._scanner.clean_since
        redraws = not self._scanner.modes.alternate or (clean is not None and clean >= first.offset)
        return Start(first.offset, first.preamble, redraws)

    def _now(self) -> Checkpoint:
        scanner = self._scanner
        return Checkpoint(scanner.settled, scanner.modes, scanner.clean_since, scanner.opening)

    def _check(self) -> None:
        checkpoint = self._now()
        self._checkpoints.append(checkpoint)
        self._forget()
        self._log.write_note(checkpoint.offset, checkpoint.dump())

    def _forget(self) -> None:
        tail = self._log.tail
        while len(self._checkpoints) > 1 and self._checkpoints[0].offset < tail:
            self._checkpoints.popleft()

    def _checkpoint_before(self, offset: int) -> Checkpoint:
        self._forget()
        found = self._checkpoints[0]
        for checkpoint in self._checkpoints:
            if checkpoint.offset > offset:
                break
            found = checkpoint
        return found if found.offset >= self._log.tail else Checkpoint(max(offset, self._log.tail), self.modes)
