"""Opening what takes a while, so that nothing stays open when nobody waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

_Opened = TypeVar("_Opened")


async def opened(work: Callable[[], _Opened], close: Callable[[_Opened], None]) -> _Opened:
    """What ``work``, which blocks, has opened. If this is cancelled, it is closed as soon as it is open."""
    working = asyncio.get_running_loop().run_in_executor(None, work)

    def undo(done: asyncio.Future[_Opened]) -> None:
        if done.exception() is None:
            close(done.result())

    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        working.add_done_callback(undo)
        raise
