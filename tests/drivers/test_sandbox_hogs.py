"""Programs that take all they can harm their own sandbox; and nothing of a sandbox is left when it has ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.drivers.sandboxes import ACCOUNT, SIZE, driver_in, fresh_word, rest, run, running, runtime_in, until
from webterm.drivers import cgroups
from webterm.drivers.disk_guard import count
from webterm.drivers.local import LocalDriver
from webterm.execution import Stream
from webterm.runtime import Runtime, RuntimeLimits
from webterm.session import Exit, Launch, Session

pytestmark = [pytest.mark.alone, pytest.mark.blocking_allowed]  # the tests themselves look at files and processes
MIB = 1024**2
LIMITS = RuntimeLimits(processes=40, memory=256 * MIB, disk=64 * MIB, cpu=1)


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[LocalDriver]:
    async with driver_in(tmp_path / "data") as driver:
        yield driver


@pytest.fixture
def ann(tmp_path: Path) -> Runtime:
    return runtime_in(tmp_path, limits=LIMITS)


@pytest.fixture
def bob(tmp_path: Path) -> Runtime:
    return runtime_in(tmp_path, account=None if ACCOUNT is None else ACCOUNT + 1, limits=LIMITS)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk that holds few files."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=8000,mode=0755", "tmpfs", str(disk))
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("mounting takes root")
    try:
        yield disk
    finally:
        subprocess.run(("umount", "--lazy", str(disk)), check=True)


async def shell(driver: LocalDriver, runtime: Runtime) -> Session:
    session = await driver.open(Launch(argv=("sh", "-c", "echo up; exec cat"), runtime=runtime), SIZE)
    await until(session, b"up")
    return session


async def is_alive(session: Session) -> bool:
    word = fresh_word().encode()
    await session.write(word + b"\r")
    return word in await until(session, word)


def gone(word: str) -> None:
    """Wait until no process has ``word`` among its arguments; the test's own time limit ends this."""
    while running(word):
        pass


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def test_a_fork_bomb(driver: LocalDriver, ann: Runtime, bob: Runtime) -> None:
    others = await shell(driver, bob)
    bomb = await driver.open(Launch(argv=("bash", "-c", "f() { f | f & }; f; echo lit; sleep 1000"), runtime=ann), SIZE)
    output = b""
    while b"fork" not in output and b"Resource temporarily unavailable" not in output:
        output += await bomb.read()
    assert await is_alive(others)
    assert "fine" in await run(driver, bob, "sh", "-c", "sh -c 'sh -c \"echo fine\"'")
    await driver.stop(ann.workspace)
    assert await is_alive(others)
    assert "again" in await run(driver, ann, "echo", "again")
    await others.aclose()


async def test_a_memory_hog(driver: LocalDriver, ann: Runtime, bob: Runtime) -> None:
    others, own = await shell(driver, bob), await shell(driver, ann)
    hog = await driver.open(Launch(argv=("perl", "-e", "$x = 'x' x 2e9; print 'had it'"), runtime=ann), SIZE)
    assert b"had it" not in await rest(hog)
    assert await hog.wait() in (Exit(signal="KILL"), Exit(status=1), Exit(status=12))
    assert await is_alive(own)
    output = await run(driver, ann, "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do head -c 40M /dev/zero >/tmp/$i; done")
    assert "No space left" in output
    assert await is_alive(own)
    assert await is_alive(others)
    for session in (others, own, hog):
        await session.aclose()


async def test_a_disk_filler(driver: LocalDriver, ann: Runtime, bob: Runtime) -> None:
    others = await shell(driver, bob)
    script = "i=0; while :; do i=$((i+1)); head -c 2M /dev/zero >f$i; sleep 0.02; done"
    filler = await driver.open(Launch(argv=("sh", "-c", script), runtime=ann), SIZE)
    # 64 MiB, or a little more: when others make room on the disk meanwhile, it may have been as large before.
    assert await filler.wait() == Exit(signal="KILL")
    assert b"the workspace holds more than its " in filler.last_words
    assert count(ann.files).size > LIMITS.disk
    assert await is_alive(others)
    assert await run(driver, ann, "sh", "-c", "rm f*; echo tidy") == "tidy\n"
    assert count(ann.files).size < MIB
    assert "File size limit" in await run(driver, ann, "bash", "-c", "head -c 1G /dev/zero >one; echo")
    await others.aclose()
    await filler.aclose()


NAMELESS = {
    "open": "begin(); begin()",
    "of a thread": "threading.Thread(target=apart).start()",
    "mapped": "kept = mapped(), mapped()",
}
BEGIN = """
import ctypes, mmap, os, sys, threading, time
CLONE_FILES, SIZE = 0x400, 40 << 20
def nameless():
    file = os.open("f", os.O_RDWR | os.O_CREAT)
    os.unlink("f")
    return file
def begin():
    file = nameless()
    for _ in range(SIZE >> 20):
        os.write(file, bytes(1 << 20))
def apart():
    ctypes.CDLL(None).unshare(CLONE_FILES)
    begin(), begin(), rest()
def mapped():
    file = nameless()
    os.ftruncate(file, SIZE)
    memory = mmap.mmap(file, SIZE)
    os.close(file)
    for at in range(0, SIZE, 4096):
        memory[at] = 1
    return memory
def rest():
    print("full", flush=True)
    time.sleep(1000)
"""


