"""What is the local driver's own about commands; what every driver promises is in tests/contract."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from webterm.drivers.local import LocalDriver
from webterm.errors import LaunchFailed, ShuttingDown, TooBig, Unavailable
from webterm.execution import Execution, Stream
from webterm.keeper.client import shut_down
from webterm.session import Exit, Launch

pytestmark = pytest.mark.both_loops
PATIENCE = 60
LONG = 10**9 + secrets.randbelow(10**9)
"""Seconds; they mark the processes of these tests among all others."""
ESCAPES = f"""
L=$(({LONG} + 1))
sh -c "exec sleep $L" &
setsid sh -c "exec sleep $L" &
setsid env -u WEBTERM_TERMINAL sh -c "sleep $L; :" &
(setsid nohup sh -c "trap '' HUP TERM; sleep $L; :" >/dev/null 2>&1 &)
all() {{ ps -eo pid=,args= | grep "[s]leep $L" | awk '{{print $1}}' | xargs; }}
until [ $(all | wc -w) = 6 ]; do sleep 0.01; done
all
sleep 1000
"""
"""Starts children in the group, in sessions of their own, and orphans, two of them below shells, and names them all."""
SERVER = """
import asyncio, sys
from pathlib import Path
from webterm.drivers.local import LocalDriver
from webterm.session import Launch

