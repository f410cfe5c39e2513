"""Input on its way: in order, bounded, and without what was typed by somebody who may not any more."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from webterm.errors import InputOverflow
from webterm.hub.input import INPUT_LIMIT, PARTS, PAUSE_ABOVE, Author, InputQueue
from webterm.ids import LoginId, UserId
from webterm.session import Exit, Session, Size

ALICE = Author(UserId("alice"), LoginId("laptop"))
ALICE_PHONE = Author(UserId("alice"), LoginId("phone"))
BOB = Author(UserId("bob"), LoginId("laptop"))


class Slow(Session):
    """Takes a piece of input only when told, and nothing of one whose writing was cancelled."""

    def __init__(self) -> None:
        self.taken = b""
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    async def read(self) -> bytes:
        return b""

    async def write(self, data: bytes) -> None:
        self.asked.set()
        await self.go.wait()
        self.taken += data

    async def resize(self, size: Size) -> None:
        pass

    async def signal(self, name: str) -> None:
        pass

    async def wait(self) -> Exit:
        return Exit(status=0)

    async def aclose(self) -> None:
        pass


class Pipe:
    """A descriptor whose reader does not read until told, with an `InputQueue` before it."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.pauses: list[bool] = []
        self.queue = InputQueue(Slow(), self.writer, self.pauses.append)
        self.full = 0

    def fill(self, author: Author) -> None:
        """Type until the program's end is full, and a byte waits."""
        while not self.queue.size:
            self.queue.put(b"." * 4096, author)
            self.full += 4096
        self.full -= self.queue.size

    async def read(self) -> bytes:
        """Everything, until nothing waits any more."""
        data = b""
        while True:
            try:
                data += os.read(self.reader, 65536)
            except BlockingIOError:
                if not self.queue.size:
                    return data
            await asyncio.sleep(0)

    def close(self) -> None:
        self.queue.close()
        os.close(self.reader)
        os.close(self.writer)


async def written(queue: InputQueue) -> None:
    """Until nothing waits. A queue has nobody to tell, so this has to look."""
    async with asyncio.timeout(20):
        while queue.size:  # noqa: ASYNC110
            await asyncio.sleep(0)


@pytest.fixture
async def pipe() -> AsyncIterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


@pytest.mark.both_loops
async def test_what_one_typed_goes_and_what_others_typed_stays_in_order(pipe: Pipe) -> None:
    pipe.fill(ALICE)
    for number in range(10):
        pipe.queue.put(b"a%d " % number, ALICE)
        pipe.queue.put(b"b%d " % number, BOB)
        pipe.queue.put(b"p%d " % number, ALICE_PHONE)
    pipe.queue.put(b"answer")
    pipe.queue.drop(lambda author: author.rests_on(UserId("alice"), LoginId("laptop")))
    got = (await pipe.read()).removeprefix(b"." * pipe.full)
    assert got == b"".join(b"b%d p%d " % (number, number) for number in range(10)) + b"answer"


async def test_all_that_waits_may_go(pipe: Pipe) -> None:
    pipe.fill(ALICE)
    pipe.queue.put(b"x" * PAUSE_ABOVE, ALICE_PHONE)
    assert pipe.pauses == [True]
    pipe.queue.drop(lambda author: author.rests_on(UserId("alice"), None))
    assert (pipe.queue.size, pipe.pauses) == (0, [True, False])
    assert await pipe.read() == b"." * pipe.full
    pipe.queue.put(b"goes on", BOB)
    assert await pipe.read() == b"goes on"


async def test_nothing_of_them_means_nothing_happens(pipe: Pipe) -> None:
    pipe.queue.drop(lambda author: True)
    pipe.fill(ALICE)
    waiting = pipe.queue.size
    pipe.queue.drop(lambda author: author == BOB)
    assert pipe.queue.size == waiting
    assert len(await pipe.read()) == pipe.full + waiting


async def test_taking_turns_is_bounded(pipe: Pipe) -> None:
    pipe.fill(ALICE)
    for _ in range(PARTS // 2 - 1):
        pipe.queue.put(b"b", BOB)
        pipe.queue.put(b"a", ALICE)
    pipe.queue.put(b"b", BOB)
    with pytest.raises(InputOverflow):
        pipe.queue.put(b"a", ALICE)
    pipe.queue.put(b"one's own line goes on", BOB)
    with pytest.raises(InputOverflow):
        pipe.queue.put(b"x" * INPUT_LIMIT, BOB)


async def test_a_piece_that_is_being_written_is_stopped() -> None:
    """Where there is no descriptor a task writes, one author's piece at a time."""
    session = Slow()
    queue = InputQueue(session, None, lambda paused: None)
    queue.put(b"alice", ALICE)
    queue.put(b"bob", BOB)
    await session.asked.wait()
    queue.drop(lambda author: author == ALICE)
    session.go.set()
    await written(queue)
    assert session.taken == b"bob"
    queue.put(b" again", ALICE)
    await written(queue)
    assert session.taken == b"bob again"
    queue.close()


async def test_a_piece_of_somebody_else_is_not() -> None:
    session = Slow()
    queue = InputQueue(session, None, lambda paused: None)
    queue.put(b"bob", BOB)
    queue.put(b"alice", ALICE)
    queue.put(b"!", BOB)
    await session.asked.wait()
    queue.drop(lambda author: author == ALICE)
    session.go.set()
    await written(queue)
    assert session.taken == b"bob!"
    queue.close()


async def test_stopping_the_only_piece_leaves_a_queue_that_works() -> None:
    session = Slow()
    queue = InputQueue(session, None, lambda paused: None)
    queue.put(b"alice", ALICE)
    await session.asked.wait()
    queue.drop(lambda author: True)
    session.go.set()
    queue.put(b"bob", BOB)
    await written(queue)
    assert session.taken == b"bob"
    queue.close()
