"""A line that breaks, at any byte and in either direction, loses nothing and repeats nothing."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.server.client import Client, View
from tests.server.line import Line, line_to
from tests.server.process import Server
from tests.server.programs import Recording, command
from tests.server.test_kills import counted, finish, grown, recorded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]
CUTS = 100


@pytest_asyncio.fixture(loop_scope="module")
async def line(server: Server) -> AsyncIterator[Line]:
    async with line_to(server.url) as line:
        yield line


async def reconnected(client: Client, times: int) -> None:
    """Wait until the client has come back for the so-many-th time: its attaches go before whatever it says next."""
    await client.until(lambda: len(client.close_codes) == times and client.ready)


async def test_cut_a_hundred_times(server: Server, line: Line, binary: bool) -> None:
    chance = random.Random(100)
    async with server.client("page", binary=binary, through=line.url) as client:
        fast, fast_tape = await counted(client)
        others = [await recorded(client, kind) for kind in ("bytes" if binary else "mixed", "ticker")]
        views = [fast, *(view for view, _ in others)]
        cuts = server.rounds(CUTS)
        for times in range(1, cuts + 1):
            await grown(client, [fast], chance.randrange(100_000))
            line.cut_after(chance.randrange(1, 200_000))
            await reconnected(client, times)
            assert [view.faults for view in views] == [[], [], []]
            assert fast_tape.difference is None
        assert line.cuts >= cuts
        await finish(client, others)


async def test_cut_within_what_the_client_sends(server: Server, line: Line) -> None:
    """Half a frame, a whole one and some of the next: what came is typed once, what did not come is not."""
    async with server.client("page", through=line.url) as client:
        view = await client.open("sh", "-c", "stty raw -echo; printf ready; exec cat")
        await client.until(lambda: view.data.endswith(b"ready"))
        cuts = 0
        for count in range(1, 60):
            before = bytes(view.data)
            line.cut_after(count, towards_client=False)
            await client.input(view, "a")
            await client.input(view, "b")
            if not line.cuts:
                continue
            cuts += 1
            await reconnected(client, cuts)
            await client.settle()
            assert bytes(view.data)[len(before) :] in (b"", b"a", b"ab")
            assert not view.faults
            line.cuts = 0


async def test_two_writers_cut_at_random(server: Server, line: Line) -> None:
    chance = random.Random(22)
    async with line_to(server.url) as second_line:
        first = server.client("first", through=line.url)
        second = server.client("second", binary=True, through=second_line.url)
        async with first, second:
            view, tape = await recorded(first, "mixed")
            other, other_tape = await joined(second, view, "mixed")
            times = {"first": 0, "second": 0}
            both = ((first, line), (second, second_line))
            cuts = (both[:1], both[1:], both)
            for _ in range(server.rounds(CUTS // 2)):
                await grown(first, [view], chance.randrange(100_000))
                await grown(second, [other], chance.randrange(100_000))
                for client, its_line in chance.choice(cuts):
                    its_line.cut_after(chance.randrange(1, 100_000))
                    times[client.name] += 1
                await reconnected(first, times["first"])
                await reconnected(second, times["second"])
                assert [view.faults, other.faults] == [[], []]
            await finish(first, [(view, tape)])
            await second.until(lambda: other.exit is not None or other.parted)
            assert other_tape.finished


async def joined(client: Client, view: View, kind: str) -> tuple[View, Recording]:
    """Another view of a terminal from its first byte, with what compares the bytes."""
    tape = Recording(kind)
    other = client.begin(view.terminal)
    other.feed = tape.feed
    await client.send_json({"type": "attach", "channel": other.channel, "terminal": view.terminal, "after": 0})
    await client.until(lambda: other.attached is not None)
    return other, tape


async def test_restarted_by_sigterm(server: Server) -> None:
    """The page is told to come back (1012), and nothing is missing when it does."""
    chance = random.Random(15)
    async with server.client("page") as client, server.client("other", binary=True) as second:
        view, tape = await recorded(client, "mixed")
        other, other_tape = await joined(second, view, "mixed")
        for _ in range(5):
            await grown(client, [view], chance.randrange(1_000_000))
            await server.stop()
            await client.until(lambda: client.close_codes[-1:] == [aiohttp.WSCloseCode.SERVICE_RESTART])
            await second.until(lambda: second.close_codes[-1:] == [aiohttp.WSCloseCode.SERVICE_RESTART])
            client.close_codes.clear()
            second.close_codes.clear()
            await server.start()
            await grown(client, [view], 1)
            await grown(second, [other], 1)
            assert [view.faults, other.faults] == [[], []]
        await finish(client, [(view, tape)])
        await second.until(lambda: other.exit is not None or other.parted)
        assert other_tape.finished


async def test_half_a_character_before_a_cut(server: Server, line: Line) -> None:
    """A character that is half printed when the line breaks comes whole, once."""
    async with server.client("page", through=line.url) as client:
        program = r"stty raw -echo; printf 'a\303'; read x; printf '\244b'; exec cat"
        view = await client.open("sh", "-c", program.replace("read x", "head -c 1 >/dev/null"))
        await client.until(lambda: view.data == b"a")
        line.cut()
        await reconnected(client, 1)
        await client.settle()
        assert view.offset == 1
        await client.input(view, "x")
        await client.until(lambda: view.data == "aäb".encode())
        assert not view.faults


async def test_offsets_that_cannot_be_resumed(server: Server) -> None:
    """Below the ring: from the oldest safe byte. Beyond the end, or negative: an error that harms nobody."""
    async with server.client("page") as client:
        view = await client.open(*command("mixed"), window=0)
        await grown(client, [view], 3_000_000)
        late = await client.attach(view.terminal, 10, role="read", window=1)
        assert late.attached is not None
        assert late.start > 10
        assert late.start >= view.offset - 4_000_000
        beyond = await client.attach(view.terminal, 2**60)
        assert [error.code for error in beyond.errors] == ["invalid_request"]
        negative = await client.attach(view.terminal, -1)
        assert [error.code for error in negative.errors] == ["invalid_request"]
        await client.send_json({"type": "close", "channel": view.channel})
        await client.until(lambda: view.parted == "closed")
        gone = await client.attach(view.terminal, 0)
        assert [error.code for error in gone.errors] == ["no_such_terminal"]


async def test_joined_while_much_is_printed(server: Server) -> None:
    """What is live neither overtakes the replay nor comes twice; several at once do not disturb each other."""
    chance = random.Random(18)
    async with server.client("page") as client, server.client("others", binary=True) as others:
        view = await client.open(*command("mixed"))
        await grown(client, [view], 100_000)
        for _ in range(20):
            count = chance.randrange(20_000)
            await grown(client, [view], count)
            tabs = [await others.attach(view.terminal, view.offset - count) for _ in range(2)]
            assert [tab.start for tab in tabs] == [tab.attached.offset for tab in tabs if tab.attached]
            await grown(others, tabs, 300_000)
            for tab in tabs:
                await others.send_json({"type": "detach", "channel": tab.channel})
            await client.until(lambda tabs=tabs: view.offset > tabs[0].start + 300_000)  # type: ignore[misc]
            for tab in tabs:
                assert not tab.faults
                again = bytes(view.data[tab.start : tab.start + 300_000])
                assert bytes(tab.data[:300_000]) == again
        assert not view.faults


async def test_resumed_at_every_byte(server: Server, binary: bool) -> None:
    """Also inside a character or a control sequence: the rest comes, once, also while more is printed."""
    async with server.client("page", binary=binary) as client:
        text = "ä€😀\x1b[1mx\x1b]2;ü\x07y".encode()
        octal = "".join(f"\\{byte:03o}" for byte in text)
        view = await client.open("sh", "-c", f"stty raw -echo; printf '{octal}'; exec cat")
        await client.until(lambda: len(view.data) == len(text))
        rejoined = [await client.attach(view.terminal, after) for after in range(len(text) + 1)]
        await client.input(view, "é")
        for after, other in enumerate(rejoined):
            await client.until(lambda other=other: other.offset == len(text) + 2)  # type: ignore[misc]
            assert other.start == after
            whole = text[after:] + "é".encode()
            assert bytes(other.data) == (whole if binary else whole.decode("utf-8", "replace").encode())