@pytest.mark.parametrize("script", NAMELESS.values(), ids=NAMELESS.keys())
async def test_files_without_a_name_count(tmp_path: Path, script: str) -> None:
    ann = runtime_in(tmp_path, limits=LIMITS)
    async with driver_in(tmp_path / "data") as driver:
        argv = (sys.executable, "-I", "-c", f"{BEGIN}\n{script}\nrest()")
        filler = await driver.open(Launch(argv=argv, runtime=ann), SIZE)
        assert await filler.wait() == Exit(signal="KILL")
        assert b"the workspace holds more than its " in filler.last_words
        await filler.aclose()


async def test_who_makes_the_most_files_has_to_stop(driver: LocalDriver, small_disk: Path) -> None:
    ann, bob = (runtime_in(small_disk, account=account) for account in (ACCOUNT, (ACCOUNT or 0) + 1))
    others = await shell(driver, bob)
    script = "while (1) { open(my $f, '>', $i++) or select(undef, undef, undef, 0.1) }"
    filler = await driver.open(Launch(argv=("perl", "-e", script), runtime=ann), SIZE)
    assert await filler.wait() == Exit(signal="KILL")
    assert b"is almost full" in filler.last_words
    assert await is_alive(others)
    await others.aclose()
    await filler.aclose()
    await driver.aclose()


ALL = """
import ctypes, os, resource
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
watching = 0
while watching < 1000 and ctypes.CDLL(None).inotify_init() != -1:
    watching += 1
terminals = []
try:
    while len(terminals) < 1000:
        terminals.append(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))
except OSError:
    pass
print("got", watching, len(terminals), flush=True)
input()
"""


async def test_nobody_takes_all_of_what_there_is_little_of(tmp_path: Path, ann: Runtime, bob: Runtime) -> None:
    async with driver_in(tmp_path / "data") as driver:
        launches = [Launch(argv=(sys.executable, "-I", "-c", ALL), runtime=runtime) for runtime in (ann, bob)]
        sessions = [await driver.open(launch, SIZE) for launch in launches]
        for session in sessions:
            watching, terminals = (await until(session, b"\n")).split()[1:]
            assert int(watching) > 0
            assert 0 < int(terminals) <= 256
        for session in sessions:
            await session.aclose()


async def test_killing_everybody(driver: LocalDriver, ann: Runtime, bob: Runtime) -> None:
    others, own = await shell(driver, bob), await shell(driver, ann)
    await run(
        driver, ann, "sh", "-c", "echo kept >/tmp/kept; kill -9 -1; kill -9 1; kill -STOP 1; kill -TERM 1; kill -9 0"
    )
    assert await own.wait() == Exit(signal="KILL")
    assert await is_alive(others)
    assert await run(driver, ann, "cat", "/tmp/kept") == "kept\n"
    await others.aclose()


async def test_a_program_may_be_killed_with_its_parent(driver: LocalDriver, ann: Runtime) -> None:
    session = await driver.open(Launch(argv=("sh", "-c", "trap '' HUP; echo up; exec sleep 1000"), runtime=ann), SIZE)
    await until(session, b"up")
    assert session.pid is not None
    os.kill(session.pid, 9)
    assert await session.wait() == Exit(signal="KILL")
    output = await run(
        driver, ann, "sh", "-c", "while ps -e | grep sleep.1000; do :; done; ps -ef | grep -c 'sleep 100[0]'"
    )
    assert output.splitlines()[-1] == "0"
    await session.aclose()


LEFTOVERS = {
    "setsid": "setsid -f sleep {word}; echo up; exec cat",
    "nohup": "nohup sleep {word} >/dev/null 2>&1 & echo up; exec cat",
    "double fork": "(sh -c 'trap \"\" HUP TERM; sleep {word}; :' &); echo up; exec cat",
    "stopped": "sleep {word} & kill -STOP $!; setsid sh -c 'kill -STOP $$; sleep {word}' & echo up; exec cat",
}


@pytest.mark.parametrize("script", LEFTOVERS.values(), ids=LEFTOVERS.keys())
async def test_closing_leaves_nothing(driver: LocalDriver, ann: Runtime, script: str) -> None:
    word = f"1000.{fresh_word()[1:].translate(str.maketrans('abcdef', '123456'))}"
    other = await shell(driver, ann)
    session = await driver.open(Launch(argv=("sh", "-c", script.format(word=word)), runtime=ann), SIZE)
    await until(session, b"up")
    assert running(word)
    await session.aclose()
    gone(word)
    assert await is_alive(other)
    await other.aclose()


