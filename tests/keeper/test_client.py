from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.keeper.conftest import PATIENCE, TOKEN, Peer, read_until, wait_gone
from webterm.keeper.client import Ended, KeeperClient, KeeperError, is_running, shut_down
from webterm.keeper.starting import dial

pytestmark = pytest.mark.both_loops
ENV = {"PATH": os.environ["PATH"], "WEBTERM_TERMINAL": TOKEN}


@pytest.fixture
async def client(directory: Path) -> AsyncIterator[KeeperClient]:
    client = await KeeperClient.connect(directory, patience=PATIENCE)
    yield client
    await client.aclose()


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


async def spawn(client: KeeperClient, *argv: str) -> int:
    taken = await client.spawn(TOKEN, argv, env=ENV, cwd="/", cols=80, rows=24)
    return taken.master


async def test_it_starts_the_keeper_and_finds_it_again(directory: Path) -> None:
    assert not await is_running(directory)
    first = await KeeperClient.connect(directory, patience=PATIENCE)
    assert await is_running(directory)
    await first.aclose()
    second = await KeeperClient.connect(directory, patience=PATIENCE)
    assert second.pid == first.pid
    await second.aclose()
    await second.aclose()


async def test_it_starts_none_when_told_so(directory: Path) -> None:
    with pytest.raises(KeeperError) as caught:
        await KeeperClient.connect(directory, start=False)
    assert caught.value.code == "not_running"


async def test_two_that_start_one_get_one(directory: Path) -> None:
    outcomes = await asyncio.gather(
        *(KeeperClient.connect(directory, patience=PATIENCE) for _ in range(3)), return_exceptions=True
    )
    served = [outcome for outcome in outcomes if isinstance(outcome, KeeperClient)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, KeeperError)]
    assert len(served) == 1
    assert [error.code for error in refused] == ["busy", "busy"]
    await served[0].aclose()


@pytest.fixture
def open_directory(directory: Path) -> Path:
    directory.chmod(0o755)
    return directory


async def test_a_keeper_that_cannot_start_says_where_to_look(open_directory: Path) -> None:
    with pytest.raises(KeeperError, match=r"keeper\.log"):
        await KeeperClient.connect(open_directory)


async def test_exits_are_told_in_time(directory: Path) -> None:
    ended: asyncio.Queue[tuple[str, Ended]] = asyncio.Queue()
    client = await KeeperClient.connect(
        directory, patience=PATIENCE, on_exit=lambda token, how: ended.put_nowait((token, how))
    )
    os.close(await spawn(client, "sh", "-c", "exit 4"))
    assert await ended.get() == (TOKEN, Ended(status=4))
    await client.aclose()


async def test_many_requests_at_once_find_their_answers(client: KeeperClient) -> None:
    os.close(await spawn(client, "cat"))
    records = [b"%d" % number * 5000 for number in range(200)]
    await asyncio.gather(*(client.keep(TOKEN, record) for record in records))
    taken = await client.take(TOKEN)
    assert taken.record == records[-1]
    os.close(taken.master)


async def test_cancelling_a_start_leaves_no_program(client: KeeperClient) -> None:
    before = open_descriptors()
    starting = asyncio.create_task(spawn(client, "sleep", "1000"))
    await asyncio.sleep(0)  # it is sent
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    while await client.tokens():
        pass
    assert open_descriptors() == before


async def test_cancelling_when_the_answer_is_here_leaves_no_program(client: KeeperClient) -> None:
    before = open_descriptors()
    starting = asyncio.create_task(spawn(client, "sleep", "1000"))
    listing = asyncio.create_task(client.tokens())
    # Answers arrive in order and are handed on in one go: with the later one, the earlier one is here.
    listing.add_done_callback(lambda _: None)
    await asyncio.wait([starting, listing], return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        os.close(starting.result())
        await client.hang_up(TOKEN, grace=0, scope="tree")
    else:
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
    while await client.tokens():
        pass
    assert open_descriptors() == before


@contextlib.contextmanager
def no_free_descriptors() -> Iterator[None]:
    """No descriptor can be opened in this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_lost_descriptors_are_an_error_and_leave_no_program(client: KeeperClient) -> None:
    with no_free_descriptors(), pytest.raises(KeeperError) as caught:
        await spawn(client, "cat")
    assert caught.value.code == "descriptors_lost"
    while await client.tokens():
        pass


async def test_a_dead_keeper_is_told_once_and_nothing_hangs(directory: Path) -> None:
    lost: list[str] = []
    client = await KeeperClient.connect(directory, patience=PATIENCE, on_lost=lambda: lost.append("lost"))
    master = await spawn(client, "cat")
    os.kill(client.pid, signal.SIGSTOP)
    waiting = asyncio.create_task(client.tokens())
    await asyncio.sleep(0)
    os.kill(client.pid, signal.SIGKILL)
    for request in (waiting, client.take(TOKEN)):
        with pytest.raises(KeeperError) as caught:
            await request
        assert caught.value.code == "lost"
    assert lost == ["lost"]
    assert not client.connected
    os.close(master)  # hangs up, as nobody else has it
    await client.aclose()


async def test_shut_down_without_a_server(directory: Path) -> None:
    assert await shut_down(directory, 0.1) is None
    client = await KeeperClient.connect(directory, patience=PATIENCE)
    master = await spawn(client, "sh", "-c", "trap '' HUP; echo $$; while :; do sleep 1000; done")
    with pytest.raises(KeeperError) as caught:
        await shut_down(directory, 0.1)
    assert caught.value.code == "busy"
    program = int(read_until(master, b"\n"))
    await client.aclose()
    assert await shut_down(directory, 0.1) == 1
    assert not await is_running(directory)
    wait_gone(program)
    os.close(master)


async def test_shut_down_by_the_server(client: KeeperClient, directory: Path) -> None:
    os.close(await spawn(client, "cat"))
    assert await client.shut_down(1) == 1
    assert not client.connected
    assert not await is_running(directory)


async def test_an_answer_that_nobody_waits_for_any_more_is_dropped(client: KeeperClient) -> None:
    os.close(await spawn(client, "cat"))
    before = open_descriptors()
    for _ in range(20):
        taking = asyncio.create_task(client.take(TOKEN))
        await asyncio.sleep(0)
        taking.cancel()
    await client.tokens()
    assert open_descriptors() == before


async def test_a_keeper_of_another_version_is_ended_all_the_same(client: KeeperClient, directory: Path) -> None:
    await client.aclose()
    peer = Peer(dial(directory))
    assert peer.ask("hello", version=0).message["error"]
    assert peer.ask("shutdown", grace_s=0).message["ok"] == {"programs": 0}
    peer.close()
