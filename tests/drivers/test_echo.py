from __future__ import annotations

import asyncio

import pytest

from webterm.drivers.echo import MOST_UNREAD, EchoDriver
from webterm.session import Exit, Launch, Session, Size

SIZE = Size(80, 24)


async def opened() -> Session:
    return await EchoDriver().open(Launch(), SIZE)


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        (b"abc", b"abc"),
        (b"a\rb\n", b"a\r\nb\n"),
        (b"a\x04b", b"ab"),
        (b"\x03", b"^C\r\n"),
        (b"\x1b[A\x00\xff", b"\x1b[A\x00\xff"),
    ],
)
async def test_keys_are_shown(keys: bytes, shown: bytes) -> None:
    session = await opened()
    await session.write(keys)
    assert await session.read() == shown
    one_by_one = await opened()
    for key in keys:
        await one_by_one.write(bytes([key]))
    assert await one_by_one.read() == shown


async def test_what_follows_the_end_is_dropped() -> None:
    session = await opened()
    await session.write(b"a\r\x04b")
    assert await session.wait() == Exit(status=0)
    assert await session.read() == b"a\r\n"
    assert await session.read() == b""


@pytest.mark.parametrize("name", ["QUIT", "TSTP", "CONT"])
async def test_other_signals_are_shown(name: str) -> None:
    session = await opened()
    await session.signal(name)
    assert await session.read() == f"signal {name}\r\n".encode()


async def test_writing_waits_at_the_limit_and_goes_on_after_a_read() -> None:
    session = await opened()
    await session.write(b"x" * MOST_UNREAD)
    writing = asyncio.create_task(session.write(b"y"))
    await asyncio.sleep(0)
    assert not writing.done()
    await session.read()
    await writing


async def test_closing_the_driver_closes_its_sessions() -> None:
    driver = EchoDriver()
    session = await driver.open(Launch(), SIZE)
    await driver.aclose()
    assert await session.wait() == Exit(signal="HUP")
