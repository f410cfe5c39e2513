"""A viewer that is slow, or does not read at all, costs the server little and others nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.server.client import Client, View
from tests.server.echoes import HARM, Echoes, echoing, least_harmed, usual
from tests.server.line import line_to
from tests.server.process import Server, serving
from tests.server.programs import Recording, command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]
MIB = 1024 * 1024
RING = 2 * MIB
WINDOW = 256 * 1024
GRACE = 2.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """With a shorter grace, which is the same number everywhere."""
    async with serving(tmp_path_factory.mktemp("standing") / "data", terminals__resume_grace=GRACE) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def fresh(directory: Path) -> AsyncIterator[Server]:
    """The same, of the test's own: memory that others have given back would hide what this one takes."""
    async with serving(directory, terminals__resume_grace=GRACE) as server:
        yield server


async def harms_nobody(server: Server, name: str, misbehave: Callable[[], Awaitable[None]]) -> None:
    """Keys of another terminal come back as fast as before, and the server's memory does not grow."""
    async with server.client("bystander") as bystander:
        view = await echoing(bystander)
        before = await usual(bystander, view)
        memory = server.private_bytes()
        await misbehave()
        during = await least_harmed(bystander, view, before)
        grown = server.private_bytes() - memory
    print(
        f"\n{name}: echo p50 {before.p50:.2f} ms, p99 {before.p99:.2f} ms; meanwhile p50 {during.p50:.2f} ms,"
        f" p99 {during.p99:.2f} ms, bare {during.bare:.2f} ms; server memory {grown / 1024:+.0f} KiB"
    )
    assert grown < 4 * MIB
    assert during.harmed(before) < HARM, f"{during} after {before}"


async def flood(client: Client, **fields: int) -> View:
    """A program that prints as fast as it can."""
    return await client.open(*command("lines"), **fields)


@pytest.mark.alone
async def test_a_writer_that_never_acks(fresh: Server) -> None:
    async with fresh.client("mute", acks=False) as mute:
        view = await flood(mute)

        async def misbehave() -> None:
            await mute.until(lambda: view.offset == WINDOW)

        await harms_nobody(fresh, "a writer that never acks", misbehave)
        assert view.offset <= WINDOW
        assert not view.faults


@pytest.mark.alone
async def test_a_writer_that_never_reads(fresh: Server) -> None:
    async with line_to(fresh.url) as line:
        async with fresh.client("deaf", acks=False, through=line.url) as deaf:
            view = await flood(deaf, window=0)  # nothing but the socket can stop the server

            async def misbehave() -> None:
                await deaf.until(lambda: view.offset > 10_000)
                line.block()
                await beyond(fresh, view.terminal, 10 * MIB)

            await harms_nobody(fresh, "a writer without a window that never reads", misbehave)


@pytest.mark.alone
async def test_a_reader_that_never_acks(fresh: Server) -> None:
    async with fresh.client("owner") as owner, fresh.client("mute", acks=False) as mute:
        view = await flood(owner)
        silent = await mute.attach(view.terminal, role="read")

        async def misbehave() -> None:
            await mute.until(lambda: silent.offset >= silent.start + WINDOW)
            await owner.until(lambda: view.offset > 10 * MIB)

        await harms_nobody(fresh, "a reader that never acks, and a writer that does", misbehave)
        assert silent.offset - silent.start <= WINDOW
        assert not view.faults


@pytest.mark.alone
async def test_a_reader_that_never_reads(fresh: Server) -> None:
    async with line_to(fresh.url) as line:
        async with fresh.client("owner") as owner, fresh.client("deaf", through=line.url) as deaf:
            view = await flood(owner)
            silent = await deaf.attach(view.terminal, role="read", window=0)

            async def misbehave() -> None:
                await deaf.until(lambda: silent.offset > silent.start + 10_000)
                line.block()
                await owner.until(lambda: view.offset > 10 * MIB)

            await harms_nobody(fresh, "a reader that never reads, and a writer that does", misbehave)


async def head(server: Server, terminal: str) -> int:
    """How much the program has printed, as another client's list says."""
    async with server.client("observer") as observer:
        return next(info.offset for info in await observer.list() if info.id == terminal)


async def beyond(server: Server, terminal: str, offset: int) -> None:
    """Wait until the program has printed so much, asking again and again: nothing tells."""
    async with server.client("observer") as observer, asyncio.timeout(30):
        while next(info.offset for info in await observer.list() if info.id == terminal) < offset:
            pass


async def waits(server: Server, view: View) -> float:
    """How long the program waits for a writer that stands still, in seconds."""
    stopped_at = view.offset
    began = time.monotonic()
    assert await head(server, view.terminal) == stopped_at
    await beyond(server, view.terminal, stopped_at + 1)
    return time.monotonic() - began


@pytest.mark.alone
async def test_the_program_waits_for_a_writer_until_the_grace_is_over(fresh: Server) -> None:
    async with fresh.client("mute", acks=False) as mute:
        view = await flood(mute)
        await mute.until(lambda: view.offset == WINDOW)
        assert GRACE - 0.5 < await waits(fresh, view) < GRACE + 2
        await beyond(fresh, view.terminal, 4 * MIB)
        assert view.offset == WINDOW  # the window holds all the same


