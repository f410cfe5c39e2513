"""What is seen of the programs of this machine's runtimes: theirs and nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.drivers.sandboxes import ACCOUNT, SIZE, driver_in, running, runtime_in, until
from webterm.drivers.local import LocalDriver
from webterm.errors import NoSuchPort
from webterm.ids import new_workspace_id
from webterm.runtime import Runtime, RuntimeLimits, RuntimeStats
from webterm.session import Launch

SERVER = """
import socket, sys
host, port, word = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode()
server = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
print("at", server.getsockname()[1], "up", flush=True)
while True:
    line, _ = server.accept()
    line.sendall(word + line.recv(99))
    line.close()
"""


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[LocalDriver]:
    async with driver_in(tmp_path / "data") as driver:
        yield driver


@pytest.fixture
def other() -> Iterator[int]:
    """A port of this machine that is no workspace's: that of the server, say."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


def runtimes(tmp_path: Path, **options: object) -> tuple[Runtime, Runtime]:
    """Of two people."""
    accounts = (ACCOUNT, None if ACCOUNT is None else ACCOUNT + 1)
    ann, bob = (runtime_in(tmp_path / "workspaces", account=account, **options) for account in accounts)  # type: ignore[arg-type]
    return ann, bob


@asynccontextmanager
async def serving(
    driver: LocalDriver, runtime: Runtime, word: str, port: int = 0, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """A server in a workspace; gives its port."""
    argv = (sys.executable, "-I", "-c", SERVER, host, str(port), word)
    session = await driver.open(Launch(argv=argv, runtime=runtime), SIZE)
    try:
        yield int((await until(session, b"up")).split()[-2])
    finally:
        await session.aclose()


async def asked(driver: LocalDriver, runtime: Runtime, port: int) -> bytes:
    """What a server answers, through the driver."""
    sock = await driver.dial(runtime.workspace, port)
    with sock:
        assert not sock.getblocking()
        assert not sock.get_inheritable()
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, b"!")
        return await loop.sock_recv(sock, 99)


async def refused(driver: LocalDriver, runtime: Runtime, port: int) -> None:
    with pytest.raises(NoSuchPort):
        await driver.dial(runtime.workspace, port)


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough


async def test_the_same_port_is_another_in_each_sandbox(driver: LocalDriver, tmp_path: Path, other: int) -> None:
    ann, bob = runtimes(tmp_path)
    async with (
        serving(driver, ann, "ann", 8000),
        serving(driver, bob, "bob", 8000, "0.0.0.0"),
        serving(driver, bob, "six", 8001, "::1"),
    ):
        assert await driver.ports(ann.workspace) == {8000}
        assert await driver.ports(bob.workspace) == {8000, 8001}
        assert await asked(driver, ann, 8000) == b"ann!"
        assert await asked(driver, bob, 8000) == b"bob!"
        assert await asked(driver, bob, 8001) == b"six!"
        for port in (8001, other, 1):
            await refused(driver, ann, port)
    assert await driver.ports(ann.workspace) == frozenset()
    await refused(driver, ann, 8000)


@pytest.mark.parametrize("confined", [True, False])
async def test_on_the_machines_network_a_port_is_whose_program_listens(
    driver: LocalDriver, tmp_path: Path, other: int, *, confined: bool
) -> None:
    ann, bob = runtimes(tmp_path, network=True, confined=confined)
    async with serving(driver, ann, "ann") as of_ann, serving(driver, bob, "bob", 0, "::") as of_bob:
        assert await driver.ports(ann.workspace) == {of_ann}
        assert await driver.ports(bob.workspace) == {of_bob}
        assert await asked(driver, ann, of_ann) == b"ann!"
        assert await asked(driver, bob, of_bob) == b"bob!"
        for port in (of_bob, other):
            await refused(driver, ann, port)
        for port in (of_ann, other):
            await refused(driver, bob, port)
    assert await driver.ports(new_workspace_id()) == frozenset()


async def test_a_port_that_another_shares_is_nobodys(driver: LocalDriver, tmp_path: Path) -> None:
    ann, _ = runtimes(tmp_path, network=True, confined=False)
    shared = SERVER.replace("family=", "reuse_port=True, family=")
    session = await driver.open(
        Launch(argv=(sys.executable, "-I", "-c", shared, "127.0.0.1", "0", "ann"), runtime=ann), SIZE
    )
    port = int((await until(session, b"up")).split()[-2])
    assert await driver.ports(ann.workspace) == {port}
    with socket.create_server(("127.0.0.1", port), reuse_port=True):
        assert await driver.ports(ann.workspace) == frozenset()
        await refused(driver, ann, port)
    assert await asked(driver, ann, port) == b"ann!"
    await session.aclose()


