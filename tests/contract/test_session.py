"""What every driver promises (webterm/session.py), asked of each of them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.contained import CONTAINED_PYTHON, Contained
from tests.drivers.sandboxes import PYTHON, runtime_in, stop_all
from webterm.drivers.echo import EchoDriver
from webterm.drivers.local import LocalDriver
from webterm.errors import InvalidRequest, TerminalExited
from webterm.keeper.client import shut_down
from webterm.runtime import Runtime
from webterm.session import Driver, Exit, Launch, Session, Size

pytestmark = pytest.mark.both_loops
MIRROR_PATH = Path(__file__).with_name("mirror.py")
MIRROR = (sys.executable, "-I", "-S", str(MIRROR_PATH))
SIZE = Size(80, 24)


class Subject:
    """A driver, and how to have it open a session that mirrors its input."""

    def __init__(self, driver: Driver, runtime: Runtime | None, mirror: tuple[str, ...] = MIRROR) -> None:
        self.driver = driver
        self.runtime = runtime
        self.mirror = mirror

    async def open(self) -> Session:
        session = await self.driver.open(Launch(argv=self.mirror, record=b"kept", runtime=self.runtime), SIZE)
        if self.driver.name != "echo":
            await until(session, b"ready\r\n")
        return session


@pytest.fixture(params=["local", "sandbox", "echo", "docker"])
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    directory = tmp_path / "data"
    if request.param == "docker":
        place: Contained = request.getfixturevalue("contained")
        async with place.driver() as docker:
            yield Subject(docker, place.runtime, (*CONTAINED_PYTHON, "mirror.py"))
        return
    readable = (*PYTHON, MIRROR_PATH.parent)
    local = LocalDriver(directory, close_grace=1, patience=1, readable=readable)
    driver = EchoDriver() if request.param == "echo" else local
    yield Subject(driver, runtime_in(tmp_path) if request.param == "sandbox" else None)
    await stop_all(local, directory)
    await driver.aclose()
    await shut_down(directory, 0)


@pytest.fixture
async def session(subject: Subject) -> AsyncIterator[Session]:
    session = await subject.open()
    yield session
    await session.aclose()


async def until(session: Session, end: bytes) -> bytes:
    output = b""
    while end not in output:
        data = await session.read()
        assert data, f"ended after {output!r}"
        assert len(data) <= 65536
        output += data
    return output


async def rest(session: Session) -> bytes:
    output = b""
    while data := await session.read():
        output += data
    return output


async def test_what_is_written_is_read(session: Session) -> None:
    await session.write(b"hello\r")
    assert await until(session, b"\n") == b"hello\r\n"


async def test_bytes_are_not_text(session: Session) -> None:
    await session.write(b"\xff\xfe\xc3\r")
    assert b"\xff\xfe\xc3" in await until(session, b"\n")


async def test_it_ends_with_its_status_and_reading_ends(session: Session) -> None:
    await session.write(b"last\r")
    await session.write(b"\x04")
    assert await session.wait() == Exit(status=0)
    assert await rest(session) == b"last\r\n"
    assert await session.wait() == Exit(status=0)


@pytest.mark.parametrize("name", ["TERM", "KILL", "HUP"])
async def test_a_signal_ends_it(session: Session, name: str) -> None:
    await session.signal(name)
    assert await session.wait() == Exit(signal=name)


async def test_an_interrupt_is_seen(session: Session) -> None:
    await session.signal("INT")
    assert b"^C\r\n" in await until(session, b"\n")


@pytest.mark.parametrize("name", ["", "SEGV", "SIGTERM", "15"])
async def test_other_signals_are_refused(session: Session, name: str) -> None:
    with pytest.raises(InvalidRequest):
        await session.signal(name)


async def test_a_new_size_arrives(session: Session) -> None:
    await session.resize(Size(132, 43))
    assert b"size 132x43\r\n" in await until(session, b"\n")


async def test_after_its_end_everything_is_ignored(session: Session) -> None:
    await session.signal("KILL")
    await session.wait()
    await session.write(b"x" * 1_000_000)
    await session.resize(Size(1, 1))
    await session.signal("INT")
    await session.keep(b"new")
    assert b"x" not in await rest(session)


async def test_closing_ends_it_and_twice_is_harmless(session: Session) -> None:
    await session.aclose()
    await session.aclose()
    assert await session.wait() == Exit(signal="HUP")


async def test_closing_one_that_has_ended(session: Session) -> None:
    await session.signal("TERM")
    await session.wait()
    await session.aclose()
    assert await session.wait() == Exit(signal="TERM")


async def test_after_closing_only_wait_answers(session: Session) -> None:
    await session.aclose()
    for call in (
        session.read(),
        session.write(b"x"),
        session.resize(SIZE),
        session.signal("INT"),
        session.keep(b""),
    ):
        with pytest.raises(TerminalExited):
            await call
    with pytest.raises(TerminalExited):
        session.at_prompt()
    assert session.fd is None


async def test_closing_wakes_whoever_waits(session: Session) -> None:
    reading = asyncio.create_task(session.read())
    waiting = asyncio.create_task(session.wait())
    await asyncio.sleep(0)
    await session.aclose()
    with pytest.raises(TerminalExited):
        await reading
    assert await waiting == Exit(signal="HUP")


async def test_two_may_close_at_once(session: Session) -> None:
    await asyncio.gather(session.aclose(), session.aclose())


async def test_cancelling_the_close_leaves_the_ending_under_way(session: Session) -> None:
    closing = asyncio.create_task(session.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    assert await session.wait() == Exit(signal="HUP")


async def test_cancelling_reads_loses_nothing(session: Session) -> None:
    sent = b"".join(b"%d\r" % number for number in range(200))
    got = b""

    async def read() -> None:
        nonlocal got
        got += await session.read()

    writing = asyncio.create_task(session.write(sent))
    while got.count(b"\n") < 200:
        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        if got.count(b"\n") % 3:
            reading.cancel()
        await asyncio.wait([reading])
    await writing
    assert got == sent.replace(b"\r", b"\r\n")


async def test_cancelling_wait_is_free(session: Session) -> None:
    waiting = asyncio.create_task(session.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await session.signal("TERM")
    assert await session.wait() == Exit(signal="TERM")


async def test_writing_waits_for_the_reader_and_the_loop_runs_on(session: Session) -> None:
    sent = b"0123456789abcde\r" * 65536
    writing = asyncio.create_task(session.write(sent))
    turns = 0
    got = 0
    while got < len(sent) + len(sent) // 16:
        turns += 1
        got += len(await session.read())
    await writing
    assert turns > 16


async def test_writing_waits_while_nobody_reads(session: Session) -> None:
    writing = asyncio.create_task(session.write(b"line\r" * 500_000))
    done, _ = await asyncio.wait([writing], timeout=0.3)
    assert not done
    writing.cancel()
    await asyncio.wait([writing])


async def test_writing_is_given_up_when_it_ends(session: Session) -> None:
    writing = asyncio.create_task(session.write(b"line\r" * 500_000))
    await asyncio.sleep(0)
    await session.signal("KILL")
    await writing
    assert await session.wait() == Exit(signal="KILL")


async def test_writes_do_not_mix(session: Session) -> None:
    lines = [bytes([letter]) * 3000 + b"\r" for letter in b"abcdefgh"]
    writing = [asyncio.create_task(session.write(line)) for line in lines]
    output = b""
    while output.count(b"\n") < len(lines):
        output += await session.read()
    await asyncio.gather(*writing)
    assert output == b"".join(lines).replace(b"\r", b"\r\n")


async def test_the_record_is_kept(session: Session) -> None:
    assert session.record == b"kept"
    await session.keep(b"newer")
    assert session.record == b"newer"


async def test_a_descriptor_does_not_block(session: Session) -> None:
    if session.fd is not None:
        assert not os.get_blocking(session.fd)


async def test_many_at_once_do_not_mix(subject: Subject) -> None:
    sessions = await asyncio.gather(*(subject.open() for _ in range(10)))
    for number, session in enumerate(sessions):
        await session.write(b"number %d\r" % number)
    for number, session in enumerate(sessions):
        assert await until(session, b"\n") == b"number %d\r\n" % number
    await asyncio.gather(*(session.aclose() for session in sessions))


async def test_closing_the_driver_twice_is_harmless(subject: Subject) -> None:
    session = await subject.open()
    reading = asyncio.create_task(session.read())
    await asyncio.sleep(0)
    await subject.driver.aclose()
    await subject.driver.aclose()
    with pytest.raises(TerminalExited):
        await reading
    await session.aclose()


async def test_an_unknown_token_resumes_nothing(subject: Subject) -> None:
    assert await subject.driver.resume("no-such-token-here") is None