@pytest.mark.alone
async def test_the_program_waits_for_ten_seconds_by_default(directory: Path) -> None:
    async with serving(directory) as server, server.client("mute", acks=False) as mute:
        assert mute.ready is not None
        assert mute.ready.resume_grace == 10
        view = await flood(mute)
        await mute.until(lambda: view.offset == WINDOW)
        assert 9 < await waits(server, view) < 12


async def test_the_fastest_writer_decides(server: Server) -> None:
    async with server.client("mute", acks=False) as mute, server.client("quick") as quick:
        slow = await flood(mute)
        fast = await quick.attach(slow.terminal)
        began = time.monotonic()
        await quick.until(lambda: fast.offset > 8 * MIB)
        assert time.monotonic() - began < 30
        assert slow.offset <= slow.start + WINDOW


async def test_an_ack_lets_the_program_go_on(server: Server) -> None:
    async with server.client("page", acks=False) as client:
        view = await flood(client, window=100_000)
        for round_ in range(1, 20):
            await client.until(lambda round_=round_: view.offset == round_ * 100_000)  # type: ignore[misc]
            assert await head(server, view.terminal) == view.offset
            await client.ack(view)


async def test_a_slow_reader_is_told_what_it_missed(server: Server) -> None:
    """It goes on from a safe place: inside no character and no control sequence."""
    async with server.client("owner") as owner, server.client("slow", acks=False) as slow:
        view = await owner.open(*command("mixed"))
        reader = await slow.attach(view.terminal, role="read")
        await slow.until(lambda: reader.offset >= reader.start + WINDOW)
        await owner.until(lambda: view.offset > reader.offset + 2 * RING)
        reader.data.clear()
        await slow.ack(reader)
        await slow.until(lambda: reader.skips and reader.data)
        assert not reader.faults
        assert reader.skips[0].to > reader.skips[0].from_
        reader.data.decode()
        assert reader.skips[0].preamble.startswith("\x1b]2;title ")


async def test_a_slow_writer_is_told_what_it_missed(server: Server) -> None:
    """Once it has stopped counting it is treated as a reader is."""
    async with server.client("slow", acks=False) as slow:
        view = await flood(slow)
        await slow.until(lambda: view.offset == WINDOW)
        await beyond(server, view.terminal, 2 * RING)
        await slow.ack(view)
        await slow.until(lambda: view.skips)
        slow.acks = True
        await slow.ack(view)  # all of the window may have come before
        goal = view.offset + 4 * MIB
        await slow.until(lambda: view.offset > goal)
        assert not view.faults


@pytest.mark.parametrize("offset", [-1, 2**63, 1.5, "1", None, True, 10**30])
async def test_acks_that_are_no_offsets(server: Server, offset: object) -> None:
    async with server.client("page") as client:
        view = await echoing(client)
        await client.send_text(json.dumps({"type": "ack", "channel": view.channel, "offset": offset}).encode())
        await client.until(lambda: view.errors)
        assert [error.code for error in view.errors] == ["invalid_request"]
        await Echoes.measure(client, view, 3)


async def test_acks_of_what_was_never_sent(server: Server) -> None:
    async with server.client("page", acks=False) as client:
        view = await flood(client)
        await client.until(lambda: view.offset == WINDOW)
        await client.ack(view, WINDOW + 1)
        await client.until(lambda: view.errors)
        assert [error.code for error in view.errors] == ["invalid_request"]
        assert await head(server, view.terminal) == WINDOW
        await client.ack(view, 1)
        await client.ack(view, 0)  # nothing new
        await client.until(lambda: view.offset > WINDOW)
        assert await head(server, view.terminal) == WINDOW + 1


async def test_a_program_that_does_not_read(server: Server) -> None:
    """Its input waits, up to a bound that the client is told of, and holds up nobody else's."""
    async with server.client("page") as client:
        view = await client.open("sh", "-c", "stty raw -echo; printf ready; kill -STOP $$; exec cat >/dev/null")
        await client.until(lambda: view.data == b"ready")
        other = await echoing(client)
        while not view.errors:
            await client.input(view, "x" * 100_000)
            await client.settle()
        assert view.errors[0].code == "input_overflow"
        assert view.input_paused
        await Echoes.measure(client, other, 10)
        await client.send_json({"type": "signal", "channel": view.channel, "name": "CONT"})
        await client.until(lambda: not view.input_paused)


async def test_a_cut_loses_nothing_however_slow_the_page_was(server: Server) -> None:
    """A writer half a window behind is waited for, although nothing else would stop the program."""
    async with line_to(server.url) as line, server.client("page", acks=False, through=line.url) as client:
        tape = Recording("lines")
        view = client.views[99] = View(99)
        view.feed = tape.feed
        await client.send_json(
            {"type": "open", "channel": 99, "argv": command("lines"), "cols": 80, "rows": 24, "window": WINDOW}
        )
        await client.until(lambda: view.offset == WINDOW)
        client.acks = True
        line.cut()
        await client.until(lambda: view.offset > 4 * WINDOW)
        assert not view.faults
        assert tape.difference is None
