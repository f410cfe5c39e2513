"""What people do all day works in a sandbox, and it opens as fast as anything else."""

from __future__ import annotations

import os
import statistics
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.drivers.sandboxes import SIZE, driver_in, rest, run, runtime_in, until
from webterm.drivers.local import LocalDriver
from webterm.drivers.local_tokens import new_token
from webterm.drivers.prepared import Prepared
from webterm.drivers.sandbox_tools import PACKAGES, find_tools
from webterm.errors import IsolationRefused, Unavailable
from webterm.runtime import Runtime
from webterm.session import Exit, Launch

pytestmark = pytest.mark.blocking_allowed  # the tests themselves look at files
MOST_MORE = 0.015
"""Seconds that opening a terminal in a sandbox may cost more than opening a bare one."""
OPENED = 15


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[LocalDriver]:
    async with driver_in(tmp_path / "data") as driver:
        yield driver


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return runtime_in(tmp_path)


async def test_vim_writes_a_file(driver: LocalDriver, runtime: Runtime) -> None:
    session = await driver.open(Launch(argv=("vim", "-u", "NONE", "new.txt"), runtime=runtime), SIZE)
    await until(session, b"new.txt")
    await session.write(b"ihello\x1b:wq\r")
    await rest(session)
    assert await session.wait() == Exit(status=0)
    assert (runtime.files / "new.txt").read_text() == "hello\n"
    assert (runtime.files / "new.txt").stat().st_uid == runtime.files.stat().st_uid
    await session.aclose()


async def test_tmux_holds_a_shell(driver: LocalDriver, runtime: Runtime) -> None:
    session = await driver.open(Launch(argv=("tmux", "new", "sh"), runtime=runtime), SIZE)
    await until(session, b"[0]")
    await session.write(b"echo in''side >/workspace/said; tmux detach\r")
    assert b"detached" in await rest(session)
    assert (runtime.files / "said").read_text() == "inside\n"
    assert "sh" in await run(driver, runtime, "tmux", "ls", "-F", "#{window_name}")
    await driver.stop(runtime.workspace)
    await session.aclose()


async def test_pip_installs_and_venv_makes(driver: LocalDriver, runtime: Runtime) -> None:
    wheel = runtime.files / "hi-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("hi.py", "def main(): print('hi there')\n")
        file.writestr("hi-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: hi\nVersion: 1.0\n")
        file.writestr("hi-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("hi-1.0.dist-info/entry_points.txt", "[console_scripts]\nhi = hi:main\n")
        file.writestr("hi-1.0.dist-info/RECORD", "")
    script = (
        f"{sys.executable} -m pip install --quiet --no-index --target lib ./{wheel.name} && PYTHONPATH=lib lib/bin/hi"
        f" && {sys.executable} -m venv --without-pip own && own/bin/python -c 'print(6*7)'"
    )
    output = await run(driver, runtime, "sh", "-c", script)
    assert output.splitlines()[-2:] == ["hi there", "42"], output


async def test_scripts_find_their_streams(driver: LocalDriver, runtime: Runtime) -> None:
    script = "echo a >/dev/stdout; echo b >/dev/stderr; echo c >/dev/tty; echo d >/proc/self/fd/1; stty size </dev/tty"
    assert (await run(driver, runtime, "sh", "-c", script)).split() == ["a", "b", "c", "d", "24", "80"]


@pytest.mark.skipif(not Path("/etc/ssl/certs").is_dir(), reason="this machine has its certificates elsewhere")
async def test_certificates_can_be_read(driver: LocalDriver, runtime: Runtime) -> None:
    assert "certs" in await run(driver, runtime, "ls", "/etc/ssl")


async def test_people_have_a_name_and_a_home(driver: LocalDriver, runtime: Runtime) -> None:
    output = await run(driver, runtime, "sh", "-c", 'id -un; id -gn; hostname; cd; pwd; ls -ld . | cut -d" " -f3')
    assert output.split() == ["user", "user", "workspace", "/workspace", "user"]


def taken(prepared: Prepared) -> float:
    """Seconds of processors that a program takes, all of the way to it included."""
    pid = os.posix_spawn(prepared.argv[0], prepared.argv, dict(prepared.env))
    _, status, used = os.wait4(pid, 0)
    assert status == 0
    return used.ru_utime + used.ru_stime


async def test_getting_in_costs_little_more_than_bare(driver: LocalDriver, runtime: Runtime) -> None:
    """Counted as time of processors, which is the same however busy a machine is. What a person waits is measured in
    `bench/sandbox.py`."""
    confined = await driver.prepare(Launch(argv=("/bin/true",), runtime=runtime), new_token(runtime))
    bare = await driver.prepare(Launch(argv=("/bin/true",)), new_token(None))
    more = statistics.median(taken(confined) for _ in range(OPENED)) - statistics.median(
        taken(bare) for _ in range(OPENED)
    )
    assert more <= MOST_MORE


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        IsolationRefused, match=r"bwrap.* is missing; install bubblewrap coreutils perl-base util-linux"
    ):
        find_tools(str(tmp_path))
    for name in PACKAGES:
        (tmp_path / name).write_text("#!/bin/sh\necho bubblewrap 0.3.1\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(IsolationRefused, match=r"bubblewrap 0\.3\.1 is too old"):
        find_tools(str(tmp_path))
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho no such luck >&2; exit 1\n")
    with pytest.raises(IsolationRefused, match="no such luck"):
        find_tools(str(tmp_path))


async def test_without_files_there_is_no_sandbox(driver: LocalDriver, runtime: Runtime) -> None:
    runtime.files.rmdir()
    with pytest.raises(Unavailable, match="directory is not there"):
        await driver.open(Launch(runtime=runtime), SIZE)
    assert not await driver.is_up(runtime.workspace)
