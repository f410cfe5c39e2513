"""Work in threads: it is waited for, also by who is cancelled, and long work leaves room for others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from webterm.work.threads import LONG_FOR_ONE, Check, Pieces, Threads

PATIENCE = 60.0


@pytest.fixture
async def threads() -> AsyncIterator[Threads]:
    threads = Threads()
    yield threads
    await threads.aclose()
    await threads.aclose()


async def begun(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, PATIENCE)


async def test_what_came_of_it_is_dropped_when_nobody_takes_it(threads: Threads) -> None:
    started, go = threading.Event(), threading.Event()
    dropped: list[str] = []

    def work() -> str:
        started.set()
        assert go.wait(PATIENCE)
        return "a descriptor"

    task = asyncio.create_task(threads.quick(work, drop=dropped.append))
    await begun(started)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # once is not enough for some
    await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert dropped == ["a descriptor"]


async def test_long_work_stops_when_nobody_waits_for_it(threads: Threads) -> None:
    started, ended = threading.Event(), threading.Event()

    def work(check: Check) -> None:
        started.set()
        try:
            while True:
                check()
        finally:
            ended.set()

    task = asyncio.create_task(threads.long("one", work))
    await begun(started)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_one_workspace_does_not_take_all_threads(threads: Threads) -> None:
    go, running, most = threading.Event(), 0, 0
    lock = threading.Lock()

    def work(check: Check) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        assert go.wait(PATIENCE)
        with lock:
            running -= 1

    tasks = [asyncio.create_task(threads.long("one", work)) for _ in range(10)]
    async with asyncio.timeout(PATIENCE):
        assert await threads.long("another", lambda check: "done") == "done"
    go.set()
    await asyncio.gather(*tasks)
    assert 1 <= most <= LONG_FOR_ONE


async def test_pieces_are_made_ahead_and_closed_once(threads: Threads) -> None:
    source = iter([b"1", b"", b"2", b"3"])
    closed = 0

    def close() -> None:
        nonlocal closed
        closed += 1

    pieces = Pieces(threads, lambda: next(source, None), close)
    assert [piece async for piece in pieces] == [b"1", b"2", b"3"]
    assert [piece async for piece in pieces] == []
    await pieces.aclose()
    await pieces.aclose()
    assert closed == 1


async def test_cancelled_reading_of_pieces_loses_nothing(threads: Threads) -> None:
    source, go = iter([b"1", b"2"]), threading.Event()

    def step() -> bytes | None:
        assert go.wait(PATIENCE)
        return next(source, None)

    pieces = Pieces(threads, step, lambda: None)
    reading = asyncio.create_task(anext(pieces))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    go.set()
    assert [piece async for piece in pieces] == [b"1", b"2"]
    await pieces.aclose()


async def test_pieces_that_fail_do_not_end_as_if_they_were_all(threads: Threads) -> None:
    def step() -> bytes | None:
        raise OSError("the disk fails")

    pieces = Pieces(threads, step, lambda: None)
    for _ in range(2):
        with pytest.raises(OSError, match="the disk fails"):
            await anext(pieces)
    await pieces.aclose()


async def test_closing_waits_for_the_step_that_runs(threads: Threads) -> None:
    started, go = threading.Event(), threading.Event()
    steps: list[str] = []

    def step() -> bytes | None:
        started.set()
        assert go.wait(PATIENCE)
        steps.append("step")
        return b"1"

    pieces = Pieces(threads, step, lambda: steps.append("closed"))
    reading = asyncio.create_task(anext(pieces))
    await begun(started)
    closing = asyncio.create_task(pieces.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await asyncio.wait([reading])
    assert steps[-1] == "closed"
    assert steps.count("closed") == 1
