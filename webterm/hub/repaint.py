"""Having a full-screen program draw its picture again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from webterm.session import Size

_PAUSE = 0.1  # seconds that a program gets to see the other size


class Repaint:
    """Nobody knows the picture any more that was drawn before the log's oldest byte; the program does.

    Programs redraw when their size changes (SIGWINCH), so it changes by a row for a moment. Viewers are not told: what
    is drawn in between is drawn over.
    """

    def __init__(self, apply: Callable[[Size], None], size: Callable[[], Size]) -> None:
        """``apply`` gives the program a size, ``size`` is the one it should have."""
        self._apply = apply
        self._size = size
        self._timer: asyncio.TimerHandle | None = None

    def ask(self) -> None:
        """Have it drawn again, once, however often this is asked at a time."""
        if self._timer is None:
            size = self._size()
            self._apply(Size(size.cols, size.rows - 1 if size.rows > 1 else 2))
            self._timer = asyncio.get_running_loop().call_later(_PAUSE, self._back)

    def cancel(self) -> None:
        """Forget it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _back(self) -> None:
        self._timer = None
        self._apply(self._size())
