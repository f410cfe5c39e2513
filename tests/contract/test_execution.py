"""What every driver promises of commands without a terminal (webterm/execution.py), asked of each of them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.contained import CONTAINED_PYTHON, Contained
from webterm.drivers.echo import EchoDriver
from webterm.drivers.local import LocalDriver
from webterm.errors import InvalidRequest, TerminalExited
from webterm.execution import Execution, Stream
from webterm.keeper.client import shut_down
from webterm.runtime import Runtime
from webterm.session import Driver, Exit, Launch

pytestmark = pytest.mark.both_loops
TELLER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("teller.py")))


class Subject:
    """A driver, and how to have it run a command that says its arguments and then gives back its input."""

    def __init__(self, driver: Driver, runtime: Runtime | None = None, teller: tuple[str, ...] = TELLER) -> None:
        self.driver = driver
        self.runtime = runtime
        self.teller = teller

    async def execute(self, *words: str) -> Execution:
        """A command that has said ``words`` and waits for its input."""
        echo = self.driver.name == "echo"
        argv = words if echo else (*self.teller, *words)
        execution = await self.driver.execute(Launch(argv=argv, runtime=self.runtime))
        said = b"".join(word.encode() + b"\n" for word in words if word)
        if not echo:
            said = self.teller[-1].encode() + b"\n" + said
        got = b""
        while got != said:
            found = await execution.read()
            assert found is not None, got
            assert found[0] is Stream.STDERR
            got += found[1]
        return execution


@pytest.fixture(params=["local", "echo", "docker"])
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    directory = tmp_path / "data"
    if request.param == "docker":
        place: Contained = request.getfixturevalue("contained")
        async with place.driver() as docker:
            yield Subject(docker, place.runtime, (*CONTAINED_PYTHON, "teller.py"))
        return
    driver = EchoDriver() if request.param == "echo" else LocalDriver(directory, patience=1)
    yield Subject(driver)
    await driver.aclose()
    await shut_down(directory, 0)


@pytest.fixture
async def execution(subject: Subject) -> AsyncIterator[Execution]:
    execution = await subject.execute("hello")
    yield execution
    await execution.aclose()


async def rest(execution: Execution) -> bytes:
    """What stdout says until the end; stderr says nothing more."""
    output = b""
    while (found := await execution.read()) is not None:
        assert found[0] is Stream.STDOUT
        assert 0 < len(found[1]) <= 65536
        output += found[1]
    return output


async def test_its_input_comes_back_and_it_ends_with_its_status(execution: Execution) -> None:
    await execution.write(b"one\n")
    await execution.write(b"\xff\x00\x1b\r\x04\x03")
    await execution.end_input()
    assert await rest(execution) == b"one\n\xff\x00\x1b\r\x04\x03"
    assert await execution.wait() == Exit(status=0)
    assert await execution.read() is None
    assert await execution.wait() == Exit(status=0)


async def test_both_streams_are_told_apart(subject: Subject) -> None:
    execution = await subject.execute("one", "two words", "ü")
    await execution.write(b"out")
    await execution.end_input()
    assert await rest(execution) == b"out"
    await execution.aclose()


@pytest.mark.parametrize("name", ["INT", "TERM", "KILL", "HUP", "QUIT"])
async def test_a_signal_ends_it(execution: Execution, name: str) -> None:
    await execution.signal(name)
    assert await execution.wait() == Exit(signal=name)
    assert await rest(execution) == b""


@pytest.mark.parametrize("name", ["", "SEGV", "SIGTERM", "15"])
async def test_other_signals_are_refused(execution: Execution, name: str) -> None:
    with pytest.raises(InvalidRequest):
        await execution.signal(name)


async def test_ending_the_input_twice_is_harmless(execution: Execution) -> None:
    await execution.end_input()
    await execution.end_input()
    await execution.write(b"dropped")
    assert await rest(execution) == b""


async def test_after_its_end_everything_is_ignored(execution: Execution) -> None:
    await execution.signal("KILL")
    await execution.wait()
    await execution.write(b"x" * 1_000_000)
    await execution.end_input()
    await execution.signal("INT")
    assert await rest(execution) == b""


async def test_closing_kills_it_and_twice_is_harmless(execution: Execution) -> None:
    await execution.aclose()
    await execution.aclose()
    assert await execution.wait() == Exit(signal="KILL")


async def test_after_closing_only_wait_answers(execution: Execution) -> None:
    await execution.aclose()
    for call in (execution.read(), execution.write(b"x"), execution.signal("INT"), execution.end_input()):
        with pytest.raises(TerminalExited):
            await call


async def test_closing_wakes_whoever_waits(execution: Execution) -> None:
    reading = asyncio.create_task(execution.read())
    waiting = asyncio.create_task(execution.wait())
    await asyncio.sleep(0)
    await execution.aclose()
    (read,) = await asyncio.gather(reading, return_exceptions=True)
    assert read is None or isinstance(read, TerminalExited)  # it may have ended a moment before it was closed
    assert await waiting == Exit(signal="KILL")


async def test_two_may_close_at_once(execution: Execution) -> None:
    await asyncio.gather(execution.aclose(), execution.aclose())


async def test_cancelling_the_close_leaves_the_ending_under_way(execution: Execution) -> None:
    closing = asyncio.create_task(execution.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    assert await execution.wait() == Exit(signal="KILL")


async def test_cancelling_wait_is_free(execution: Execution) -> None:
    waiting = asyncio.create_task(execution.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await execution.signal("TERM")
    assert await execution.wait() == Exit(signal="TERM")


async def test_cancelling_reads_loses_nothing(execution: Execution) -> None:
    sent = b"".join(b"%d\n" % number for number in range(200))
    got = b""

    async def read() -> None:
        nonlocal got
        found = await execution.read()
        assert found is not None
        got += found[1]

    writing = asyncio.create_task(execution.write(sent))
    turn = 0
    while len(got) < len(sent):
        turn += 1
        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        if turn % 3:
            reading.cancel()
        await asyncio.wait([reading])
    await writing
    assert got == sent


async def test_what_is_not_read_holds_it_up(execution: Execution) -> None:
    sent = b"0123456789abcdef" * 524_288  # a container engine takes more than two million bytes by itself
    writing = asyncio.create_task(execution.write(sent))
    done, _ = await asyncio.wait([writing], timeout=0.3)
    assert not done
    got = 0
    while got < len(sent):
        found = await execution.read()
        assert found is not None
        got += len(found[1])
    await writing
    await execution.end_input()
    assert await rest(execution) == b""


async def test_writing_is_given_up_when_it_ends(execution: Execution) -> None:
    writing = asyncio.create_task(execution.write(b"line\n" * 500_000))
    await asyncio.sleep(0)
    await execution.signal("KILL")
    await writing
    assert await execution.wait() == Exit(signal="KILL")


async def test_writes_do_not_mix(execution: Execution) -> None:
    lines = [bytes([letter]) * 100_000 + b"\n" for letter in b"abcdefgh"]
    writing = [asyncio.create_task(execution.write(line)) for line in lines]
    output = b""
    while output.count(b"\n") < len(lines):
        found = await execution.read()
        assert found is not None
        output += found[1]
    await asyncio.gather(*writing)
    assert output == b"".join(lines)


async def test_many_at_once_do_not_mix(subject: Subject) -> None:
    executions = await asyncio.gather(*(subject.execute(f"number {number}") for number in range(10)))
    for number, execution in enumerate(executions):
        await execution.write(b"%d" % number)
        await execution.end_input()
    assert [await rest(execution) for execution in executions] == [b"%d" % number for number in range(10)]
    await asyncio.gather(*(execution.aclose() for execution in executions))


async def test_closing_the_driver_ends_them(subject: Subject) -> None:
    execution = await subject.execute("one")
    await subject.driver.aclose()
    await subject.driver.aclose()
    assert await execution.wait() == Exit(signal="KILL")
    await execution.aclose()
