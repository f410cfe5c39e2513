"""Programs in containers: how they begin, what reaches them, and that they end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.contract.contained import Contained
from tests.engine import RealEngine
from tests.work.lines import Subject
from webterm.drivers.docker.driver import DockerDriver
from webterm.drivers.docker.program import MARK, new_token
from webterm.errors import LaunchFailed
from webterm.execution import Execution, Stream
from webterm.session import Exit, Launch, Session, Size
from webterm.work.line_shell import LineShell

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]
SIZE = Size(91, 31)


@pytest.fixture
async def driver(contained: Contained) -> AsyncIterator[DockerDriver]:
    async with contained.driver() as driver:
        yield driver


async def opened(driver: DockerDriver, contained: Contained, *argv: str, **fields: object) -> Session:
    launch = Launch(argv=argv, runtime=contained.runtime, **fields)  # type: ignore[arg-type]
    return await driver.open(launch, SIZE)


async def until(session: Session, end: bytes) -> bytes:
    output = b""
    while end not in output:
        data = await session.read()
        assert data, output
        output += data
    return output


async def said(driver: DockerDriver, contained: Contained, script: str) -> str:
    """What a script prints in the container."""
    execution = await driver.execute(Launch(argv=("sh", "-c", script), runtime=contained.runtime))
    output = b""
    while (piece := await execution.read()) is not None:
        assert piece[0] is Stream.STDOUT, piece
        output += piece[1]
    await execution.aclose()
    return output.decode()


async def processes(driver: DockerDriver, contained: Contained) -> list[str]:
    """The commands of all processes but of what looks."""
    script = 'for each in /proc/[0-9]*; do [ $each = /proc/$$ ] || tr "\\0" " " <$each/cmdline && echo; done'
    listed = await said(driver, contained, f"{{ {script}; }} 2>/dev/null")
    return [line.strip() for line in listed.splitlines() if line.strip()]


async def test_a_login_shell_with_its_size(driver: DockerDriver, contained: Contained) -> None:
    session = await opened(driver, contained)
    await session.write(b"echo $0 $HOME $(stty size) $((6*7)); exit 3\r")
    output = await until(session, b"42\r\n")
    assert b"bash /workspace 31 91 42" in output.replace(b"-bash", b"bash")
    assert await session.wait() == Exit(status=3)
    await session.aclose()


@pytest.mark.parametrize(
    ("argv", "cwd", "words"),
    [
        (("nothere", "x"), None, "no program 'nothere'"),
        (("true",), "no/such/place", "no such file or directory"),
    ],
)
async def test_what_cannot_start_says_why(
    driver: DockerDriver, contained: Contained, argv: tuple[str, ...], cwd: str | None, words: str
) -> None:
    launch = Launch(argv=argv, runtime=contained.runtime, cwd=cwd)
    with pytest.raises(LaunchFailed, match=words):
        await driver.open(launch, SIZE)
    with pytest.raises(LaunchFailed, match=words):
        await driver.execute(launch)


async def test_a_program_without_a_workspace(driver: DockerDriver) -> None:
    with pytest.raises(LaunchFailed, match="workspaces only"):
        await driver.open(Launch(argv=("true",)), SIZE)


async def test_every_key_arrives(driver: DockerDriver, contained: Contained) -> None:
    """Also those by which the engine's own client would let go of the terminal, and any number of NULs."""
    keys = b"\x10\x11" + b"\0" * 40 + b"\x10\x10\x11\x1e\x1e\0end"
    script = (
        "import os, tty; tty.setraw(0); print('raw', flush=True); n = 0\n"
        f"while n < {len(keys)}: data = os.read(0, 99); n += len(data); os.write(1, data)"
    )
    session = await opened(driver, contained, "python3", "-c", script)
    await until(session, b"raw")
    for key in keys:
        await session.write(bytes([key]))
    output = b""
    while len(output.lstrip(b"\r\n")) < len(keys):
        output += await session.read()
    assert output.lstrip(b"\r\n") == keys
    assert await session.wait() == Exit(status=0)
    await session.aclose()


