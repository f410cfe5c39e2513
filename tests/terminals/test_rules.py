"""The rules over a real hub, with the driver that runs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.terminals.places import anywhere
from webterm.access import Actor, Role
from webterm.drivers.echo import EchoDriver
from webterm.errors import InvalidRequest, NoSuchTerminal, ShuttingDown
from webterm.hub.hub import Hub, HubLimits
from webterm.hub.terminal import Terminal
from webterm.ids import TerminalId, UserId
from webterm.session import Size
from webterm.terminals.rules import Order, TerminalRules

ANN = Actor(id=UserId("ann"), name="Ann")
BOB = Actor(id=UserId("bob"), name="Bob")
ORDER = Order(size=Size(80, 24))
LIMITS = HubLimits(per_actor=10, total=10, log_bytes=64 * 1024, resume_grace=10.0, idle_timeout=0.0, keep_exited=3600.0)


@pytest.fixture
async def rules() -> AsyncIterator[TerminalRules]:
    driver = EchoDriver()
    hub = Hub({driver.name: driver}, default_driver=driver.name, limits=LIMITS)
    await hub.start()
    yield TerminalRules(hub, anywhere)
    await hub.aclose(end=True)
    await driver.aclose()


async def test_one_sees_ones_own(rules: TerminalRules) -> None:
    first, second = await rules.open(ANN, ORDER), await rules.open(ANN, ORDER)
    assert [terminal.id for terminal in rules.visible(ANN)] == [first.id, second.id]
    assert rules.visible(BOB) == []
    assert rules.get(ANN, first.id) is first


async def test_what_is_not_ones_own_is_not_there(rules: TerminalRules) -> None:
    terminal = await rules.open(ANN, ORDER)
    with pytest.raises(NoSuchTerminal):
        rules.get(BOB, terminal.id)
    with pytest.raises(NoSuchTerminal):
        await rules.close(BOB, terminal.id)
    with pytest.raises(NoSuchTerminal):
        await rules.resize(BOB, terminal.id, Size(1, 1))
    with pytest.raises(NoSuchTerminal):
        await rules.output(BOB, terminal.id, None, 1)
    with pytest.raises(NoSuchTerminal):
        rules.get(ANN, TerminalId("nothing"))
    assert terminal.size == Size(80, 24)


async def test_output_from_an_offset(rules: TerminalRules) -> None:
    terminal = await rules.open(ANN, ORDER)
    await rules.close(ANN, (await rules.open(ANN, ORDER)).id)
    nothing = await rules.output(ANN, terminal.id, None, 100)
    assert (nothing.start, nothing.end, nothing.data) == (0, 0, b"")
    with pytest.raises(InvalidRequest, match="after: 1 is beyond"):
        await rules.output(ANN, terminal.id, 1, 100)


async def printed(terminal: Terminal, data: bytes, *, end: bool = False) -> None:
    """The program prints ``data``, which is all in the log afterwards; with ``end`` it ends then."""
    more = asyncio.Event()
    viewer = terminal.attach(ANN, Role.WRITE, 0, after=0, size=None, ready=more.set, notify=lambda _: None).viewer
    terminal.type(viewer, data)
    async with asyncio.timeout(5):
        while terminal.head < len(data):
            await more.wait()
            more.clear()
        if end:
            await terminal.signal("TERM")
        while end and terminal.exit is None:
            await more.wait()
            more.clear()
    terminal.detach(viewer)


async def pages(rules: TerminalRules, terminal: Terminal, limit: int) -> list[bytes]:
    """All output in pages of ``limit`` bytes, each from where the last one ended, until one is empty."""
    found, after = [], 0
    while (part := await rules.output(ANN, terminal.id, after, limit)).data:
        assert (part.start, part.end) == (after, after + len(part.data))
        found.append(part.data)
        after = part.end
    return found


@pytest.mark.parametrize("limit", range(1, 9))
async def test_pages_of_output_break_no_character(rules: TerminalRules, limit: int) -> None:
    terminal = await rules.open(ANN, ORDER)
    text = "ééé€€🙂🙂 a🙂"
    await printed(terminal, text.encode())
    found = await pages(rules, terminal, limit)
    assert "".join(page.decode() for page in found) == text
    assert max(map(len, found)) <= max(limit, 4)


@pytest.mark.parametrize("limit", range(1, 9))
async def test_pages_of_what_is_no_text_lose_nothing(rules: TerminalRules, limit: int) -> None:
    terminal = await rules.open(ANN, ORDER)
    data = b"\xff\x80\x80\x80\x80\xc3a\xe2\x82\xf0\x9f\x98\xc0\xf5\x80\xed\xa0\x80 b"
    await printed(terminal, data)
    found = await pages(rules, terminal, limit)
    assert "".join(page.decode(errors="replace") for page in found) == data.decode(errors="replace")


async def test_a_character_half_printed_waits_for_the_rest_or_the_end(rules: TerminalRules) -> None:
    terminal = await rules.open(ANN, ORDER)
    await printed(terminal, b"a\xe2\x82")
    assert await pages(rules, terminal, 100) == [b"a"]
    await printed(terminal, b"", end=True)
    assert await pages(rules, terminal, 100) == [b"a\xe2\x82"]


async def test_a_server_that_stops_opens_nothing(rules: TerminalRules) -> None:
    rules.stop_opening()
    with pytest.raises(ShuttingDown):
        await rules.open(ANN, ORDER)
