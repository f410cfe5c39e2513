"""The rules over a real hub, with the driver that runs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.terminals.places import anywhere
from webterm.access import Actor, Role
from webterm.drivers.echo import EchoDriver
from webterm.errors import Conflict, InvalidRequest, NoSuchTerminal, RuntimeBusy, ShuttingDown
from webterm.hub.hub import Hub, HubLimits
from webterm.hub.record import Record
from webterm.hub.terminal import State, Terminal
from webterm.ids import TerminalId, UserId
from webterm.session import MAX_RECORD, Size
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


async def test_another_comes_in_the_place_of_one_that_has_ended(rules: TerminalRules) -> None:
    """Once: who is slower is told so."""
    order = replace(ORDER, argv=("echo", "back"), cwd="src", title="Mine")
    first = await rules.open(ANN, order)
    instead = replace(ORDER, replaces=first.id)
    with pytest.raises(Conflict, match="has not ended"):
        await rules.open(ANN, instead)
    await printed(first, b"before", end=True)
    with pytest.raises(NoSuchTerminal):
        await rules.open(BOB, instead)
    second, busy = await asyncio.gather(rules.open(ANN, instead), rules.open(ANN, instead), return_exceptions=True)
    assert isinstance(second, Terminal)
    assert isinstance(busy, RuntimeBusy)
    kept = second.record
    assert (kept.argv, kept.cwd, kept.title, kept.replaces) == (("echo", "back"), "src", "Mine", first.id)
    assert [terminal.id for terminal in rules.visible(ANN) if terminal.state is State.RUNNING] == [second.id]
    with pytest.raises(NoSuchTerminal):
        await rules.open(ANN, replace(instead, replaces="nothing"))


async def test_what_is_not_known_as_a_whole_is_not_started_again(rules: TerminalRules) -> None:
    long = Record.load(
        Record(id=TerminalId("a"), owner=ANN.id, argv=("rm", "x" * MAX_RECORD), created=0, cols=80, rows=24).dump()
    )
    assert len(long.argv[1]) == 100
    terminal = await rules.open(ANN, ORDER)
    terminal.record = long
    assert replace(ORDER, replaces="a").after(terminal).argv == ()
