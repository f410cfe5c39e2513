"""What interrupts and background jobs do to line shells, with bash and with sh."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.work.lines import Subject, driving, shell_in
from webterm.drivers.local import LocalDriver
from webterm.errors import InvalidRequest
from webterm.session import Exit
from webterm.work.line_shell import State

pytestmark = pytest.mark.asyncio(loop_scope="module")
PYTHON = f"{sys.executable} -I -S"
ESCAPE = b"\x1b"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def driver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalDriver]:
    """The same one for all: what is tested is in the shells."""
    async with driving(tmp_path_factory.mktemp("driver") / "data") as driver:
        yield driver


@pytest_asyncio.fixture(loop_scope="module", params=["bash", "sh"])
async def subject(request: pytest.FixtureRequest, driver: LocalDriver, tmp_path: Path) -> AsyncIterator[Subject]:
    async with shell_in(driver, tmp_path / "home", plain=request.param == "sh") as subject:
        yield subject


@pytest.mark.parametrize(
    "command",
    [
        "sh -c 'echo begun; exec sleep 1000'",
        "echo begun; while :; do :; done",
        "for i in 1 2 3; do sh -c 'echo begun; exec sleep 1000'; done",
        "sh -c 'echo begun; sleep 1000; echo no'; echo no",
        "f() { sh -c 'echo begun; exec sleep 1000'; echo no; }; f; echo no",
        "sh -c 'echo begun; exec cat'",
        "sh -c 'echo begun; exec sleep 1000' | cat; echo no",
    ],
)
async def test_an_interrupt_ends_the_command_and_nothing_else(subject: Subject, command: str) -> None:
    await subject.say("kept=yes")
    await subject.shell.send(command.encode())
    await subject.interrupt_when(b"begun\n")
    text, done = await subject.rest()
    assert (text, done.status) == (b"", 130)
    assert await subject.run("echo $? $kept") == (b"130 yes\n", 0)


async def test_a_program_may_take_the_interrupt(subject: Subject) -> None:
    program = subject.home / "taking.py"
    program.write_text(
        "import os, signal\nsignal.signal(signal.SIGINT, lambda *_: os.write(1, b'caught\\n'))\n"
        "os.write(1, b'begun\\n')\nos.write(1, b'got ' + os.read(0, 99))\n"
    )
    await subject.shell.send(f"{PYTHON} taking.py".encode())
    await subject.interrupt_when(b"begun\n")
    await subject.until(b"caught\n")
    await subject.shell.send(b"one")
    text, done = await subject.rest()
    assert (text.replace(b"caught\n", b""), done.status) == (b"got one\n", 0)


async def test_an_interrupt_right_after_the_line_reaches_its_command(subject: Subject) -> None:
    for _ in range(5):
        await subject.shell.send(b"sleep 1000")
        await subject.shell.signal("INT")
        assert (await subject.rest())[1].status == 130
    assert await subject.run("echo fine") == (b"fine\n", 0)


async def test_an_interrupt_between_commands_does_nothing(subject: Subject) -> None:
    for _ in range(5):
        await subject.shell.signal("INT")
        assert await subject.run("echo fine") == (b"fine\n", 0)


async def test_other_signals(subject: Subject) -> None:
    await subject.shell.send(b"sh -c 'echo begun; exec sleep 1000'")
    await subject.until(b"begun\n")
    await subject.shell.signal("KILL")
    assert (await subject.rest())[1].status == 137
    with pytest.raises(InvalidRequest):
        await subject.shell.signal("SEGV")
    await subject.shell.signal("KILL")
    assert await subject.end() == (b"", Exit(signal="KILL"))


async def test_background_jobs_do_not_disturb(subject: Subject) -> None:
    assert await subject.run("sleep 1000 & job=$!") == (b"", 0)
    assert await subject.run("(sleep 0.1; touch made) & wait $!; echo waited") == (b"waited\n", 0)
    assert await subject.run("true & false") == (b"", 1)
    await subject.shell.send(b"sh -c 'echo begun; exec sleep 1000'")
    await subject.interrupt_when(b"begun\n")
    assert (await subject.rest())[1].status == 130
    assert await subject.say("kill -0 $job && echo alive") == "alive\n"
    assert await subject.say("kill $job; wait $job 2>/dev/null; echo $?") == "143\n"
    assert await subject.run("echo fine") == (b"fine\n", 0)


async def test_a_background_job_speaks_when_it_likes(subject: Subject) -> None:
    assert await subject.run("(sleep 0.2; echo late) &") == (b"", 0)
    assert await subject.until(b"\n") == b"late\n"
    assert subject.shell.state is State.IDLE
    assert await subject.run("echo fine") == (b"fine\n", 0)
