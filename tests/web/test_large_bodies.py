"""Large bodies come another way than small ones, and mean the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.web.conftest import started
from tests.web.filing import Desk, connected, desk_of, parsed, until
from tests.web.test_uploads import begin, nothing, retried, said, sign_out
from webterm.settings import Local
from webterm.web.large_bodies import LARGE, PIECE
from webterm.web.long_requests import MOST_LARGE

SIZE = LARGE + 3 * PIECE + 17


@pytest.fixture
async def desk(directory: Path) -> AsyncIterator[Desk]:
    async with started(directory, local=Local(isolation="none")) as running:
        yield await desk_of(running, "ann")


@pytest.fixture(scope="module")
def data() -> bytes:
    return random.Random(3).randbytes(SIZE)


async def send(writer: asyncio.StreamWriter, data: bytes, chance: random.Random) -> None:
    """In writes of all sizes."""
    place = 0
    while place < len(data):
        step = chance.choice([1, 1000, 70_001, PIECE, 3 * PIECE])
        writer.write(data[place : place + step])
        await writer.drain()
        place += step


@pytest.mark.both_loops
async def test_it_comes_whole_and_its_connection_ends(desk: Desk, data: bytes) -> None:
    """Some of it with the head, or all after an invitation; what follows it is not answered."""
    for headers, more in (({}, b""), ({"Expect": "100-continue"}, desk.head("GET", "files/f"))):
        async with connected(desk) as (reader, writer):
            head = desk.head("PUT", "files/f", Content_Length=str(SIZE), **headers)
            if headers:
                writer.write(head)
                assert await said(reader) == 100
                head = b""
            await send(writer, head + data + more, random.Random(5))
            answer = await until(reader)
            assert answer.status == (200 if headers else 201)
            assert answer.headers["Connection"] == "close"
            assert await reader.read() == b""
        assert (desk.files / "f").read_bytes() == data


@pytest.mark.both_loops
async def test_what_came_before_a_cut_is_kept(desk: Desk, data: bytes) -> None:
    """To the last byte, though the call is cancelled with the connection."""
    upload = await begin(desk, "f", SIZE)
    came = 0
    for cut in (5, PIECE, 2 * PIECE + 5):
        async with AsyncExitStack() as stack:
            offset, reader, writer = await going_on(desk, upload, stack)
            assert offset == came
            writer.write(data[offset : offset + cut])
            writer.write_eof()
            answer = await reader.read()
            assert not answer or parsed(answer).status == 400
        came += cut
    assert (await retried(desk, upload, data)).json["entry"]["size"] == SIZE
    assert (desk.files / "f").read_bytes() == data


async def going_on(
    desk: Desk, upload: str, stack: AsyncExitStack
) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
    """Where an upload goes on, and a connection that may send; the call before, which was cut, has ended then."""
    async with asyncio.timeout(30):
        while True:
            offset: int = (await desk.ask("GET", f"uploads/{upload}")).json["offset"]
            reader, writer = await stack.enter_async_context(connected(desk))
            fields = {"Content_Length": str(SIZE - offset), "Expect": "100-continue"}
            writer.write(desk.head("PUT", f"uploads/{upload}?offset={offset}", **fields))
            if await said(reader) == 100:
                return offset, reader, writer
            await asyncio.sleep(0.02)


async def test_whoever_is_refused_midway_is_told(desk: Desk, data: bytes) -> None:
    """Though they send on."""
    async with connected(desk) as (reader, writer):
        writer.write(desk.head("PUT", "files/f", Content_Length=str(SIZE), Expect="100-continue"))
        assert await said(reader) == 100
        writer.write(data[:PIECE])
        await sign_out(desk)
        writer.write(data[PIECE:])
        answer = await until(reader)
        assert (answer.status, answer.code) == (401, "not_signed_in")
        assert await reader.read() == b""
    assert nothing(desk)


async def test_a_file_that_does_not_fit_any_more(desk: Desk, data: bytes) -> None:
    """More than was announced is refused, and what came before it is there."""
    upload = await begin(desk, "f", LARGE)
    async with connected(desk) as (reader, writer):
        writer.write(desk.head("PUT", f"uploads/{upload}?offset=0", Content_Length=str(SIZE)) + data)
        answer = await until(reader)
        assert (answer.status, answer.code) == (413, "too_big")
    assert (await retried(desk, upload, data[:LARGE])).json["entry"]["size"] == LARGE
    assert (desk.files / "f").read_bytes() == data[:LARGE]


async def test_no_more_than_some_have_memory_of_their_own(desk: Desk, data: bytes) -> None:
    """Those that come while there are as many keep their connection, as small ones do."""
    async with AsyncExitStack() as stack:
        for number in range(MOST_LARGE):
            reader, writer = await stack.enter_async_context(connected(desk))
            writer.write(desk.head("PUT", f"files/{number}", Content_Length=str(SIZE), Expect="100-continue"))
            assert await said(reader) == 100
        answer = await desk.ask("PUT", "files/f", data)
        assert (answer.status, answer.headers.get("Connection")) == (201, None)
    assert (desk.files / "f").read_bytes() == data
    async with asyncio.timeout(30):
        while (await desk.ask("PUT", "files/f", data)).headers.get("Connection") != "close":
            pass
