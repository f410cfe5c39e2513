"""What is the local driver's own; what every driver promises is in tests/contract."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from webterm.drivers.environment import login_command
from webterm.drivers.local import LocalDriver
from webterm.errors import LaunchFailed, ShuttingDown, TooBig, Unavailable
from webterm.keeper.client import shut_down
from webterm.session import Exit, Launch, Session, Size

pytestmark = pytest.mark.both_loops
SIZE = Size(80, 24)


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Callable[..., LocalDriver]]:
    """Makes drivers over the same directory, as servers that follow each other."""
    made: list[LocalDriver] = []

    def new(shell: str | None = None) -> LocalDriver:
        made.append(LocalDriver(tmp_path / "data", shell=shell, close_grace=0.5, patience=1))
        return made[-1]

    yield new
    for driver in made:
        await driver.aclose()
    await shut_down(tmp_path / "data", 0)


@pytest.fixture
def driver(make: Callable[..., LocalDriver]) -> LocalDriver:
    return make()


async def rest(session: Session) -> bytes:
    output = b""
    while data := await session.read():
        output += data
    return output


async def until(session: Session, end: bytes) -> bytes:
    output = b""
    while end not in output:
        data = await session.read()
        assert data, f"ended after {output!r}"
        output += data
    return output


async def output_of(driver: LocalDriver, *argv: str, launch: Launch | None = None) -> bytes:
    session = await driver.open(launch or Launch(argv=argv), SIZE)
    output = await rest(session)
    await session.aclose()
    return output


async def test_the_environment_is_clean(driver: LocalDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBTERM_SERVER__SECRET", "hush")
    monkeypatch.setenv("LC_TIME", "C")
    session = await driver.open(
        Launch(argv=("env",), env={"EXTRA": "yes", "TERM": "dumb", "WEBTERM_TERMINAL": "x"}), SIZE
    )
    found = dict(line.split("=", 1) for line in (await rest(session)).decode().splitlines())
    assert found.pop("WEBTERM_TERMINAL") == session.token
    assert found.pop("EXTRA") == "yes"
    assert found.pop("TERM") == "dumb"
    assert found.pop("COLORTERM") == "truecolor"
    assert found.pop("TERM_PROGRAM") == "webterm"
    assert found.pop("LC_TIME") == "C"
    assert found.pop("USER") == found.pop("LOGNAME") == pwd.getpwuid(os.geteuid()).pw_name
    assert {"HOME", "PATH", "SHELL"} <= set(found)
    assert set(found) <= {"HOME", "PATH", "SHELL", "LANG", "TZ", *(name for name in found if name.startswith("LC_"))}


async def test_the_size_is_there_before_the_program(driver: LocalDriver) -> None:
    session = await driver.open(Launch(argv=("stty", "size")), Size(132, 43))
    assert await rest(session) == b"43 132\r\n"


async def test_descriptors_of_the_server_are_not_inherited(driver: LocalDriver) -> None:
    memory = os.memfd_create("test", 0)
    listing = await output_of(driver, launch=Launch(argv=("ls", "/proc/self/fd"), memory=memory))
    os.close(memory)
    assert listing.split() == [b"0", b"1", b"2", b"3"]


async def test_no_command_means_the_login_shell(
    make: Callable[..., LocalDriver], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # without the start-up files of whoever runs the tests
    driver = make(shell="/bin/bash")
    session = await driver.open(Launch(cwd="/usr"), SIZE)
    await session.write(b"shopt login_shell; pwd; exit 3\r")
    output = await rest(session)
    assert b"login_shell    \ton" in output
    assert b"\n/usr\r\n" in output
    assert await session.wait() == Exit(status=3)


@pytest.mark.parametrize(
    ("shell", "command"),
    [("/bin/bash", ("/bin/bash", "-l")), ("/opt/zsh", ("/opt/zsh", "-l")), ("/opt/xonsh", ("/opt/xonsh",))],
)
def test_only_shells_that_know_it_get_the_login_flag(shell: str, command: tuple[str, ...]) -> None:
    assert login_command(shell) == command


async def test_it_starts_at_home(driver: LocalDriver) -> None:
    assert await output_of(driver, "pwd") == f"{Path.home()}\r\n".encode()


@pytest.mark.parametrize(
    ("launch", "named"),
    [
        (Launch(argv=("no-such-command",)), "no-such-command"),
        (Launch(argv=("sh",), cwd="/no/such/place"), "/no/such/place"),
        (Launch(argv=("/etc/passwd",)), "/etc/passwd"),
        (Launch(argv=("sh", "-c", "x" * 300_000)), "KiB"),
        (Launch(argv=("sh",), record=b"x" * 40_000), "KiB"),
        (Launch(argv=("sh", "\ud800")), "surrogate"),
        (Launch(argv=("sh", "\0")), "null"),
        (Launch(argv=("sh",), env={"A=B": ""}), "environment"),
    ],
)
async def test_what_cannot_start_says_why(driver: LocalDriver, launch: Launch, named: str) -> None:
    with pytest.raises(LaunchFailed, match=named):
        await driver.open(launch, SIZE)
    assert await driver.kept() == []


async def test_a_shell_knows_when_it_is_at_its_prompt(driver: LocalDriver) -> None:
    session = await driver.open(Launch(argv=("sh", "-c", "set -m; echo go; cat; echo back; read line")), SIZE)
    await until(session, b"go")
    while session.at_prompt():
        pass  # until cat is in the foreground
    await session.write(b"\x04")
    await until(session, b"back")
    assert session.at_prompt() is True
    await session.signal("KILL")
    await session.wait()
    assert session.at_prompt() is None


async def test_programs_outlive_the_driver(make: Callable[..., LocalDriver]) -> None:
    first = make()
    memory = os.memfd_create("test")
    os.write(memory, b"scrollback")
    launch = Launch(argv=("sh", "-c", "read line; echo got $line; exit 3"), record=b"\xffme", memory=memory)
    session = await first.open(launch, SIZE)
    os.close(memory)
    assert session.memory is not None
    assert os.pread(session.memory, 20, 0) == b"scrollback"
    assert await first.kept() == []
    waiting = asyncio.create_task(session.wait())
    await asyncio.sleep(0)
    await first.aclose()
    with pytest.raises(ShuttingDown):
        await waiting
    with pytest.raises(ShuttingDown):
        await first.open(launch, SIZE)

    second = make()
    assert await second.kept() == [session.token]
    assert session.token is not None
    again = await second.resume(session.token)
    assert again is not None
    assert (again.pid, again.token, again.record) == (session.pid, session.token, b"\xffme")
    assert again.memory is not None
    assert os.pread(again.memory, 20, 0) == b"scrollback"
    assert await second.kept() == []
    assert await second.resume(session.token) is None
    await again.write(b"it\r")
    assert b"got it" in await rest(again)
    assert await again.wait() == Exit(status=3)
    await again.aclose()
    assert await second.kept() == []


async def test_one_that_ended_unseen_comes_back_with_its_last_words(make: Callable[..., LocalDriver]) -> None:
    first = make()
    session = await first.open(Launch(argv=("sh", "-c", "echo $$; read line; echo bye; kill -TERM $$")), SIZE)
    pid = int(await until(session, b"\n"))
    ended = os.pidfd_open(pid)
    await session.write(b"\r")
    await first.aclose()
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(ended, gone.set)
    await gone.wait()
    asyncio.get_running_loop().remove_reader(ended)
    os.close(ended)

    second = make()
    assert session.token in await second.kept()
    again = await second.resume(session.token or "")
    assert again is not None
    assert b"bye\r\n" in await rest(again)
    assert await again.wait() == Exit(signal="TERM")
    await again.aclose()


async def test_closing_ends_what_escaped_the_session(driver: LocalDriver) -> None:
    script = "(setsid sh -c 'trap \"\" HUP; echo $$; while :; do sleep 1000; done' &); exec cat"
    session = await driver.open(Launch(argv=("sh", "-c", script)), SIZE)
    escaped = int(await until(session, b"\n"))
    os.kill(escaped, 0)
    await session.aclose()
    with contextlib.suppress(ProcessLookupError):
        while True:  # it is ended; its parent, the keeper, reaps it at once
            os.kill(escaped, 0)


async def test_a_dead_keeper_ends_sessions_and_the_next_open_starts_another(driver: LocalDriver) -> None:
    session = await driver.open(Launch(argv=("sh", "-c", "echo $PPID; exec cat")), SIZE)
    keeper = int(await until(session, b"\n"))
    staging = driver.staging
    waiting = asyncio.create_task(session.wait())
    os.kill(keeper, signal.SIGKILL)
    assert await waiting == Exit()
    await session.signal("INT")
    await session.keep(b"")
    await session.aclose()
    other = await driver.open(Launch(argv=("sh", "-c", "echo $PPID; exec cat")), SIZE)
    assert int(await until(other, b"\n")) != keeper
    assert driver.staging != staging
    assert staging is not None
    os.fstat(staging.page)  # somebody may still use the old one


async def test_cancelling_an_open_leaves_no_program(driver: LocalDriver) -> None:
    await driver.kept()
    for turns in range(12):
        opening = asyncio.create_task(driver.open(Launch(argv=("sleep", "1000")), SIZE))
        for _ in range(turns):
            await asyncio.sleep(0)
        if opening.done():
            await opening.result().aclose()
        opening.cancel()
        await asyncio.wait([opening])
    while await driver.kept():
        pass


async def test_one_server_at_a_time(make: Callable[..., LocalDriver]) -> None:
    first, second = make(), make()
    await first.kept()
    with pytest.raises(Unavailable, match="another server"):
        await second.open(Launch(), SIZE)
    await first.aclose()
    assert await second.kept() == []


async def test_a_record_has_a_limit(driver: LocalDriver) -> None:
    session = await driver.open(Launch(argv=("cat",)), SIZE)
    await session.keep(b"x" * 32_768)
    with pytest.raises(TooBig):
        await session.keep(b"x" * 32_769)
    assert len(session.record) == 32_768


async def test_nothing_is_left_open(driver: LocalDriver) -> None:
    await driver.kept()
    before = {entry.name for entry in Path("/proc/self/fd").iterdir()}  # noqa: ASYNC240 - procfs does not wait
    memory = os.memfd_create("test")
    for _ in range(5):
        session = await driver.open(Launch(argv=("cat",), memory=memory), SIZE)
        await session.aclose()
        with pytest.raises(LaunchFailed):
            await driver.open(Launch(argv=("no-such-command",), memory=memory), SIZE)
    os.close(memory)
    assert {entry.name for entry in Path("/proc/self/fd").iterdir()} == before  # noqa: ASYNC240 - as above
