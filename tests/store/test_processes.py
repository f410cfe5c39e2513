"""Several processes on one database, and processes and databases that are killed in the middle."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.store.conftest import Stores
from tests.store.people import added
from tests.store.postgres import Cluster
from tests.store.writer import ANN, write
from webterm.errors import StoreUnavailable
from webterm.store import changes, users
from webterm.store.engine import Store

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def counting(store: Store) -> Store:
    """A store in which the counter is at 0."""
    await added(store, "ann")
    async with store.writing() as conn:
        await users.change(conn, ANN, tier="0")
    return store


async def start(url: str, name: str, times: int = 0) -> asyncio.subprocess.Process:
    words = (sys.executable, "-m", "tests.store.writer", url, name, str(times))
    return await asyncio.create_subprocess_exec(*words, cwd=ROOT, stdout=asyncio.subprocess.PIPE)


async def told(process: asyncio.subprocess.Process, count: int) -> list[int]:
    """The next lines of a writer."""
    assert process.stdout is not None
    return [int(await process.stdout.readline()) for _ in range(count)]


async def rest(process: asyncio.subprocess.Process) -> list[int]:
    """The lines until a writer's end."""
    assert process.stdout is not None
    return [int(line) for line in (await process.stdout.read()).splitlines()]


async def committed(store: Store) -> tuple[int, list[str]]:
    """The counter, and who noted it when."""
    async with store.reading() as conn:
        user = await users.by_id(conn, ANN)
        noted = [change.user for change in await changes.since(conn, 0)]
    assert user is not None
    return int(user.tier), [str(text) for text in noted]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_four_processes_lose_nothing(counting: Store, url: str) -> None:
    processes = [await start(url, f"writer{number}", 200) for number in range(4)]
    counts = await asyncio.gather(*map(rest, processes))
    assert [await process.wait() for process in processes] == [0] * 4
    assert sorted(chain(*counts)) == list(range(1, 801))
    count, noted = await committed(counting)
    assert count == 800
    assert [int(text.partition(":")[2]) for text in noted] == list(range(1, 801))


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_killed_process_takes_no_committed_row_along(counting: Store, stores: Stores, url: str) -> None:
    """Killed while it writes, five times over; what it reported is there, and nothing is there by half."""
    reported = 0
    for round_number in range(5):
        process = await start(url, f"round{round_number}")
        seen = await told(process, 20 + round_number)
        process.send_signal(signal.SIGKILL)
        seen += await rest(process)
        assert await process.wait() == -signal.SIGKILL
        count, noted = await committed(counting)
        assert seen == list(range(reported + 1, reported + 1 + len(seen)))
        assert count in (seen[-1], seen[-1] + 1), "at most the one write that it had no time to report"
        assert len(noted) == count
        reported = count
    fresh = stores(url)
    await fresh.open()
    assert await write(fresh, "after") == reported + 1


async def fails(work: Coroutine[Any, Any, None]) -> None:
    with pytest.raises(StoreUnavailable):
        await work


@pytest.mark.postgres
@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_of_the_database_is_survived(own_cluster: Cluster, stores: Stores, mode: str) -> None:
    """Stopped in order, and as by a crash, with a write and a read in the middle."""
    store = stores(own_cluster.url())
    await store.open()
    await added(store, "ann")
    stopped, started = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        async with store.reading() as conn:
            assert await users.by_name(conn, "ann")
            await started.wait()
            await users.by_name(conn, "ann")

    async def write() -> None:
        async with store.writing() as conn:
            await users.change(conn, ANN, tier="half")
            await stopped.wait()
            await users.change(conn, ANN, tier="whole")

    async with asyncio.TaskGroup() as tasks:
        reader, writer = tasks.create_task(fails(read())), tasks.create_task(fails(write()))
        await asyncio.to_thread(own_cluster.stop, mode)
        stopped.set()
        await writer
        for attempt in (store.reading, store.writing):
            with pytest.raises(StoreUnavailable, match="does not answer"):
                async with attempt():
                    pass
        await asyncio.to_thread(own_cluster.start)
        started.set()
        await reader
    async with store.writing() as conn:
        user = await users.by_id(conn, ANN)
        assert user is not None
        assert user.tier == "free"
        await users.change(conn, ANN, tier="pro")
    async with store.reading() as conn:
        assert (await users.page(conn, limit=9))[0].tier == "pro"


@pytest.mark.postgres
async def test_a_database_that_starts_late(own_cluster: Cluster, stores: Stores) -> None:
    url = own_cluster.url()
    await asyncio.to_thread(own_cluster.stop)
    store = stores(url)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await store.open()
    await asyncio.to_thread(own_cluster.start)
    await store.open()
    assert len(await added(store, "ann")) == 1