async def test_nobody_takes_a_place_by_calling_themselves_so(driver: LocalDriver, tmp_path: Path) -> None:
    """A confined program that shares the network knows the other's workspace, and even the secret of its terminal."""
    ann, bob = runtimes(tmp_path, network=True)
    ann = Runtime(workspace=ann.workspace, files=ann.files, confined=False)
    session = await driver.open(Launch(argv=("sh", "-c", "echo up; exec cat"), runtime=ann), SIZE)
    await until(session, b"up")
    env = f"WEBTERM_TERMINAL={session.token}"
    argv = ("env", env, sys.executable, "-I", "-c", SERVER, "127.0.0.1", "0", "bob")
    liar = await driver.open(Launch(argv=argv, runtime=bob), SIZE)
    port = int((await until(liar, b"up")).split()[-2])
    assert await driver.ports(bob.workspace) == {port}
    assert await driver.ports(ann.workspace) == frozenset()
    await refused(driver, ann, port)
    assert [process.command for process in await driver.processes(ann.workspace)] == ["cat"]
    await session.aclose()
    await liar.aclose()


@pytest.mark.parametrize("confined", [True, False])
async def test_what_runs_is_told(driver: LocalDriver, tmp_path: Path, *, confined: bool) -> None:
    limits = RuntimeLimits(processes=100, memory=512 * 1024**2, cpu=1)
    ann = runtime_in(tmp_path / "workspaces", confined=confined, limits=limits)
    assert await driver.stats(ann.workspace) == RuntimeStats()
    assert await driver.processes(ann.workspace) == ()
    assert await driver.is_idle(ann.workspace)
    shell = await driver.open(Launch(argv=("bash", "--norc", "-i"), env={"PS1": "@"}, runtime=ann), SIZE)
    await until(shell, b"@")
    async with asyncio.timeout(60):
        while not await driver.is_idle(ann.workspace):  # noqa: ASYNC110 - it is about to wait
            await asyncio.sleep(0)
    hog = "x = bytearray(64 * 1024**2)\nprint('u' + 'p')\nwhile True: pass"
    (ann.files / "hog.py").write_text(hog)
    (ann.files / "hog.py").chmod(0o644)
    command = f"{sys.executable} -I hog.py 'two  words'"
    await shell.write(f"{command}\r".encode())
    await until(shell, b"up")
    assert not await driver.is_idle(ann.workspace)
    stats = await driver.stats(ann.workspace)
    assert stats.cpu is not None
    assert stats.cpu > 0.02  # whatever others leave of the processors
    assert stats.memory is not None
    assert 64 * 1024**2 <= stats.memory < 400 * 1024**2
    assert stats.processes is not None
    assert stats.processes >= 2
    assert (stats.received, stats.sent) == ((0, 0) if confined else (None, None))
    if confined:
        assert (stats.cpu_limit, stats.memory_limit, stats.processes_limit) == (1, 512 * 1024**2, 100)
    bash, python = await driver.processes(ann.workspace)
    assert (bash.command, python.parent) == ("bash --norc -i", bash.pid)
    assert python.command.endswith("-I hog.py two  words")
    assert bash.user == ("user" if confined else python.user)
    assert python.memory is not None
    assert python.memory > 64 * 1024**2
    assert python.started is not None
    assert bash.started is not None
    assert python.started >= bash.started > 1.7e9
    await shell.write(b"\x03")
    await until(shell, b"@")
    await shell.write(b"sleep 1000 &\r")
    await until(shell, b"@")
    assert not await driver.is_idle(ann.workspace)
    await shell.aclose()


async def test_a_sandbox_is_found_again_by_another_server(tmp_path: Path) -> None:
    ann, _ = runtimes(tmp_path)
    directory = tmp_path / "data"
    async with driver_in(directory) as first:
        session = await first.open(
            Launch(argv=("sh", "-c", f"exec {sys.executable} -I -c '{SERVER}' ::1 8000 ann"), runtime=ann), SIZE
        )
        await until(session, b"up")
        await first.aclose()
        async with driver_in(directory) as second:
            assert await second.ports(ann.workspace) == {8000}
            assert await asked(second, ann, 8000) == b"ann!"
            assert len(await second.processes(ann.workspace)) == 1
            assert (await second.stats(ann.workspace)).processes == 1
            await second.stop(ann.workspace)
            assert await second.ports(ann.workspace) == frozenset()


async def test_an_end_that_nobody_asked_for_is_told(driver: LocalDriver, tmp_path: Path) -> None:
    ann, bob = runtimes(tmp_path)
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    driver.on_runtime_ended = lambda workspace, reason: told.put_nowait((workspace, reason))
    for runtime in (ann, bob):
        await driver.start(runtime, lambda _line: None)
    await driver.stop(ann.workspace)
    for pid in running(f"{bob.workspace}/files"):
        os.kill(pid, signal.SIGKILL)
    assert await asyncio.wait_for(told.get(), 60) == (bob.workspace, "its sandbox has ended")
    assert told.empty()
    assert not await driver.is_up(bob.workspace)


async def test_dialling_leaves_nothing(driver: LocalDriver, tmp_path: Path) -> None:
    ann, _ = runtimes(tmp_path)
    async with serving(driver, ann, "ann", 8000):
        await asked(driver, ann, 8000)
        before = descriptors()
        for _ in range(20):
            await asked(driver, ann, 8000)
            dialling = asyncio.create_task(driver.dial(ann.workspace, 8000))
            await asyncio.sleep(0)
            dialling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                (await dialling).close()
        assert descriptors() == before