async def test_closing_ends_all_that_came_of_it_and_nothing_else(driver: DockerDriver, contained: Contained) -> None:
    script = """
    trap '' HUP; setsid sleep 1001 & env -i sleep 1002 & env -i setsid sleep 1003 & (sleep 1004 & sleep 1005) &
    echo ready; read x
    """
    other = await opened(driver, contained, "sh", "-c", "sleep 1006 & echo ready; read x; echo still here")
    ending = await opened(driver, contained, "sh", "-c", script)
    for session in (other, ending):
        await until(session, b"ready")
    await ending.aclose()
    assert await ending.wait() == Exit(signal="KILL")
    left = await processes(driver, contained)
    assert [line for line in left if line.startswith("sleep 10")] == ["sleep 1006"]
    await other.write(b"\r")
    await until(other, b"still here")
    await other.aclose()
    assert not [line for line in await processes(driver, contained) if line.startswith("sleep 10")]


async def test_a_container_that_is_full_of_processes_can_be_emptied(driver: DockerDriver, contained: Contained) -> None:
    assert contained.runtime.limits.processes
    script = "import os\nprint('ready', flush=True)\nwhile True:\n try: os.fork()\n except OSError: pass"
    bomb = await opened(driver, contained, "python3", "-c", script)
    await until(bomb, b"ready")
    await bomb.aclose()
    assert not [line for line in await processes(driver, contained) if "fork" in line]


async def unread(driver: DockerDriver, contained: Contained) -> Execution:
    """A command that has ended with more to say than anybody has read."""
    execution = await driver.execute(Launch(argv=("sh", "-c", "read x; seq 1 1000000"), runtime=contained.runtime))
    await execution.write(b"\n")
    await execution.read()
    await execution.signal("KILL")
    assert await execution.wait() == Exit(signal="KILL")
    return execution


async def test_what_nobody_reads_holds_nobody_up(driver: DockerDriver, contained: Contained) -> None:
    """The engine tells no end in a container while output of another program waits there to be read."""
    execution = await unread(driver, contained)
    session = await opened(driver, contained, "cat")
    await session.aclose()
    assert await session.wait() == Exit(signal="HUP")
    await execution.aclose()
    assert await said(driver, contained, "echo well") == "well\n"


async def test_a_container_stops_though_output_is_not_read(driver: DockerDriver, contained: Contained) -> None:
    execution = await unread(driver, contained)
    session = await opened(driver, contained, "sh", "-c", "seq 1 1000000; read x")
    await driver.stop(contained.runtime.workspace)
    assert not await driver.is_up(contained.runtime.workspace)
    output = b""
    while data := await session.read():
        output += data
    await session.wait()
    assert b"container was stopped" in session.last_words
    await asyncio.gather(session.aclose(), execution.aclose())


async def test_who_is_killed_alone_and_who_with_the_container(
    driver: DockerDriver, contained: Contained, engine: RealEngine
) -> None:
    alone = await opened(driver, contained, "sh", "-c", "kill -9 $$")
    assert (await alone.wait(), alone.last_words) == (Exit(signal="KILL"), b"")
    others = [await opened(driver, contained, "sleep", "1010") for _ in range(3)]
    (container,) = await driver._containers.all()
    await asyncio.to_thread(engine.call, "POST", f"/containers/{container.id}/kill")
    assert {await session.wait() for session in others} == {Exit()}
    assert all(b"container has ended" in session.last_words for session in others)
    await asyncio.gather(*(session.aclose() for session in (alone, *others)))


