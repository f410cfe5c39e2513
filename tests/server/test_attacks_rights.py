"""Nobody reaches another person's terminals, and who may only look can only look."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.client import Client
from tests.server.people import page_of, people_at
from tests.server.test_attacks_messages import VALID, classes
from tests.web.conftest import Running
from webterm.protocol import messages
from webterm.protocol.message import ChannelMessage, type_of

NOT_ACTING = {"ack", "detach", "open", "attach", "exec", "open_lines"}
ABOUT_COMMANDS = {"end_input", "line"}
"""About channels of commands and line shells: a terminal's is none of those."""


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with people_at(tmp_path / "data") as running:
        yield running


@pytest.fixture
async def alice(running: Running) -> AsyncIterator[Client]:
    async with page_of(running, "alice") as page:
        yield page


async def test_a_terminal_of_somebody_else(running: Running, alice: Client) -> None:
    """It is as if there were none, to each message that can name one."""
    view = await alice.open("cat")
    naming = [kind for kind, fields in VALID.items() if "terminal" in fields]
    assert naming == ["attach"]
    async with page_of(running, "bob") as bob:
        assert await bob.list() == []
        for role in ("write", "read"):
            for after in (None, 0, 10**9):
                other = await bob.attach(view.terminal, after, role=role)
                missing = await bob.attach("A" * 22, after, role=role)
                assert [error.code for error in other.errors] == ["no_such_terminal"]
                told = other.errors[0].message.replace(view.terminal, "A" * 22)
                assert told == missing.errors[0].message
        for kind, fields in VALID.items():
            if "channel" in fields and kind not in NOT_ACTING:
                bob.errors.clear()
                message: dict[str, object] = {"type": kind, **fields, "channel": 999}
                await bob.send_json(message)
                await bob.settle()
                assert [error.code for error in bob.errors] == ["no_such_channel"]
    await alice.settle()
    assert [viewer.name for viewer in view.viewers] == ["alice"]
    assert bytes(view.data) == b""
    assert view.parted is None


async def test_channels_belong_to_their_socket(running: Running, alice: Client) -> None:
    """Also between two sockets of one person."""
    view = await alice.open("cat")
    async with page_of(running, "alice") as second:
        await second.send(messages.Input(channel=view.channel, data="x"))
        await second.settle()
        assert [error.code for error in second.errors] == ["no_such_channel"]


@pytest.mark.parametrize("binary", [False, True], ids=["json", "binary"])
async def test_a_reader_can_do_nothing(running: Running, alice: Client, binary: bool) -> None:
    """Every message that acts, and everything that is not known to be harmless, is refused."""
    view = await alice.open("sh", "-c", "stty raw -echo; printf ready; exec cat")
    await alice.until(lambda: view.data == b"ready")
    async with page_of(running, "alice", binary=binary) as reader:
        seen = await reader.attach(view.terminal, role="read", cols=33, rows=11)
        for cls in classes():
            kind = type_of(cls)
            if not issubclass(cls, ChannelMessage) or kind in NOT_ACTING:
                continue
            seen.errors.clear()
            await reader.send_json({"type": kind, **VALID[kind], "channel": seen.channel})
            await reader.settle()
            refused = "no_such_channel" if kind in ABOUT_COMMANDS else "read_only"
            assert [error.code for error in seen.errors] == [refused], kind
        if binary:
            seen.errors.clear()
            await reader.input(seen, b"typed")
            await reader.settle()
            assert [error.code for error in seen.errors] == ["read_only"]
        for kind in ("attach", "open"):  # taking the channel again with another role
            seen.errors.clear()
            again: dict[str, object] = {
                "type": kind,
                **VALID[kind],
                "channel": seen.channel,
                "terminal": view.terminal,
                "role": "write",
            }
            await reader.send_json(again)
            await reader.settle()
            assert [error.code for error in seen.errors] == ["channel_in_use"]
        await alice.input(view, "!")
        await reader.until(lambda: seen.data.endswith(b"!"))
        (info,) = await alice.list()
        assert (info.cols, info.rows, info.state, info.title) == (80, 24, "running", "")
        assert bytes(view.data) == b"ready!"


async def test_a_reader_does_not_come_back_as_more(running: Running, alice: Client) -> None:
    view = await alice.open("cat")
    async with page_of(running, "alice") as reader:
        await reader.attach(view.terminal, role="read")
    async with page_of(running, "alice") as reader:
        seen = await reader.attach(view.terminal, 0, role="read")
        await reader.input(seen, "x")
        await reader.until(lambda: seen.errors)
        assert [error.code for error in seen.errors] == ["read_only"]


@pytest.mark.parametrize("size", [(0, 24), (80, 0), (-1, -1), (10**9, 24), (70_000, 70_000), (80.5, 24), ("80", 24)])
async def test_sizes_that_are_none(alice: Client, size: tuple[object, object]) -> None:
    view = await alice.open("cat")
    await alice.send_json({"type": "resize", "channel": view.channel, "cols": size[0], "rows": size[1]})
    await alice.settle()
    assert [error.code for error in view.errors] == ["invalid_request"]
    (info,) = await alice.list()
    assert (info.cols, info.rows) == (80, 24)


async def test_a_thousand_sizes_and_viewers_who_disagree(running: Running, alice: Client) -> None:
    """The lead writer's counts; the program has the last one, and readers are told each at its place."""
    view = await alice.open("sh", "-c", "stty raw -echo; printf ready; while head -c 1 >/dev/null; do stty size; done")
    await alice.until(lambda: view.data == b"ready")
    async with page_of(running, "alice") as second, page_of(running, "alice") as third:
        other = await second.attach(view.terminal, cols=50, rows=20)
        seen = await third.attach(view.terminal, role="read", cols=10, rows=10)
        await alice.input(view, "x")  # leads
        await alice.until(lambda: len(view.data) > len(b"ready"))
        for number in range(1000):
            await alice.send(messages.Resize(channel=view.channel, cols=100 + number % 100, rows=30))
            await second.send(messages.Resize(channel=other.channel, cols=60, rows=10 + number % 7))
        await alice.send(messages.Resize(channel=view.channel, cols=123, rows=45))
        await second.settle()
        await alice.settle()
        await alice.input(view, "x")
        await alice.until(lambda: view.data.endswith(b"45 123\n"))
        await third.until(lambda: seen.sizes and (seen.sizes[-1].cols, seen.sizes[-1].rows) == (123, 45))
        offsets = [size.offset for size in seen.sizes]
        assert offsets == sorted(offsets)
        assert not [*view.errors, *other.errors]
