"""Waiting that leaves nothing half done, open or running when whoever waits is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def finished(work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` comes to. Who is cancelled meanwhile waits for its end first; so it must have one."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at
        raise


async def opened(work: Callable[[], T], close: Callable[[T], None]) -> T:
    """What ``work``, which blocks, has opened. If this is cancelled, it is closed as soon as it is open."""
    working = asyncio.get_running_loop().run_in_executor(None, work)

    def undo(done: asyncio.Future[T]) -> None:
        if done.exception() is None:
            close(done.result())

    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        working.add_done_callback(undo)
        raise


async def first(*works: Coroutine[Any, Any, object] | asyncio.Future[Any]) -> None:
    """Wait until the first of them is done, and give up the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
