"""How far the server may read on: the arithmetic of windows. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from webterm.hub.viewer import Viewer

DEFAULT_WINDOW = 256 * 1024
UNLIMITED = 2**62


def allowance(head: int, ring: int, viewers: Iterable[Viewer], now: float, grace: float) -> int:
    """How many bytes may be read now; zero or less means that the program waits.

    Only writers count, and only those that made progress within ``grace`` seconds. The fastest of them decides by its
    window. Besides, nothing is overwritten that a writer whose socket broke has yet to draw.
    """
    counting = [viewer for viewer in viewers if viewer.counts(now, grace)]
    if not counting:
        return UNLIMITED
    fastest = max(viewer.acked + (viewer.window or UNLIMITED) for viewer in counting)
    holding = (viewer.acked + ring for viewer in counting if viewer.holds)
    held = min((end for end in holding if end >= head), default=UNLIMITED)  # what is lost holds nothing
    return min(fastest, held) - head


def next_expiry(viewers: Iterable[Viewer], now: float, grace: float) -> float | None:
    """In how many seconds the first of the counting writers stops counting, if none makes progress."""
    return min((viewer.progress + grace - now for viewer in viewers if viewer.counts(now, grace)), default=None)


def unfinished_from(viewers: Iterable[Viewer]) -> int | None:
    """The lowest offset that a writer has yet to draw; None without writers."""
    return min((viewer.acked for viewer in viewers if viewer.writes), default=None)