async def main():
    driver = LocalDriver(Path(sys.argv[1]), patience=1)
    execution = await driver.execute(Launch(argv=("sh", "-c", sys.argv[2])))
    stream, data = await execution.read()
    print(data.decode().strip(), flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[LocalDriver]:
    made = LocalDriver(tmp_path / "data", patience=1)
    yield made
    await made.aclose()
    await shut_down(tmp_path / "data", 0)


async def shell(driver: LocalDriver, line: str, **fields: object) -> Execution:
    return await driver.execute(Launch(argv=("sh", "-c", line), **fields))  # type: ignore[arg-type]


async def outcome(execution: Execution) -> tuple[bytes, bytes, Exit]:
    found = {Stream.STDOUT: b"", Stream.STDERR: b""}
    while (part := await execution.read()) is not None:
        found[part[0]] += part[1]
    exit_ = await execution.wait()
    await execution.aclose()
    return found[Stream.STDOUT], found[Stream.STDERR], exit_


async def gone(pids: list[int]) -> None:
    """Wait until these processes have ended."""
    async with asyncio.timeout(PATIENCE):
        while any(is_alive(pid) for pid in pids):  # noqa: ASYNC110 - nobody tells when strangers end
            await asyncio.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def read_line(execution: Execution) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = await execution.read()
        assert part is not None
        line += part[1]
    return line


async def test_status_and_both_streams(driver: LocalDriver) -> None:
    execution = await shell(driver, "echo out; echo err >&2; exit 7")
    assert await outcome(execution) == (b"out\n", b"err\n", Exit(status=7))


async def test_it_may_die_of_a_signal_of_its_own(driver: LocalDriver) -> None:
    assert (await outcome(await shell(driver, "kill -SEGV $$")))[2] == Exit(signal="SEGV")


async def test_the_environment_is_as_clean_as_a_terminals(driver: LocalDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBTERM_SERVER__SECRET", "hush")
    output, _, _ = await outcome(await driver.execute(Launch(argv=("env",), env={"EXTRA": "yes"})))
    found = dict(line.split("=", 1) for line in output.decode().splitlines())
    assert found["EXTRA"] == "yes"
    assert "WEBTERM_SERVER__SECRET" not in found


async def test_it_has_three_descriptors_and_a_session_of_its_own(driver: LocalDriver) -> None:
    secret = os.memfd_create("test", 0)
    output, _, _ = await outcome(await shell(driver, "ls /proc/self/fd; ps -o pid=,pgid=,sid=,tty= $$"))
    os.close(secret)
    *descriptors, pid, group, session, terminal = output.split()
    assert descriptors == [b"0", b"1", b"2", b"3"]  # the last is that of ls
    assert pid == group == session
    assert terminal == b"?"


async def test_the_directory(driver: LocalDriver, tmp_path: Path) -> None:
    assert (await outcome(await shell(driver, "pwd", cwd=str(tmp_path))))[0] == f"{tmp_path}\n".encode()


@pytest.mark.parametrize(
    ("launch", "named"),
    [
        (Launch(argv=("no-such-command",)), "no-such-command"),
        (Launch(argv=("true",), cwd="/no-such-directory"), "/no-such-directory"),
        (Launch(argv=("x" * 300_000,)), "KiB"),
    ],
)
async def test_what_cannot_be_started_says_why(driver: LocalDriver, launch: Launch, named: str) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises((LaunchFailed, TooBig), match=named):
        await driver.execute(launch)
    assert len(os.listdir("/proc/self/fd")) <= before + 4  # noqa: PTH208 - the link to the keeper, and its staging


async def test_much_comes_whole(driver: LocalDriver) -> None:
    line = "head -c 10000000 /dev/zero; head -c 3000000 /dev/zero >&2"
    output, errors, exit_ = await outcome(await shell(driver, line))
    assert (len(output), len(errors), exit_) == (10_000_000, 3_000_000, Exit(status=0))


async def test_closing_ends_whatever_it_started(driver: LocalDriver) -> None:
    execution = await shell(driver, ESCAPES)
    pids = [int(pid) for pid in (await read_line(execution)).split()]
    await execution.aclose()
    assert not [pid for pid in pids if is_alive(pid)]


async def test_its_own_end_ends_whatever_it_left_behind(driver: LocalDriver) -> None:
    execution = await shell(driver, "sleep 1000 & echo $!; setsid sleep 1000 & echo $!; exit 4")
    output, _, exit_ = await outcome(execution)
    assert exit_ == Exit(status=4)
    await gone([int(pid) for pid in output.split()])


async def test_what_it_left_behind_may_say_its_last_words(driver: LocalDriver) -> None:
    execution = await shell(driver, "(sleep 0.1; echo last) & echo first")
    assert (await outcome(execution))[0] == b"first\nlast\n"


async def test_nothing_waits_for_what_lets_go_of_the_streams(driver: LocalDriver) -> None:
    execution = await shell(driver, "sleep 1000 >/dev/null 2>&1 & echo $!")
    async with asyncio.timeout(PATIENCE):
        output, _, _ = await outcome(execution)
    await gone([int(output)])


async def test_cancelling_leaves_nothing_behind(driver: LocalDriver, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    for delay in (0, 0.001, 0.003, 0.01):
        starting = asyncio.create_task(shell(driver, f"echo $$ > {mark}; sleep 1000"))
        await asyncio.sleep(delay)
        starting.cancel()
        (made,) = await asyncio.gather(starting, return_exceptions=True)
        if isinstance(made, Execution):
            await made.aclose()
    if mark.exists():
        await gone([int(pid) for pid in mark.read_text().split()])


async def test_a_killed_server_takes_its_commands_along(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, str(tmp_path / "data"), ESCAPES, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    pids = [int(pid) for pid in (await process.stdout.readline()).split()]
    assert len(pids) == 6
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await gone(pids)


async def test_a_new_server_does_not_find_them_among_terminals(driver: LocalDriver) -> None:
    execution = await shell(driver, "sleep 1000")
    assert await driver.kept() == []
    await execution.aclose()


async def test_without_a_keeper_it_is_over_and_nobody_knows_how(driver: LocalDriver, tmp_path: Path) -> None:
    execution = await shell(driver, "echo $$ $PPID; exec sleep 1000")
    pid, keeper = (int(number) for number in (await read_line(execution)).split())
    os.kill(keeper, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE):
        assert await execution.wait() == Exit()
        await execution.aclose()
    os.kill(pid, signal.SIGKILL)


async def test_nothing_starts_while_it_closes(driver: LocalDriver) -> None:
    await driver.aclose()
    with pytest.raises((ShuttingDown, Unavailable)):
        await shell(driver, "true")
