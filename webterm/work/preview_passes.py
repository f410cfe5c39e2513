"""What opens a preview: passes of people who are signed in, and of those who hold a link.

A page in a preview is nothing of ours, and never gets what proves to us who somebody is. It has a pass instead, which
is good for one port of one workspace, and for nothing else. It ends with what it was made from; then whatever was
opened with it ends, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from webterm.errors import LimitReached, WebtermError
from webterm.ids import ProofId, UserId, WorkspaceId

MOST_VISITS = 256
"""Requests and WebSockets that are open with one pass at a time."""

MOST_SHOWN = 16
"""Pages that are remembered of a pass."""
LONGEST_SHOWN = 4096
"""Characters of the path and query of a page that is remembered."""

OnEnd = Callable[[WebtermError], None]
"""Called in the loop when a visit has to end, with the reason. It may not wait, and does not fail."""


class Visit:
    """One request, or WebSocket, that is under way."""

    def __init__(self, on_end: OnEnd) -> None:
        self.end = on_end


@dataclass(frozen=True, slots=True)
class Shown:
    """A page that a frame got: the app's own path and query, and when, in seconds since 1970."""

    target: str
    at: float


class Pass:
    """What opens ``port`` of ``workspace``: of ``user``, who had ``proof``, or of whoever holds the link ``share``.

    ``secret`` is what is shown for it; of a link, its hash is in ``share``, and ``user`` is None. Times by a clock
    that never goes back: ``used`` is when it was last of use, ``expires`` when it is over at the latest.
    """

    def __init__(
        self,
        workspace: WorkspaceId,
        port: int,
        *,
        secret: str,
        user: UserId | None = None,
        proof: ProofId | None = None,
        share: str | None = None,
        used: float,
        expires: float,
    ) -> None:
        self.workspace = workspace
        self.port = port
        self.secret = secret
        self.user = user
        self.proof = proof
        self.share = share
        self.used = used
        self.expires = expires
        self.shown: deque[Shown] = deque(maxlen=MOST_SHOWN)
        self._visits: set[Visit] = set()
        self._ended: WebtermError | None = None

    @property
    def visits(self) -> int:
        """How many there are."""
        return len(self._visits)

    def remember(self, target: str, at: float) -> None:
        """A frame gets this page."""
        if len(target) <= LONGEST_SHOWN:
            self.shown.append(Shown(target, at))

    def end(self, error: WebtermError) -> None:
        """It is good for nothing any more, for this reason. Ends what is open with it."""
        self._ended = self._ended or error
        for visit in list(self._visits):
            visit.end(error)

    @contextmanager
    def visit(self, on_end: OnEnd) -> Iterator[None]:
        """Something is open with it while the block runs.

        Raises why the pass has ended, and `webterm.errors.LimitReached`.
        """
        if self._ended is not None:
            raise self._ended
        if len(self._visits) >= MOST_VISITS:
            raise LimitReached(f"at most {MOST_VISITS} requests at a time go through a preview")
        visit = Visit(on_end)
        self._visits.add(visit)
        try:
            yield
        finally:
            self._visits.discard(visit)