@pytest.mark.parametrize("script", LEFTOVERS.values(), ids=LEFTOVERS.keys())
async def test_stopping_leaves_nothing(driver: LocalDriver, ann: Runtime, script: str) -> None:
    word = f"1000.{fresh_word()[1:].translate(str.maketrans('abcdef', '123456'))}"
    session = await driver.open(Launch(argv=("env", "-i", "sh", "-c", script.format(word=word)), runtime=ann), SIZE)
    await until(session, b"up")
    assert await driver.is_up(ann.workspace)
    await driver.stop(ann.workspace)
    gone(word)
    assert not await driver.is_up(ann.workspace)
    assert not [tree.group(ann.workspace) for tree in cgroups.find_trees() if tree.group(ann.workspace).exists()]
    assert await session.wait() in (Exit(signal="HUP"), Exit(signal="KILL"))
    await session.aclose()


async def test_stopping_ends_what_is_unconfined_in_a_workspace(driver: LocalDriver, tmp_path: Path) -> None:
    runtime = runtime_in(tmp_path, confined=False)
    (runtime.files / "sub").mkdir()
    session = await driver.open(Launch(argv=("sh", "-c", "pwd; exec cat"), runtime=runtime, cwd="sub"), SIZE)
    assert str(runtime.files / "sub").encode() in await until(session, b"\n")
    other = await driver.open(Launch(argv=("cat",)), SIZE)
    await driver.stop(runtime.workspace)
    assert await session.wait() == Exit(signal="HUP")
    assert await is_alive(other)
    await other.aclose()


async def test_commands_without_a_terminal(driver: LocalDriver, ann: Runtime) -> None:
    execution = await driver.execute(
        Launch(argv=("sh", "-c", "id -u; echo err >/dev/stderr; cat /dev/stdin; kill -9 $$"), runtime=ann)
    )
    await execution.write(b"input\n")
    await execution.end_input()
    output: dict[Stream, bytes] = {Stream.STDOUT: b"", Stream.STDERR: b""}
    while (piece := await execution.read()) is not None:
        output[piece[0]] += piece[1]
    uid = ACCOUNT if ACCOUNT is not None else os.geteuid()
    assert output == {Stream.STDOUT: f"{uid}\ninput\n".encode(), Stream.STDERR: b"err\n"}
    assert await execution.wait() == Exit(signal="KILL")
    await execution.aclose()


async def test_a_sandbox_outlives_the_server(tmp_path: Path, ann: Runtime) -> None:
    async with driver_in(tmp_path / "data") as first:
        session = await first.open(Launch(runtime=ann, env={"PS1": "> "}), SIZE)
        await session.write(b"echo kept >/tmp/kept; echo do''ne\r")
        await until(session, b"done")
        await first.aclose()
        async with driver_in(tmp_path / "data") as second:
            assert await second.kept() == [session.token]
            assert await second.is_up(ann.workspace)
            assert await run(second, ann, "cat", "/tmp/kept") == "kept\n"
            again = await second.resume(session.token or "")
            assert again is not None
            await again.write(b"sh -c 'cat /tmp/kept; exec sleep 1000'\r")
            await until(again, b"\rkept\r\n")
            assert again.at_prompt() is False
            await again.signal("INT")
            await again.write(b"exit 7\r")
            await rest(again)
            assert await again.wait() == Exit(status=7)
            await again.aclose()
        # Nothing ran in it when its server let go: it has ended, and so has the keeper.
        assert not running(str(ann.files))


async def test_a_dead_keeper_leaves_no_sandbox(driver: LocalDriver, ann: Runtime) -> None:
    session = await shell(driver, ann)
    assert session.pid is not None
    keeper = parent(session.pid)
    os.kill(keeper, 9)
    assert await session.wait() == Exit()
    while running(str(ann.files)):
        pass
    await session.aclose()
    assert await run(driver, ann, "echo", "again") == "again\n"


async def test_changed_settings_wait_until_nothing_runs(driver: LocalDriver, tmp_path: Path, ann: Runtime) -> None:
    session = await shell(driver, ann)
    changed = Runtime(
        workspace=ann.workspace,
        files=ann.files,
        confined=True,
        account=ann.account,
        limits=RuntimeLimits(file_size=MIB),
    )
    script = "ulimit -f; cat /tmp/x 2>/dev/null; echo x >/tmp/x"
    assert (await run(driver, changed, "bash", "-c", script)).splitlines() == [str(64 * 1024)]
    await session.aclose()
    assert (await run(driver, changed, "bash", "-c", script)).splitlines() == ["1024"]


async def test_what_a_killed_server_and_keeper_left_is_cleared_up(tmp_path: Path, ann: Runtime, bob: Runtime) -> None:
    async with driver_in(tmp_path / "data") as first:
        session = await shell(first, ann)
        groups = [group for tree in cgroups.find_trees() if (group := tree.group(ann.workspace)).exists()]
        await first.aclose()
        assert (tmp_path / "data" / "sandboxes" / ann.workspace).exists()
    async with driver_in(tmp_path / "data") as second:
        assert await second.resume(session.token or "") is None
        await run(second, bob, "true")
        assert not (tmp_path / "data" / "sandboxes" / ann.workspace).exists()
        assert not any(group.exists() for group in groups)