class Deaf:
    """The engine behind a socket of the test's own: so many questions about execs as ``hangs`` says are never answered.

    ``held`` has an item for each of them.
    """

    def __init__(self, engine: RealEngine) -> None:
        self.hangs = 0
        self.held: asyncio.Queue[None] = asyncio.Queue()
        self._engine = engine
        self._serving: set[asyncio.Task[object]] = set()

    @asynccontextmanager
    async def at(self, place: Path) -> AsyncIterator[str]:
        """Listens there; its host as the setting ``docker.host`` has it."""
        server = await asyncio.start_unix_server(self._serve, place)
        try:
            yield f"unix://{place}"
        finally:
            server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        inner, outer = await asyncio.open_unix_connection(self._engine.socket)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(self._pump(reader, outer), self._pump(inner, writer))
        for each in (writer, outer):
            each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self.hangs and re.match(rb"GET \S*/exec/\w+/json ", data):
                    self.hangs -= 1
                    self.held.put_nowait(None)
                else:
                    writer.write(data)
                    await writer.drain()
            writer.write_eof()


async def test_an_end_waits_for_no_answer_that_hangs(contained: Contained, engine: RealEngine, tmp_path: Path) -> None:
    deaf = Deaf(engine)
    async with deaf.at(tmp_path / "engine") as host, contained.driver(host=host) as driver:
        up = asyncio.Event()  # at which all programs are looked at
        driver._engine.subscribe(lambda news: up.set() if news.kind == "up" else None)
        await up.wait()
        script = ("sh", "-c", "read x; exit 5")
        session, closed = [await opened(driver, contained, *script) for _ in range(2)]
        execution = await driver.execute(Launch(argv=script, runtime=contained.runtime))
        deaf.hangs = 3
        for program in driver._programs():
            program.check(sure=False)
            await deaf.held.get()
        async with asyncio.timeout(8):  # the answers are given up after 10 s
            await asyncio.gather(session.write(b"\r"), execution.write(b"\n"))
            assert [await program.wait() for program in (session, execution)] == [Exit(status=5)] * 2
        async with asyncio.timeout(8):
            await closed.aclose()
        await asyncio.gather(session.aclose(), execution.aclose())


async def test_what_a_killed_server_left_is_ended_by_the_next(contained: Contained, engine: RealEngine) -> None:
    workspace = contained.runtime.workspace
    async with contained.driver() as driver:
        kept = await opened(driver, contained, "sh", "-c", "sleep 1007 & echo ready; read x", record=b"r")
        await until(kept, b"ready")
        (container,) = await driver._containers.all()
    assert kept.token is not None
    # Who is killed in the middle of something ends nothing, and the keeper does not know of it.
    script = f"{MARK}={new_token(workspace)} setsid sleep 1008 >/dev/null 2>&1 &"
    await asyncio.to_thread(engine.execute, container.id, "sh", "-c", script, user=container.user)
    async with contained.driver() as driver:
        while "sleep 1008" in (left := await processes(driver, contained)):
            pass
        assert "sleep 1007" in left
        assert kept.token in await driver.kept()
        session = await driver.resume(kept.token)
        assert session is not None
        assert session.record == b"r"
        await session.aclose()
        assert "sleep 1007" not in await processes(driver, contained)
        assert kept.token not in await driver.kept()


async def test_another_keeper_takes_over(driver: DockerDriver, contained: Contained) -> None:
    session = await opened(driver, contained, "cat")
    lost = asyncio.Event()
    driver._keeping.on_lost(lost.set)
    os.kill((await driver._keeping.client()).pid, signal.SIGKILL)
    await lost.wait()
    while session.token not in await driver._keeping.tokens():
        pass
    await session.write(b"on\r")
    await until(session, b"on\r\non\r\n")
    await session.aclose()
    assert await driver._keeping.tokens() == []


async def test_a_line_shell_in_a_container(driver: DockerDriver, contained: Contained) -> None:
    launch = Launch(runtime=contained.runtime)
    shell = await LineShell.open(driver, launch, plain=False, patience=90)
    subject = Subject(shell, contained.runtime.files)
    assert await subject.say("x=1; pwd") == "/workspace\n"
    assert await subject.run("echo $x; (exit 5)") == (b"1\n", 5)
    await shell.send(b"sleep 1000")
    await shell.signal("INT")
    _, done = await subject.rest()
    assert done.status == 130
    await shell.aclose()
