"""A server that is killed loses nothing, repeats nothing, and has every terminal back when it starts again."""

from __future__ import annotations

import random

import pytest

from tests.server.client import Client, View
from tests.server.process import Server
from tests.server.programs import Recording, Tape, command, sequence

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]
LAST = 10**9
KILLS = 20
RING = 2 * 1024 * 1024


async def recorded(client: Client, kind: str) -> tuple[View, Recording]:
    """A program of a kind, with what compares its bytes."""
    tape = Recording(kind)
    view = await client.open(*command(kind))
    view.feed = tape.feed
    tape.feed(bytes(view.data))
    return view, tape


async def counted(client: Client) -> tuple[View, Tape]:
    """``seq``, with what compares its bytes."""
    tape = sequence(LAST)
    view = await client.open("seq", "1", str(LAST))
    view.feed = tape.feed
    tape.feed(bytes(view.data))
    return view, tape


async def finish(client: Client, views: list[tuple[View, Recording]]) -> None:
    """Have the programs end, and see that every byte came."""
    for view, _ in views:
        await client.input(view, "\r")
    for view, tape in views:
        await client.until(lambda view=view: view.exit is not None or view.parted)  # type: ignore[misc]
        assert not view.faults
        assert tape.difference is None
        assert tape.finished


async def grown(client: Client, views: list[View], count: int) -> None:
    """Wait until each view has this many bytes more."""
    goals = [view.offset + count for view in views]
    await client.until(lambda: all(view.offset >= goal for view, goal in zip(views, goals, strict=True)))


async def test_killed_twenty_times(server: Server, binary: bool) -> None:
    chance = random.Random(20)
    async with server.client("page", binary=binary) as client:
        fast, fast_tape = await counted(client)
        others = [await recorded(client, kind) for kind in ("bytes" if binary else "mixed", "ticker")]
        views = [fast, *(view for view, _ in others)]
        kills = server.rounds(KILLS)
        for _ in range(kills):
            await grown(client, [fast], chance.randrange(1_000_000))
            await server.kill()
            await server.start()
            await grown(client, views, 1)
            assert {view.terminal for view in views} == {info.id for info in await client.list()}
            assert [view.faults for view in views] == [[], [], []]
            assert fast_tape.difference is None
        assert len(client.close_codes) == kills
        await finish(client, others)


async def test_killed_with_two_writers(server: Server) -> None:
    chance = random.Random(2)
    async with server.client("first") as first, server.client("second", binary=True) as second:
        view, tape = await recorded(first, "mixed")
        other_tape = Recording("mixed")
        other = second.begin(view.terminal)
        other.feed = other_tape.feed
        await second.send_json({"type": "attach", "channel": other.channel, "terminal": view.terminal, "after": 0})
        for _ in range(server.rounds(KILLS // 2)):
            await grown(first, [view], chance.randrange(1_000_000))
            await grown(second, [other], chance.randrange(300_000))
            await server.kill()
            await server.start()
            await grown(first, [view], 1)
            await grown(second, [other], 1)
            assert [view.faults, other.faults] == [[], []]
        await finish(first, [(view, tape)])
        await second.until(lambda: other.exit is not None or other.parted)
        assert other_tape.finished


async def test_the_slower_of_two_writers_keeps_its_place_over_a_kill(server: Server) -> None:
    """The faster one comes back first, and cannot draw so much that the slower one misses something."""
    async with server.client("quick") as quick:
        view = await quick.open(*command("lines"))
        async with server.client("slow", acks=False) as slow:
            slow.reconnects = False
            other = await slow.attach(view.terminal, 0)
            await grown(slow, [other], 100_000)
            await server.kill()
        await server.start()
        with pytest.raises(TimeoutError):
            await quick.until(lambda: view.offset > other.start + 3 * RING, patience=1.5)
        async with server.client("slow") as slow:
            again = await slow.attach(view.terminal, other.offset)
            assert again.start == other.offset
            await grown(slow, [again], 2 * RING)
            await grown(quick, [view], 2 * RING)
            assert [view.faults, again.faults] == [[], []]


async def test_killed_while_a_program_ends(server: Server) -> None:
    """The end comes when nobody is there to see it: output and exit status are there afterwards."""
    async with server.client("page") as client:
        views = [await client.open("sh", "-c", f"read x; seq 1 {1000 * n}; exit {n}") for n in range(1, 9)]
        for view in views:
            await client.input(view, "\r")
        await client.settle()
        await server.kill()
        await server.start()
        for number, view in enumerate(views, 1):
            await client.until(lambda view=view: view.exit is not None)  # type: ignore[misc]
            assert view.exit is not None
            assert view.exit.status == number
            expected = b"".join(b"%d\r\n" % n for n in range(1, 1000 * number + 1))
            assert bytes(view.data) == b"\r\n" + expected
            assert not view.faults
