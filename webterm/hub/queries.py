"""Every question a program asks its terminal gets exactly one answer.

Each query belongs to one viewer, the lead writer at the moment it was asked. All emulators parse it, all may answer;
an answer counts if the query that it matches belongs to who sent it. Answers come in the order of the queries and show
their kind, so matching needs no numbers on the wire.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from webterm.hub.scanner import Asked, Query
from webterm.ids import ViewerId

WAITING_LIMIT = 8192
"""How many queries are remembered. A program that asks more at once gets no answer to the oldest."""

_ANSWERS: dict[Query, re.Pattern[str]] = {
    Query.DA1: re.compile(r"(?:\x1b\[|\x9b)\?[\d;]*c"),
    Query.DA2: re.compile(r"(?:\x1b\[|\x9b)>[\d;]*c"),
    Query.DA3: re.compile(r"(?:\x1bP|\x90)!\|"),
    Query.STATUS: re.compile(r"(?:\x1b\[|\x9b)[03]n"),
    Query.CURSOR: re.compile(r"(?:\x1b\[|\x9b)\d+;\d+R"),
    Query.PRIVATE_STATUS: re.compile(r"(?:\x1b\[|\x9b)\?[\d;]*[Rn]"),
    Query.MODE: re.compile(r"(?:\x1b\[|\x9b)\??\d+;\d+\$y"),
    Query.SETTING: re.compile(r"(?:\x1bP|\x90)[01]\$r"),
    Query.VERSION: re.compile(r"(?:\x1bP|\x90)>\|"),
    Query.COLOUR: re.compile(r"(?:\x1b\]|\x9d)(?:4;\d+|1[012]);"),
}

FIXED_ANSWERS: dict[Query, bytes] = {
    Query.DA1: b"\x1b[?1;2c",
    Query.DA2: b"\x1b[>0;276;0c",
    Query.STATUS: b"\x1b[0n",
    Query.VERSION: b"\x1bP>|webterm\x1b\\",
}
"""What the server says where no writer's emulator can: the same as the page's emulator does."""


@dataclass(slots=True)
class Waiting:
    """A query that its viewer has yet to answer."""

    query: Query
    offset: int
    viewer: ViewerId


class Queries:
    """The queries of one terminal that wait for an answer."""

    def __init__(self, say: Callable[[bytes], None]) -> None:
        """``say`` hands the server's own answers to the program."""
        self._say = say
        self._waiting: deque[Waiting] = deque(maxlen=WAITING_LIMIT)
        self._reached: dict[ViewerId, int] = {}  # up to where each viewer's answers have come
        self._settled = 0  # the offset of the newest query that needs no answer any more

    def ask(self, asked: list[Asked], viewer: ViewerId | None) -> None:
        """These queries are for ``viewer``, or for the server."""
        if viewer is None:
            self._answer_fixed([Waiting(one.query, one.offset, ViewerId(0)) for one in asked])
        else:
            self._waiting.extend(Waiting(one.query, one.offset, viewer) for one in asked)

    def answer(self, viewer: ViewerId, data: str) -> bool:
        """Whether what ``viewer`` says answers a query that is its own and was not answered yet; then it is now."""
        kinds = [query for query, pattern in _ANSWERS.items() if pattern.match(data)]
        start = bisect_left(self._waiting, self._reached.get(viewer, 0), key=lambda waiting: waiting.offset)
        for index, waiting in enumerate(islice(self._waiting, start, None), start):
            if waiting.query in kinds:
                if waiting.viewer == viewer:
                    self._reached[viewer] = waiting.offset
                    del self._waiting[index]
                    self._settled = max(self._settled, waiting.offset)
                    return True
                self._reached[viewer] = waiting.offset + 1
                break
        return False

    def drawn(self, viewer: ViewerId, offset: int) -> None:
        """``viewer`` has parsed everything before ``offset``: what it has not answered of that, it will not."""
        while self._waiting and self._waiting[0].viewer == viewer and self._waiting[0].offset <= offset:
            self._settled = max(self._settled, self._waiting.popleft().offset)

    def take_over(self, old: ViewerId, new: ViewerId, offset: int) -> bool:
        """``new`` goes on where ``old`` stopped, at ``offset``, with the queries that wait for ``old``.

        Returns False, and does nothing, where one after ``offset`` was for another viewer or has been answered.
        """
        if self._settled > offset or any(w.viewer != old and w.offset > offset for w in self._waiting):
            return False
        for waiting in self._waiting:
            if waiting.viewer == old:
                waiting.viewer = new
        return True

    def forget(self, viewer: ViewerId) -> None:
        """``viewer`` is gone: the server answers what waited for it, where the answer is fixed."""
        lost = [waiting for waiting in self._waiting if waiting.viewer == viewer]
        if lost:
            self._waiting = deque((w for w in self._waiting if w.viewer != viewer), maxlen=WAITING_LIMIT)
            self._answer_fixed(lost)
        self._reached.pop(viewer, None)

    def _answer_fixed(self, lost: list[Waiting]) -> None:
        self._settled = max(self._settled, lost[-1].offset)
        answers = b"".join(FIXED_ANSWERS.get(waiting.query, b"") for waiting in lost)
        if answers:
            self._say(answers)
